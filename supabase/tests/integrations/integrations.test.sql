-- Connected accounts: whose they are, and that what opens them is written and never read.
begin;
select plan(19);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('viewer') as viewer, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as account;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member'), tests.add_member(org, viewer, 'viewer') from ids;
update private.encryption_keys set is_active = false;

select tests.sign_in(member) from ids;
select throws_ok(
  $$select public.connect_integration(org, 'slack', 'T1', '{"access_token": "xoxb-1"}') from ids$$,
  'PT503', null, 'without an encryption key nothing is stored');
select tests.sign_out();
select private.set_encryption_key('test', tests.public_key());

select tests.sign_in(member) from ids;
select is(
  (select (public.connect_integration(org, 'slack', 'T1', '{"access_token": "xoxb-1"}', 'Acme Slack', '{chat:write}')).status from ids),
  'active', 'a member connects an account');
update ids set account = (select id from public.integrations);
select is(
  (select (public.connect_integration(org, 'slack', 'T1', '{"access_token": "xoxb-2"}', 'Acme')).provider_account_name from ids),
  'Acme', 'connecting it again renews it');
select is((select count(*) from public.integrations), 1::bigint, 'and makes no second one');
select throws_ok(
  $$select public.connect_integration(org, 'slack', 'T2', '"text"') from ids$$, 'PT400', null, 'credentials are an object');
select throws_ok('select * from private.integration_credentials', '42501', null, 'nobody reads credentials');
select throws_ok(
  $$insert into public.integrations (organization_id, user_id, provider, provider_account_id)
    select org, member, 'x', 'y' from ids$$, '42501', null, 'nor writes rows past the function');

select tests.sign_in(viewer) from ids;
select is_empty('select from public.integrations', 'a viewer sees no one''s accounts');
select throws_ok(
  $$select public.connect_integration(org, 'github', '1', '{}') from ids$$, 'PT403', null, 'and connects none');
select tests.sign_in(stranger) from ids;
select is_empty('select from public.integrations', 'a stranger sees none');
select throws_ok(
  $$select public.disconnect_integration(account) from ids$$, 'PT404', null, 'and disconnects none');
select tests.sign_in_with_key(member, org, 'organization:read', 'organization:write') from ids;
select is_empty('select from public.integrations', 'an API key sees none');
select throws_ok(
  $$select public.connect_integration(org, 'github', '1', '{}') from ids$$, 'PT403', null, 'and connects none');

select tests.sign_out();
select is(
  (select count(*) from ids, private.read_integration(org, 'slack', owner)), 1::bigint,
  'a run of the organization gets the credentials');
select isnt((select last_used_at from public.integrations), null, 'and the account remembers when it was used');
select private.fail_integration(account, 'invalid_auth') from ids;
select is((select status || ': ' || last_error from public.integrations), 'error: invalid_auth', 'a refusal is kept');
update public.integrations set status = 'active', token_expires_at = now() - interval '1 minute';
select private.expire_integrations();
select is((select status from public.integrations), 'expired', 'an account whose token ran out is expired');

select tests.sign_in(owner) from ids;
select is(
  (select (public.disconnect_integration(account)).status from ids), 'revoked', 'an admin disconnects a member''s account');
select tests.sign_out();
select is_empty('select from private.integration_credentials', 'and its credentials are gone');

select * from finish();
rollback;
