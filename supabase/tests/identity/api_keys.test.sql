-- API keys: made, shown once, seen, revoked, and what they can never do.
begin;
select plan(30);

create temporary table people as
select tests.create_user('olga') as owner, tests.create_user('adam') as admin,
  tests.create_user('mary') as member, tests.create_user('vera') as viewer,
  tests.create_user('stan') as stranger;
grant select on people to public;
create temporary table acme as select tests.create_organization(owner, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(id, admin, 'admin'), tests.add_member(id, member, 'member'),
  tests.add_member(id, viewer, 'viewer')
from acme, people;
create temporary table made (id uuid, key text);
grant all on made to public;

create function pg_temp.create_key(arguments text) returns text
language sql
as $$
  select tests.code_of(format('select public.create_api_key(%L, %s)', acme.id, arguments)) from acme
$$;
grant execute on function pg_temp.create_key to public;

-- Making
select tests.sign_in(viewer) from people;
select is(pg_temp.create_key($$'x', '{agents:read}'$$), 'not_allowed', 'viewers make no keys');
select tests.sign_out();
select tests.sign_in(stranger) from people;
select is(pg_temp.create_key($$'x', '{agents:read}'$$), 'organization_not_found', 'strangers make no keys');
select tests.sign_in_as_anon();
select is(pg_temp.create_key($$'x', '{agents:read}'$$), '42501', 'signed out, nobody makes one');
select tests.sign_out();
select tests.sign_in_with_key(owner, id, 'organization:write') from people, acme;
select is(pg_temp.create_key($$'x', '{agents:read}'$$), 'not_with_api_key', 'keys make no keys');
select tests.sign_out();

select tests.sign_in(member) from people;
select is(pg_temp.create_key($$' ', '{agents:read}'$$), 'name_invalid', 'a key has a name');
select is(pg_temp.create_key($$null, '{agents:read}'$$), 'name_invalid', 'which cannot be left out');
select is(pg_temp.create_key($$'x', '{}'$$), 'scopes_invalid', 'a key has a scope');
select is(pg_temp.create_key($$'x', null$$), 'scopes_invalid', 'which cannot be left out either');
select is(pg_temp.create_key($$'x', '{personal}'$$), 'scopes_invalid', 'no key is personal');
select is(pg_temp.create_key($$'x', '{agents:read,agents:own}'$$), 'scopes_invalid',
  'scopes that do not exist are refused');
select is(pg_temp.create_key($$'x', array['agents:read', null]$$), 'scopes_invalid',
  'and those that are null');
select is(pg_temp.create_key($$'x', '{agents:read}', 0$$), 'rate_limit_invalid', 'a limit is positive');
select is(pg_temp.create_key($$'x', '{agents:read}', null$$), 'rate_limit_invalid', 'and there is one');
select is(pg_temp.create_key($$'x', '{agents:read}', 100, now()$$), 'expiry_invalid',
  'an expiry lies in the future');
insert into made
select k.* from acme, public.create_api_key(acme.id, ' CI ', '{agents:read,agents:run}') as k;
select results_eq(
  $$select name, key_prefix, scopes, rate_limit, expires_at, revoked_at from public.api_keys$$,
  $$select 'CI', left(key, 12), '{agents:read,agents:run}'::text[], 100, null::timestamptz,
      null::timestamptz from made$$,
  'members make a key and are shown it');
select ok((select key ~ '^agk_[A-Za-z0-9_-]{40}$' from made), 'it has 240 random bits');
select is(tests.code_of('select * from private.api_key_hashes'), '42501', 'nobody reads a key''s hash');
select is(tests.code_of('insert into public.api_keys (name) values (''x'')'), '42501',
  'nobody inserts a key past the function');
select is(tests.code_of('update public.api_keys set scopes = ''{agents:write}'''), '42501',
  'nobody gives a key more scopes');
select is(tests.code_of('delete from public.api_keys'), '42501', 'nobody deletes one');
select tests.sign_out();
select is((select key_hash from private.api_key_hashes join made on id = api_key_id),
  (select sha256(convert_to(key, 'UTF8')) from made), 'only its hash is kept');

-- Seeing and revoking
select tests.sign_in(viewer) from people;
select is((select count(*) from public.api_keys), 0::bigint, 'others do not see a key');
select is(tests.code_of(format('select public.revoke_api_key(%L)', id)), 'api_key_not_found',
  'nor revoke it') from made;
select tests.sign_out();
select tests.sign_in_with_key(member, acme.id, 'organization:read', 'organization:write') from people, acme;
select is((select count(*) from public.api_keys), 0::bigint, 'keys do not see keys');
select is(tests.code_of(format('select public.revoke_api_key(%L)', id)), 'not_with_api_key',
  'nor revoke them') from made;
select tests.sign_out();
select is((select revoked_at from public.api_keys join made using (id)), null, 'so it still works');
select tests.sign_in(admin) from people;
select is((select count(*) from public.api_keys), 1::bigint, 'admins see the organization''s keys');
select is(tests.code_of(format('select public.revoke_api_key(%L)', id)), null, 'and revoke them') from made;
select tests.sign_out();
create temporary table revoked as select revoked_at from public.api_keys join made using (id);
select isnt((select revoked_at from revoked), null, 'which is kept');
select tests.sign_in(member) from people;
select is(tests.code_of(format('select public.revoke_api_key(%L)', id)), null,
  'people revoke their own, twice if they like') from made;
select tests.sign_out();

select * from finish();
rollback;
