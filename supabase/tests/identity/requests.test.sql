-- private.before_request(): what PostgREST asks before each request.
begin;
select plan(50);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben;
grant select on people to public;
create temporary table acme as select tests.create_organization(ada, 'Acme') as id from people;
grant select on acme to public;
select tests.sign_in(ada) from people;
create temporary table made as
select k.* from acme, public.create_api_key(acme.id, 'bot', '{organization:read}', 3) as k;
select tests.sign_out();
create temporary table sessions as select tests.create_session(ada) as id from people;

-- Does as PostgREST does; answers with the code of the refusal.
create function pg_temp.request(claims jsonb, headers jsonb default '{}') returns text
language plpgsql
as $$
begin
  perform set_config('request.jwt.claims', request.claims::text, true);
  perform set_config('request.headers', request.headers::text, true);
  perform set_config('role', request.claims ->> 'role', true);
  return tests.code_of('select private.before_request()');
end
$$;
create function pg_temp.request_with_key(key text) returns text
language sql
as $$
  select pg_temp.request('{"role": "anon"}', jsonb_build_object('x-api-key', request_with_key.key))
$$;
create function pg_temp.token(user_id uuid, session_id uuid) returns jsonb
language sql
as $$
  select jsonb_build_object(
    'role', 'authenticated', 'sub', token.user_id, 'session_id', token.session_id)
$$;

-- Tokens
select is(pg_temp.request('{"role": "anon"}'), null, 'signed out, one may ask');
select is(current_user::text, 'anon', 'as anon');
select tests.sign_out();
select is(pg_temp.request('{"role": "service_role"}'), null, 'the operator may ask without a session');
select tests.sign_out();
select is(pg_temp.request(pg_temp.token(ada, s.id)), null, 'a living session may ask')
from people, sessions as s;
select is(current_user::text, 'authenticated', 'as authenticated');
select ok(private.caller_is_active(), 'Storage and Realtime see it so, too');
select tests.sign_out();
select is(pg_temp.request(pg_temp.token(ada, gen_random_uuid())), 'session_ended',
  'a session that never was is refused') from people;
select tests.sign_out();
select is(pg_temp.request(pg_temp.token(ben, s.id)), 'session_ended',
  'and somebody else''s') from people, sessions as s;
select tests.sign_out();
select is(pg_temp.request(pg_temp.token(ada, null)), 'session_ended', 'and none') from people;
select tests.sign_out();
select is(pg_temp.request('{"role": "authenticated"}'), 'session_ended', 'and nobody''s');
select tests.sign_out();
select is(
  pg_temp.request(pg_temp.token(ada, s.id) || jsonb_build_object('agentry_key', jsonb_build_object(
    'id', gen_random_uuid(), 'organization_id', acme.id, 'scopes', '["organization:read"]'::jsonb))),
  'session_ended', 'a token that claims to come with an API key is refused')
from people, sessions as s, acme;
select tests.sign_out();
update auth.sessions as s set not_after = now() from sessions where sessions.id = s.id;
select is(pg_temp.request(pg_temp.token(ada, s.id)), 'session_ended', 'a session past its time is refused')
from people, sessions as s;
select ok(not private.caller_is_active(), 'Storage and Realtime see it so, too');
select tests.sign_out();
update auth.sessions as s set not_after = null from sessions where sessions.id = s.id;

-- Estimated counts
select is(pg_temp.request('{"role": "anon"}', '{"prefer": "count=exact"}'), null, 'exact counts are offered');
select tests.sign_out();
select is(pg_temp.request('{"role": "anon"}', '{"prefer": "return=minimal, count=planned"}'),
  'count_not_offered', 'planned ones are not');
select tests.sign_out();
select is(pg_temp.request('{"role": "anon"}', '{"prefer": "x=\"y\", COUNT=estimated"}'),
  'count_not_offered', 'nor estimated ones');
select tests.sign_out();

-- API keys
select is(pg_temp.request_with_key(key), null, 'an API key may ask') from made;
select is(current_user::text, 'authenticated', 'as authenticated');
select is(auth.uid(), ada, 'as its user') from people;
select results_eq('select slug from public.organizations', $$values ('acme')$$, 'in its organization');
select ok(not private.has_scope('agents:read'), 'within its scopes');
select is(private.my_role(tests.personal_organization(ada)), null, 'and nowhere else') from people;
select is(tests.code_of($$select private.require_scope('agents:write')$$), 'scope_missing',
  'functions ask for scopes as well');
select is(tests.code_of('select public.my_account()'), 'not_with_api_key', 'what is personal is refused');
select tests.sign_out();
select is(pg_temp.request_with_key('agk_' || repeat('x', 40)), 'api_key_invalid',
  'an unknown key is refused, not taken for nobody');
select tests.sign_out();
select is(pg_temp.request_with_key(''), 'api_key_invalid', 'and an empty one');
select tests.sign_out();
select is(
  pg_temp.request(pg_temp.token(ada, s.id), jsonb_build_object('x-api-key', key)),
  'two_credentials', 'a key together with a user''s token is refused')
from people, sessions as s, made;
select tests.sign_out();
select is(pg_temp.request('{"role": "service_role"}', jsonb_build_object('x-api-key', key)),
  'two_credentials', 'or with the operator''s') from made;
select tests.sign_out();
update public.api_keys set expires_at = now();
select is(pg_temp.request_with_key(key), 'api_key_expired', 'an expired key is refused') from made;
select tests.sign_out();
update public.api_keys set expires_at = null, revoked_at = now();
select is(pg_temp.request_with_key(key), 'api_key_revoked', 'a revoked key is refused') from made;
select tests.sign_out();
update public.api_keys set revoked_at = null;
update public.organizations set deleted_at = now() from acme where organizations.id = acme.id;
select is(pg_temp.request_with_key(key), 'api_key_invalid', 'a deleted organization''s key is refused')
from made;
select tests.sign_out();
update public.organizations set deleted_at = null from acme where organizations.id = acme.id;

-- Rate limits without a gateway: one request was counted above
select is((select sum(requests) from private.api_request_counts), 1::bigint,
  'a request that is let in counts');
select isnt((select last_used_at from public.api_keys), null, 'and says when the key was used last');
select is(pg_temp.request_with_key(key), null, 'up to the limit') from made;
select tests.sign_out();
select private.record_api_request(id) from made;
select is(pg_temp.request_with_key(key), 'rate_limited',
  'it is refused, what a worker counted included') from made;
select tests.sign_out();

-- Rate limits with a gateway
delete from private.api_request_counts;
set local agentry.gateway_counts = on;
select is(pg_temp.request_with_key(key), null, 'with a gateway, requests do not count themselves') from made;
select tests.sign_out();
select is((select count(*) from private.api_request_counts), 0::bigint, 'so nothing is counted twice');
select results_eq(
  $$select c.allowed from made, generate_series(1, 4) as n,
      private.count_api_request(left(key, 12), sha256(convert_to(key, 'UTF8')) || substring(''::bytea from n)) as c$$,
  $$values (true), (true), (true), (false)$$,
  'the gateway''s count stops exactly at the limit');
select ok((select retry_after between 1 and 60 from made,
    private.count_api_request(left(key, 12), sha256(convert_to(key, 'UTF8')))),
  'and says how long to wait');
select is((select sum(requests) from private.api_request_counts), 3::bigint, 'refused requests do not count');
select ok((select allowed from private.count_api_request('agk_unknown_', '\x00')),
  'an unknown key passes, to be refused by before_request');

-- Folding
update private.api_request_counts set minute = minute - interval '1 hour';
select private.fold_api_requests();
select is((select calls from private.api_call_counts join acme on organization_id = acme.id), 3::bigint,
  'past minutes are folded into the usage of the organization');
select is((select count(*) from private.api_request_counts), 0::bigint, 'and are gone');

-- Addresses
create function pg_temp.address(headers text, gateway text default '') returns text
language plpgsql
as $$
begin
  perform set_config('request.headers', address.headers, true);
  perform set_config('agentry.gateway_counts', address.gateway, true);
  return host(private.client_ip());
end
$$;
select is(pg_temp.address('{"x-forwarded-for": "10.0.0.1, 203.0.113.7"}'), '203.0.113.7',
  'of a forwarded address, what the last proxy said is believed, not what the client began with');
select is(pg_temp.address('{"x-forwarded-for": "203.0.113.7", "cf-connecting-ip": "2001:db8::1"}'), '2001:db8::1',
  'before it, what the platform''s own edge said');
select is(pg_temp.address('{"x-forwarded-for": "203.0.113.7", "cf-connecting-ip": "2001:db8::1"}', 'on'), '203.0.113.7',
  'behind our own gateway only what that wrote');
select is(pg_temp.address('{"x-forwarded-for": "unknown"}'), null, 'what is no address is none');
select is(pg_temp.address('{}'), null, 'nor is nothing');
select is(pg_temp.address(''), null, 'nor what is no request');

-- Deactivation
update public.profiles set is_active = false from people where id = ada;
select is(pg_temp.request_with_key(key), 'api_key_invalid', 'a deactivated person''s key is refused')
from made;
select tests.sign_out();

select * from finish();
rollback;
