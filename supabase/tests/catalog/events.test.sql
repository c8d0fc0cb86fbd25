-- Events: what is written down of agents, once, without telling who somebody was; and what trends.
begin;
select plan(34);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('vic') as vic, tests.create_user('wes') as wes;
grant select on people to public;
create temporary table shop as select tests.create_organization(ada, 'Maker') as maker from people;
grant select on shop to public;
select tests.create_listing(ada, maker, l.title) from people, shop, (values ('Writer'), ('Reader')) as l (title);
create temporary table offer as select l.id, l.agent_id from public.marketplace_listings as l where title = 'Writer';
grant select on offer to public;
insert into public.agents (id, organization_id, created_by_id, name)
select '00000000-0000-7000-8000-00000000000b', maker, ada, 'Diary' from people, shop;
create temporary view counts as
select c.view_count, c.share_count from offer, private.agent_counts(agent_id) as c;
create function pg_temp.record(event_type text, metadata jsonb default '{}') returns text
language sql
as $$
  select tests.code_of(format('select public.record_agent_event(agent_id, %L, %L) from offer', event_type, metadata))
$$;
grant execute on function pg_temp.record to public;

select tests.sign_in(vic) from people;
select is(pg_temp.record('install'), 'event_type_refused', 'nobody reports an install');
select is(pg_temp.record('use'), 'event_type_refused', 'or a use');
select is(pg_temp.record(null), 'event_type_refused', 'or nothing');
select is(tests.code_of('select public.record_agent_event(''00000000-0000-7000-8000-00000000000b'', ''view'')'), 'agent_not_found',
  'nor what they cannot see');
select is(pg_temp.record('view', '[]'), '23514', 'what comes along is an object');
select is(pg_temp.record('view', jsonb_build_object('x', repeat('y', 5000))), '23514', 'and small');
select is(pg_temp.record('view', '{"from": "search"}'), null, 'views are reported');
select is(pg_temp.record('view'), null, 'again is fine');
select is(pg_temp.record('share'), null, 'and shares');
select results_eq('select event_type from public.agent_events order by id', $$values ('view'), ('share')$$,
  'people see what they did themselves');
select is_empty('select from public.agent_activity', 'but not what others did, not even in numbers');
select tests.sign_in(ada) from people;
select is(pg_temp.record('view'), null, 'one''s own view is refused by nobody');
select results_eq('select a.event_type, a.count, a.day from offer join public.agent_activity as a using (agent_id) order by a.event_type',
  $$select e, 1::bigint, (now() at time zone 'UTC')::date from unnest('{share,view}'::text[]) as e$$,
  'but not counted; nor is a second one within the hour');
select is_empty('select from public.agent_events', 'the publisher reads no more than numbers');
select tests.sign_in_with_key(ada, maker, 'agents:read', 'usage:read') from people, shop;
select is((select sum(count) from public.agent_activity), 2::numeric, 'with a key, too');
select tests.sign_in_with_key(ada, maker, 'agents:read', 'catalog:read') from people, shop;
select is_empty('select from public.agent_activity', 'which takes usage:read');
select tests.sign_in(wes) from people;
select is_empty('select from public.agent_events', 'strangers do not see who viewed what');
select tests.sign_out();
select results_eq('select event_type, metadata from public.agent_events order by id',
  $$values ('view', '{"from": "search"}'::jsonb), ('share', '{}')$$, 'which is kept');
select results_eq('table counts', 'values (1::bigint, 1::bigint)', 'once each');
update private.recent_agent_events set counted_at = now() - interval '61 minutes';
select tests.sign_in(vic) from people;
select pg_temp.record('view');
select tests.sign_in_as_anon();
select set_config('request.headers', '{"x-forwarded-for": "203.0.113.77"}', true);
select pg_temp.record('view');
select pg_temp.record('view');
select set_config('request.headers', '{"x-forwarded-for": "2001:db8:1:2:3::4"}', true);
select pg_temp.record('view');
select tests.sign_out();
select set_config('request.headers', '', true);
select results_eq('table counts', 'values (4::bigint, 1::bigint)', 'an hour later it counts again, as does every address');
select results_eq('select ip_address from public.agent_events where user_id is null order by family(ip_address)',
  $$values ('203.0.113.0/24'::inet), ('2001:db8:1::/48')$$, 'of which no whole address is kept');
select is(
  tests.code_of('insert into public.agent_events (agent_id, event_type, ip_address) select agent_id, ''view'', ''203.0.113.77'' from offer'),
  '23514', 'whoever writes it');
select private.forget_recent_agent_events();
select is((select count(*) from private.recent_agent_events where caller = '203.0.113.77'), 1::bigint, 'within the hour one is remembered');
update private.recent_agent_events set counted_at = now() - interval '61 minutes';
select private.forget_recent_agent_events();
select is((select count(*) from private.recent_agent_events), 0::bigint, 'then no more');

-- The rest follows what happens -----------------------------------------------------------------------
update public.agents as a set visibility = 'public' from offer where a.id = offer.agent_id;
select tests.sign_in(wes) from people;
insert into public.favorites (agent_id) select agent_id from offer;
select public.fork_agent(agent_id, (select o.id from public.organizations as o where o.is_personal)) from offer;
select tests.sign_out();
select is((select array_agg(event_type order by event_type) from public.agent_events, people where user_id = wes), '{favorite,fork}',
  'favorites and forks are events');

-- Trending --------------------------------------------------------------------------------------------
select private.refresh_trending();
select is((select count(*) from public.marketplace_listings where trending_score > 0), 1::bigint, 'what happens lifts a listing');
create temporary table score as select trending_score as now from public.marketplace_listings, offer where marketplace_listings.id = offer.id;
insert into public.agent_events (agent_id, event_type, user_id)
select agent_id, 'favorite', wes from offer, people, generate_series(1, 50);
select private.refresh_trending();
select is((select trending_score = now from public.marketplace_listings as l, score, offer where l.id = offer.id), true,
  'repeating it does not');
update public.agent_events set created_at = created_at - interval '14 days';
select private.refresh_trending();
select is((select trending_score between now * 0.24 and now * 0.26 from public.marketplace_listings as l, score, offer where l.id = offer.id), true,
  'two weeks later a quarter is left');
select is((select trending_score from public.marketplace_listings where title = 'Reader'), 0::numeric, 'where nothing happened there is none');

-- What goes -------------------------------------------------------------------------------------------
select is_empty('select * from private.recount()', 'a recount agrees');
delete from auth.users using people where id = vic;
select is((select count(*) from public.agent_events, people where user_id = vic), 0::bigint, 'events forget who left');
select results_eq('table counts', 'values (4::bigint, 1::bigint)', 'and count on');
select private.archive_agent_events(p.partition)
from private.partition_months('public.agent_events') as p where p.month = date_trunc('month', now());
delete from public.agent_events;
select is_empty('select * from private.recount()', 'a month that goes leaves its counts behind');
select tests.sign_in_as_service_role();
select is(tests.code_of('delete from public.agent_events'), '42501', 'operators write no events either');

select * from finish();
rollback;
