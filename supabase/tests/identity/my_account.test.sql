-- One's own account: what one sees, ends, takes along and deletes.
begin;
select plan(34);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben;
grant select on people to public;
insert into auth.identities (id, provider, provider_id, user_id, identity_data)
select gen_random_uuid(), 'github', '4711', ada, '{}' from people;
insert into auth.sessions (id, user_id, user_agent, ip)
select gen_random_uuid(), ada,
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '203.0.113.7'
from people;
create temporary table theirs as select tests.create_session(ben) as id from people;
grant select on theirs to public;

select tests.sign_in_as_anon();
select is(tests.code_of('select public.my_account()'), '42501', 'signed out, there is no account');
select is(tests.code_of('select public.my_sessions()'), '42501', 'and no session');
select is(tests.code_of('select public.revoke_session(gen_random_uuid())'), '42501', 'none to end');
select is(tests.code_of('select public.export_my_data()'), '42501', 'nothing to take along');
select is(tests.code_of('select public.delete_my_account()'), '42501', 'and nothing to delete');
select tests.sign_out();
select tests.sign_in_with_key(ada, tests.personal_organization(ada), 'organization:write') from people;
select is(tests.code_of('select public.my_account()'), 'not_with_api_key', 'API keys see no account');
select is(tests.code_of('select public.my_sessions()'), 'not_with_api_key', 'no sessions');
select is(tests.code_of('select public.revoke_session(gen_random_uuid())'), 'not_with_api_key', 'end none');
select is(tests.code_of('select public.export_my_data()'), 'not_with_api_key', 'take nothing along');
select is(tests.code_of('select public.delete_my_account()'), 'not_with_api_key', 'and delete none');
select is(tests.code_of('select public.list_deleted()'), 'not_with_api_key', 'nor list what was deleted');
select tests.sign_out();

select tests.sign_in(ada) from people;
select results_eq(
  'select id, email, email_verified_at is not null, mfa_enabled from public.my_account()',
  $$select ada, 'ada@example.com', true, false from people$$, 'people see their own account');
select is((select identities -> 0 ->> 'provider_id' from public.my_account()), '4711',
  'with the ways to sign in');
select is((select count(*) from public.my_sessions()), 2::bigint, 'and their own sessions only');
select results_eq(
  'select device_name, device_type, ip_address from public.my_sessions() where not is_current',
  $$values ('Firefox on Linux', 'desktop', '203.0.113.7'::inet)$$, 'told by their devices');
select is((select count(*) from public.my_sessions() where is_current), 1::bigint, 'this one marked');
select is(tests.code_of(format('select public.revoke_session(%L)', id)), 'session_not_found',
  'nobody ends somebody else''s session') from theirs;
select lives_ok(
  'select public.revoke_session(id) from public.my_sessions() where not is_current',
  'people end their own sessions');
select is((select count(*) from public.my_sessions()), 1::bigint, 'which are gone then');
select is(tests.code_of('select * from auth.users'), '42501', 'Auth''s tables stay closed');
select tests.sign_out();
select is((select count(*) from auth.sessions join theirs using (id)), 1::bigint, 'others'' sessions live');

-- Devices
select results_eq(
  $$select d.device_name, d.device_type
    from unnest(array[
      'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile/15E148 Safari/604.1',
      'Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/140.0 Mobile/15E148 Safari/604.1',
      'Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36',
      'Mozilla/5.0 (Linux; Android 16; SM-X200) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36',
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15',
      'node',
      null]) with ordinality as a (agent, n),
      private.describe_user_agent(a.agent) as d
    order by a.n$$,
  $$values ('Safari on iPhone', 'mobile'), ('Chrome on iPad', 'tablet'), ('Chrome on Android', 'mobile'),
      ('Chrome on Android', 'tablet'), ('Edge on Windows', 'desktop'), ('Safari on macOS', 'desktop'),
      ('Node.js', 'other'), ('Unknown device', 'other')$$,
  'devices are told from what browsers say of themselves');

-- Taking along
select private.notify_user(ada, 'test.notice'), private.notify_user(ben, 'test.notice') from people;
select tests.sign_in(ada) from people;
create temporary table export as select public.export_my_data() as document;
select tests.sign_out();
select is((select document -> 'profile' -> 0 ->> 'username' from export), 'ada',
  'an export has the profile');
select is((select document -> 'account' ->> 'email' from export), 'ada@example.com', 'the account');
select is((select jsonb_array_length(document -> 'notifications') from export), 1,
  'and one''s own rows only');
select ok((select document ?& array(select section from private.personal_data) from export),
  'every section is there');

create temporary table office as select tests.create_organization(ben, 'Office') as id from people;
grant select on office to public;
select tests.add_member(id, ada, 'member') from office, people;
insert into public.agents (organization_id, created_by_id, name) select id, ada, 'Clerk' from office, people;
insert into public.teams (organization_id, created_by_id, name, type) select id, ada, 'Desk', 'route' from office, people;
insert into public.workflows (organization_id, created_by_id, name, definition)
select id, ada, 'Mail', '{"nodes": [{"id": "__start__", "type": "runnable", "data": {}},
    {"id": "__end__", "type": "runnable", "data": {}}],
  "edges": [{"source": "__start__", "target": "__end__"}]}'
from office, people;
insert into public.schedules (organization_id, created_by_id, team_id, name, frequency)
select office.id, ada, t.id, 'Daily', 'daily' from office, people, public.teams as t;
insert into public.eval_suites (organization_id, created_by_id, name) select id, ada, 'Checks' from office, people;
create function pg_temp.made() returns table (section text, rows integer)
language sql
as $$
  select s.key, jsonb_array_length(s.value)
  from jsonb_each(public.export_my_data()) as s
  where s.key in ('agents', 'eval_suites', 'schedules', 'teams', 'workflows')
  order by s.key
$$;
grant execute on function pg_temp.made() to public;
select tests.sign_in(ada) from people;
select results_eq('select * from pg_temp.made()',
  $$values ('agents', 1), ('eval_suites', 1), ('schedules', 1), ('teams', 1), ('workflows', 1)$$,
  'people take along what they made for an organization');
select tests.sign_out();
delete from public.organization_members using office, people where organization_id = office.id and user_id = ada;
select tests.sign_in(ada) from people;
select results_eq('select * from pg_temp.made()',
  $$values ('agents', 0), ('eval_suites', 0), ('schedules', 0), ('teams', 0), ('workflows', 0)$$,
  'as long as they belong to it');
select tests.sign_out();

-- Deleting
create temporary table acme as select tests.create_organization(ada, 'Acme') as id from people;
select tests.add_member(id, ben, 'member') from acme, people;
select tests.sign_in(ada) from people;
select is(tests.code_of('select public.delete_my_account()'), 'last_owner',
  'nobody leaves others without an owner');
select tests.sign_out();
select is((select count(*) from auth.users, people where id = ada), 1::bigint, 'so the account is there');
select tests.sign_in(ada) from people;
select public.transfer_ownership(organization_id, ben) from public.organization_members, people
where user_id = ben;
select is(tests.code_of('select public.delete_my_account()'), null, 'after a transfer it goes');
select tests.sign_out();
select is((select count(*) from auth.users, people where id = ada), 0::bigint, 'and is gone');
select isnt((select deleted_at from public.profiles, people where id = ada), null,
  'its profile is anonymous');
select is((select role from public.organization_members, people, acme
    where user_id = ben and organization_id = acme.id), 'owner', 'and the others go on');

select * from finish();
rollback;
