-- Favorites, collections, screenshots: what people keep, and who sees it.
begin;
select plan(27);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('finn') as finn, tests.create_user('gus') as gus;
grant select on people to public;
create temporary table shop as select tests.create_organization(ada, 'Maker') as maker from people;
grant select on shop to public;
select tests.create_listing(ada, maker, 'Writer') from people, shop;
create temporary table offer as select l.id, l.agent_id from public.marketplace_listings as l;
grant select on offer to public;
insert into public.agents (id, organization_id, created_by_id, name)
select '00000000-0000-7000-8000-00000000000b', maker, ada, 'Diary' from people, shop;

-- Favorites -------------------------------------------------------------------------------------------
select tests.sign_in_as_anon();
select is(tests.code_of('insert into public.favorites (agent_id) select agent_id from offer'), '42501',
  'signed out, nobody keeps anything');
select tests.sign_in(finn) from people;
select is(tests.code_of('insert into public.favorites (agent_id) values (''00000000-0000-7000-8000-00000000000b'')'),
  'agent_not_found', 'nobody keeps what they cannot see');
insert into public.favorites (agent_id) select agent_id from offer;
select is(tests.code_of('insert into public.favorites (agent_id) select agent_id from offer'), '23505', 'once is enough');
select results_eq('select s.favorite_count from offer as o join public.agent_stats as s using (agent_id)', 'values (1::bigint)', 'it counts');
select tests.sign_in(gus) from people;
select is((select count(*) from public.favorites), 0::bigint, 'favorites are one''s own');
delete from public.favorites;
select tests.sign_in(finn) from people;
select is((select count(*) from public.favorites), 1::bigint, 'and stay so');
delete from public.favorites;
select results_eq('select s.favorite_count from offer as o join public.agent_stats as s using (agent_id)', 'values (0::bigint)', 'gone, it counts no more');

-- Collections -----------------------------------------------------------------------------------------
insert into public.collections (name) values ('Mine');
insert into public.collections (name, is_public) values ('Ours', true);
insert into public.collection_items (collection_id, agent_id, display_order)
select c.id, o.agent_id, 1 from public.collections as c, offer as o;
select is(tests.code_of('insert into public.collection_items (collection_id, agent_id) select id, ''00000000-0000-7000-8000-00000000000b'' from public.collections'),
  'agent_not_found', 'what one cannot see is not collected');
select is((select count(*) from public.collection_items), 2::bigint, 'people see what they collected');
select tests.sign_in_as_anon();
select results_eq('select name from public.collections', $$values ('Ours')$$, 'others see what is public');
select is((select count(*) from public.collection_items), 1::bigint, 'with what is in it');
select tests.sign_in(gus) from people;
select is((select count(*) from public.collections), 1::bigint, 'signed in, the same');
update public.collections set name = 'Theirs';
delete from public.collection_items;
select is(tests.code_of('insert into public.collection_items (collection_id, agent_id) select c.id, o.agent_id from public.collections as c, offer as o'),
  '42501', 'nobody adds to somebody else''s');
select tests.sign_in_with_key(finn, maker, 'catalog:read') from people, shop;
select results_eq('select name from public.collections', $$values ('Ours')$$, 'API keys see what is public only');
select is((select count(*) from public.collection_items), 1::bigint, 'and what is in it');
select is(tests.code_of('insert into public.collections (name) values (''Key'')'), '42501', 'and make none');
select tests.sign_in_with_key(finn, maker, 'agents:read') from people, shop;
select is((select count(*) from public.collections) + (select count(*) from public.industries), 0::bigint, 'without the scope, nothing');
select tests.sign_in(finn) from people;
select results_eq('select name, (select count(*) from public.collection_items) from public.collections order by name',
  $$values ('Mine', 2::bigint), ('Ours', 2)$$, 'nobody touched them');
update public.collection_items set display_order = 5;
select is((select sum(display_order) from public.collection_items), 10::bigint, 'their owner orders them');
delete from public.collections where name = 'Mine';
select is((select count(*) from public.collection_items), 1::bigint, 'a collection goes with what is in it');
select tests.sign_out();
insert into public.favorites (user_id, agent_id) select finn, agent_id from people, offer;
delete from auth.users using people where id = finn;
select is((select count(*) from public.collections) + (select count(*) from public.favorites), 0::bigint,
  'an account takes its shelves along');
select is_empty('select * from private.recount()', 'and the counts know');

-- Screenshots -----------------------------------------------------------------------------------------
create function pg_temp.upload(folder text) returns text
language sql
as $$
  select tests.code_of(format('insert into storage.objects (bucket_id, name) values (''screenshots'', %L)', folder || '/one.png'))
$$;
grant execute on function pg_temp.upload to public;
set local storage.allow_delete_query = 'true';
select results_eq($$select public, file_size_limit from storage.buckets where id = 'screenshots'$$,
  $$values (true, 5242880::bigint)$$, 'screenshots are public, at most 5 MB');
select tests.sign_in(gus) from people;
select is(pg_temp.upload(maker::text), '42501', 'strangers upload none') from shop;
select tests.sign_in(ada) from people;
select is(pg_temp.upload(maker::text), null, 'members do') from shop;
select tests.sign_in(gus) from people;
delete from storage.objects;
update storage.objects set name = 'stolen.png';
select is((select count(*) from storage.objects), 0::bigint, 'and nobody else lists them');
select tests.sign_out();
select is((select name from storage.objects where bucket_id = 'screenshots'), maker || '/one.png', 'or touches them') from shop;

select * from finish();
rollback;
