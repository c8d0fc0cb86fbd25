-- Tokens: whose they are, who may set them, and that no value is to be read anywhere.
begin;
select plan(46);

create temporary table test_key as select tests.public_key() as armored;

select tests.create_user(username) from unnest(array['owner', 'member', 'stranger']) as username;
create function pg_temp.person(username text) returns uuid
language sql stable security definer
as $$
  select id from public.profiles as p where p.username = person.username
$$;
select tests.create_organization(pg_temp.person('owner'), 'Atelier');
create function pg_temp.atelier() returns uuid
language sql stable security definer
as $$
  select id from public.organizations where name = 'Atelier'
$$;
select tests.add_member(pg_temp.atelier(), pg_temp.person('member'), 'member');
create function pg_temp.code_of(statement text) returns text
language plpgsql
as $$
declare
  v_code text;
  v_detail text;
begin
  execute statement;
  return 'done';
exception when others then
  get stacked diagnostics v_code = returned_sqlstate, v_detail = pg_exception_detail;
  return case when v_code like 'PT%' then v_detail else v_code end;
end
$$;
grant execute on function pg_temp.person(text), pg_temp.atelier(), pg_temp.code_of(text)
  to anon, authenticated, service_role;

-- Encryption keys
delete from private.token_values;
delete from private.encryption_keys;
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of($$select public.set_token('OPENAI_API_KEY', 'x')$$), 'encryption_key_missing', 'without a key nothing is stored');
select tests.sign_out();
select is((select count(*) from public.tokens), 0::bigint, 'not even its name');
select is(pg_temp.code_of($$select private.set_encryption_key('bad', 'no key')$$) like '_____', true, 'what is no key is refused');
select is(
  pg_temp.code_of($$select private.set_encryption_key('bad', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----')$$) in ('39000', '22023'),
  true, 'and what only looks like one');
select private.set_encryption_key('first', armored) from test_key;
select private.set_encryption_key('second', armored) from test_key;
select private.set_encryption_key('second', armored) from test_key;
select results_eq(
  'select id, is_active from private.encryption_keys order by id',
  $$values ('first'::text, false), ('second', true)$$, 'the key set last encrypts; those before are kept');
select private.set_encryption_key('first', armored) from test_key;
select results_eq(
  'select id from private.encryption_keys where is_active', $$values ('first'::text)$$, 'an old key can be made the active one again');

-- Own tokens
select tests.sign_in(pg_temp.person('member'));
select results_eq(
  $$select key, user_id, organization_id from public.set_token('OPENAI_API_KEY', 'sk-mine')$$,
  $$select 'OPENAI_API_KEY', pg_temp.person('member'), null::uuid$$, 'a person sets a token');
select is(
  (public.set_token('OPENAI_API_KEY', 'sk-newer')).id, (select id from public.tokens), 'setting it again replaces it');
select is((select count(*) from public.tokens), 1::bigint, 'and there is one of each name');
select is(
  pg_temp.code_of(format('select public.set_token(%L, %L)', key, value)), code,
  format('refused as %s: %s', code, left(coalesce(replace(key, E'\n', ' newline'), 'no name'), 20)))
from (values
  ('lower', 'x', 'token_key_invalid'), ('1KEY', 'x', 'token_key_invalid'), ('A-B', 'x', 'token_key_invalid'),
  ('', 'x', 'token_key_invalid'), (null, 'x', 'token_key_invalid'), (repeat('A', 101), 'x', 'token_key_invalid'),
  (E'KEY\n', 'x', 'token_key_invalid'),
  ('KEY', '', 'token_value_invalid'), ('KEY', null, 'token_value_invalid'),
  ('KEY', repeat('x', 65537), 'token_value_invalid')) as refused (key, value, code);
select is(
  pg_temp.code_of(format('select public.set_token(%L, %L, %L)', 'KEY', 'x', pg_temp.atelier())), 'not_allowed',
  'a member sets none for the organization');
select is(
  pg_temp.code_of(format('select public.delete_token(%L, %L)', 'KEY', pg_temp.atelier())), 'not_allowed',
  'and deletes none of it');
select tests.sign_in(pg_temp.person('stranger'));
select is(
  pg_temp.code_of(format('select public.set_token(%L, %L, %L)', 'KEY', 'x', pg_temp.atelier())), 'organization_not_found',
  'a stranger does not learn of the organization');
select is((select count(*) from public.tokens), 0::bigint, 'nor of anybody''s tokens');
select is(pg_temp.code_of($$select public.delete_token('OPENAI_API_KEY')$$), 'token_not_found', 'and deletes only their own');
select tests.sign_out();
select is((select count(*) from public.tokens), 1::bigint, 'the token is still there');

-- The organization's
select tests.sign_in(pg_temp.person('owner'));
select results_eq(
  $$select key, user_id, organization_id from public.set_token('OPENAI_API_KEY', 'sk-ours', pg_temp.atelier())$$,
  $$select 'OPENAI_API_KEY', null::uuid, pg_temp.atelier()$$, 'an owner sets a token for the organization');
select is((select count(*) from public.tokens), 1::bigint, 'and sees it, not those of members');
select tests.sign_in(pg_temp.person('member'));
select is((select count(*) from public.tokens where organization_id is not null), 0::bigint, 'members do not see the organization''s');
select tests.sign_in_with_key(pg_temp.person('owner'), pg_temp.atelier(), 'organization:read', 'organization:write', 'executions:read');
select is((select count(*) from public.tokens), 0::bigint, 'no API key sees tokens');
select is(pg_temp.code_of($$select public.set_token('KEY', 'x')$$), 'not_with_api_key', 'sets them');
select is(pg_temp.code_of($$select public.delete_token('OPENAI_API_KEY')$$), 'not_with_api_key', 'or deletes them');
select tests.sign_out();

-- Values
select is(
  (select count(*) from private.token_values where position('sk-'::bytea in ciphertext) > 0), 0::bigint,
  'no value stands in the table');
select is(
  (select count(*) from private.token_values as v where extensions.pgp_key_id(v.ciphertext) <>
    (select extensions.pgp_key_id(extensions.dearmor(armored)) from test_key)), 0::bigint,
  'all are encrypted to the active key');
select results_eq(
  format($$select owner, key_id from private.read_token(%L, %L, 'OPENAI_API_KEY')$$, pg_temp.atelier(), pg_temp.person('member')),
  $$select pg_temp.person('member'), 'first'::text$$, 'a run uses its runner''s token');
select results_eq(
  format($$select owner from private.read_token(%L, %L, 'OPENAI_API_KEY')$$, pg_temp.atelier(), pg_temp.person('owner')),
  $$select pg_temp.atelier()$$, 'or else the organization''s');
select is_empty(
  format($$select from private.read_token(%L, %L, 'OPENAI_API_KEY')$$, tests.personal_organization(pg_temp.person('stranger')), pg_temp.person('stranger')),
  'never another''s');
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of(statement), '42501', format('a signed-in person cannot %s', statement))
from unnest(array[
  'select * from private.token_values', 'select * from private.encryption_keys', 'delete from public.tokens',
  'insert into public.tokens (key) values (''KEY'')', 'select private.set_encryption_key(''mine'', ''x'')']) as statement;
select tests.sign_in_as_service_role();
select is(pg_temp.code_of('select * from private.token_values'), '42501', 'nor can service_role read the values');
select tests.sign_in(pg_temp.person('member'));
select is((public.delete_token('OPENAI_API_KEY')).key, 'OPENAI_API_KEY', 'a person deletes a token');
select tests.sign_out();
select is(
  (select count(*) from private.token_values), 1::bigint, 'and its value is gone with it');

select tests.sign_in(pg_temp.person('member'));
select public.set_token('KEY', 'x');
select tests.sign_out();
delete from auth.users where id = pg_temp.person('stranger');
select is((select count(*) from public.tokens where user_id is not null), 1::bigint, 'the tokens of others stay');
create temporary table gone as select pg_temp.person('member') as id;
delete from auth.users where id = (select id from gone);
select is(
  (select count(*) from public.tokens where user_id = (select id from gone)), 0::bigint, 'when an account is deleted, its tokens go');

select * from finish();
rollback;
