-- Accounts come and go in Supabase Auth; profiles and personal organizations follow.
begin;
select plan(25);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('cleo') as cleo;
grant select on people to public;

create function pg_temp.sign_up(email text, metadata jsonb) returns text
language sql
as $$
  with account as (
    insert into auth.users (id, email, raw_user_meta_data)
    values (gen_random_uuid(), email, metadata)
    returning id
  )
  select id::text from account
$$;
create function pg_temp.username_of(id text) returns text
language sql
as $$
  select username from public.profiles as p where p.id = username_of.id::uuid
$$;

-- Signing up
select is((select username from public.profiles, people where id = ada), 'ada',
  'a new account has a profile with the username that was asked for');
select results_eq(
  $$select o.name, o.slug, o.is_personal, m.role
    from public.organizations as o
      join public.organization_members as m on m.organization_id = o.id
      join people on m.user_id = ada$$,
  $$values ('ada', 'ada', true, 'owner'::public.org_role)$$,
  'a new account owns a personal organization');
select matches(pg_temp.username_of(pg_temp.sign_up('x@example.com', '{"username": "ada"}')),
  '^ada-[0-9a-f]{6}$', 'a username that is taken gets a suffix');
select is(pg_temp.username_of(pg_temp.sign_up('Grace.Hopper@example.com', '{}')), 'grace-hopper',
  'without a username it is made from the e-mail address');
select is(pg_temp.username_of(pg_temp.sign_up('y@example.com', '{"user_name": "octocat"}')), 'octocat',
  'OAuth providers name the user, too');
select is(pg_temp.username_of(pg_temp.sign_up(null, null)), 'user',
  'an anonymous account has a username as well');
select matches(pg_temp.username_of(pg_temp.sign_up('z@example.com', '{"username": "佐藤"}')),
  '^user-[0-9a-f]{6}$', 'a name without Latin letters falls back');
select lives_ok(
  $$select pg_temp.sign_up('long@example.com', jsonb_build_object(
      'username', repeat('x', 500), 'full_name', repeat(E' é\t', 500), 'avatar_url', 'javascript:alert(1)'))$$,
  'whatever a person types, sign-up succeeds');
select is(
  (select avatar_url from public.profiles where username = repeat('x', 40)), null,
  'a picture that is no web address is dropped');

-- Deactivating
select tests.create_session(ben) from people;
update public.profiles set is_active = false from people where id = ben;
select ok((select banned_until > now() + interval '10 years' from auth.users, people where id = ben),
  'deactivating a profile bans the account in Auth');
select is((select count(*) from auth.sessions, people where user_id = ben), 0::bigint,
  'deactivating a profile ends its sessions');
update public.profiles set is_active = true from people where id = ben;
select is((select banned_until from auth.users, people where id = ben), null,
  'activating it again lifts the ban');

-- Deleting, by whatever hand
create temporary table shared as
select tests.create_organization(ada, 'Shared') as id, tests.create_organization(ada, 'Alone') as alone
from people;
grant select on shared to public;
select tests.add_member(shared.id, ben, 'member'), tests.add_member(shared.id, cleo, 'admin')
from shared, people;
select private.notify_user(ada, 'test.notice') from people;
update public.profiles set full_name = 'Ada L.', bio = 'Mine', company = 'Hers' from people where id = ada;
delete from auth.users using people where id = ada;

select results_eq(
  $$select username, full_name, avatar_url, bio, company, is_active, deleted_at is not null
    from public.profiles, people where id = ada$$,
  $$select 'deleted~' || ada, null::text, null::text, null::text, null::text, false, true from people$$,
  'a deleted account leaves an anonymous profile');
select is((select count(*) from public.organization_members, people where user_id = ada), 0::bigint,
  'a deleted account is a member nowhere');
select is((select count(*) from public.notifications, people where user_id = ada), 0::bigint,
  'a deleted account''s notifications are gone');
select is(
  (select count(*) from public.organizations where slug in ('ada', 'alone') and deleted_at is null),
  0::bigint, 'organizations that nobody else belongs to are deleted');
select is((select role from public.organization_members, people, shared
    where user_id = cleo and organization_id = shared.id), 'owner',
  'what it owned with others passes to the next in rank');
select is((select deleted_at from public.organizations join shared using (id)), null,
  'and goes on');
select is((select payload ->> 'organization_id' from public.notifications, people
    where user_id = cleo and kind = 'organization.ownership_received'), (select id::text from shared),
  'with notice to the new owner');
select is(pg_temp.username_of(pg_temp.sign_up('new@example.com', '{"username": "ada"}')), 'ada',
  'the username of a deleted account is free again');
select lives_ok(
  $$select private.notify_user(ada, 'test.notice') from people$$,
  'a notice to somebody who left does no harm');
select is((select count(*) from public.notifications, people where user_id = ada), 0::bigint,
  'and is not kept');

update auth.users set deleted_at = now(), email = 'obfuscated' from people where id = ben;
select is((select username from public.profiles, people where id = ben),
  (select 'deleted~' || ben from people), 'Auth''s soft deletion anonymises as well');
create temporary table anonymous as
select p.* from public.profiles as p join people on p.id = ben;
delete from auth.users using people where id = ben;
select is((select deleted_at from public.profiles, people where id = ben),
  (select deleted_at from anonymous), 'and deleting the row later changes nothing more');
select is(tests.code_of(format(
    $$update public.profiles set username = 'deleted~%s' where id = '%s'$$, cleo, cleo)), '23514',
  'the living cannot pose as somebody who left')
from people;

select * from finish();
rollback;
