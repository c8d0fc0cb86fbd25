begin;
select plan(35);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('stranger') as stranger, null::uuid as org, null::uuid as agent;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;
select private.seal_audit_logs();

select set_config('request.headers',
  '{"x-forwarded-for": "10.0.0.1, 203.0.113.7", "user-agent": "curl/8", "x-request-id": "req-1"}', true);
select tests.sign_in(member) from ids;
insert into public.agents (organization_id, name, system_prompt)
select org, 'Writer', repeat('a', 5000) from ids;
update ids set agent = (select id from public.agents);
update public.agents set description = 'Writes' where name = 'Writer';
update public.agents set description = 'Writes' where name = 'Writer';
select public.delete_agent(agent) from ids;
select is_empty(
  $$select from ids, public.audit_logs where organization_id = org$$, 'a member does not read the audit log');

select tests.sign_in(owner) from ids;
select results_eq(
  $$select action from ids, public.audit_logs where resource_id = agent order by id$$,
  array['agent.created', 'agent.updated', 'agent.deleted'],
  'an admin reads what was done, and what changed nothing is no news');
select is(
  (select (array_agg(distinct user_id))[1] from ids, public.audit_logs where resource_id = agent),
  (select member from ids), 'and by whom');
select is(
  (select old_values || new_values from ids, public.audit_logs where resource_id = agent and action = 'agent.updated'),
  '{"description": "Writes"}'::jsonb, 'only changed columns are kept');
select is(
  (select old_values ->> 'description' from ids, public.audit_logs where resource_id = agent and action = 'agent.updated'),
  '', 'with what they held before');
select is(
  (select new_values -> 'system_prompt' ->> 'length' from ids, public.audit_logs
   where resource_id = agent and action = 'agent.created'),
  '5000', 'a long text is kept as its length and hash');
select is(
  (select host(ip_address) || ' ' || user_agent || ' ' || request_id from ids, public.audit_logs
   where resource_id = agent and action = 'agent.created'),
  '203.0.113.7 curl/8 req-1', 'with the address, the program and the id of the request');
select throws_ok('delete from public.audit_logs', '42501', null, 'an admin deletes nothing of it');
select throws_ok(
  $$insert into public.audit_logs (organization_id, action, resource_type) select org, 'x', 'x' from ids$$,
  '42501', null, 'nor adds to it');

select tests.sign_in(stranger) from ids;
select is_empty(
  $$select from ids, public.audit_logs where organization_id = org$$, 'a stranger sees nothing of it');
select throws_ok(
  'select * from ids, public.verify_audit_log(org)', 'PT404', null, 'nor verifies it');
select tests.sign_in(member) from ids;
select throws_ok(
  'select * from ids, public.verify_audit_log(org)', 'PT403', null, 'a member does not verify it');
select tests.sign_in_as_service_role();
select throws_ok(
  $$update public.audit_logs set action = 'nothing'$$, '42501', null, 'not even the service role changes it');

select tests.sign_out();
select throws_ok(
  $$update public.audit_logs set action = 'nothing'$$, 'PT409', null, 'the owner of the tables is refused as well');
select throws_ok('delete from public.audit_logs', 'PT409', null, 'deleting is refused');
select lives_ok(
  'update public.audit_logs set ip_address = null, user_agent = null',
  'addresses and programs may be forgotten');

select cmp_ok(private.seal_audit_logs(), '>=', 3, 'the sealer chains the new rows');
select tests.sign_in(owner) from ids;
select is_empty('select * from ids, public.verify_audit_log(org)', 'a whole log verifies, what was forgotten included');

-- Keys
select tests.sign_in_with_key(owner, org, 'organization:read') from ids;
select is_empty('select from public.audit_logs', 'a key reads nothing of it, as it reads no members, keys or bills');
select is_empty('select from public.audit_seals', 'nor seals');
select is(tests.code_of('select public.verify_audit_log(org) from ids'), 'not_with_api_key', 'nor verifies it');
select tests.sign_out();

-- Tampering takes an operator who switches the triggers off.
select tests.sign_out();
savepoint whole;
set local session_replication_role = replica;
update public.audit_logs set new_values = '{}' where id = (select id from ids, public.audit_logs where resource_id = agent and action = 'agent.updated');
set local session_replication_role = origin;
select tests.sign_in(owner) from ids;
select is((select problem from ids, public.verify_audit_log(org)), 'changed', 'a changed row is found');
select tests.sign_out();
rollback to whole;
set local session_replication_role = replica;
delete from public.audit_logs where id = (select id from ids, public.audit_logs where resource_id = agent and action = 'agent.updated');
set local session_replication_role = origin;
select tests.sign_in(owner) from ids;
select is((select problem from ids, public.verify_audit_log(org)), 'removed', 'a removed row is found');
select tests.sign_out();
rollback to whole;
update public.audit_seals set is_anchor = true where seq = 3;
select tests.sign_in(owner) from ids;
select is_empty('select * from ids, public.verify_audit_log(org)', 'a seal that says that its row is gone, while it is there, hides nothing');
select tests.sign_out();
set local session_replication_role = replica;
delete from public.audit_logs where id in (select audit_log_id from ids, public.audit_seals where organization_id = org and seq = 3);
set local session_replication_role = origin;
select tests.sign_in(owner) from ids;
select is(
  (select seq || ' ' || problem from ids, public.verify_audit_log(org)), '3 removed',
  'and none says so of a month that is still kept');
select tests.sign_out();
rollback to whole;
delete from public.audit_seals where seq = 2;
select tests.sign_in(owner) from ids;
select is(
  (select seq || ' ' || problem from ids, public.verify_audit_log(org)), '2 removed', 'a missing seal is found');
select tests.sign_out();
rollback to whole;
create temporary table two as select seq, audit_log_id, row_hash from public.audit_seals, ids where organization_id = org and seq in (2, 3);
update public.audit_seals as s set audit_log_id = t.audit_log_id, row_hash = t.row_hash
from two as t, ids where s.organization_id = org and t.seq = 5 - s.seq;
select tests.sign_in(owner) from ids;
select is((select seq || ' ' || problem from ids, public.verify_audit_log(org)), '2 moved', 'rows that changed places are found');
select tests.sign_out();
rollback to whole;

-- A month goes, of an organization that is older than what is kept.
update ids set org = tests.create_organization(owner, 'Old');
select private.seal_audit_logs();
set local session_replication_role = replica;
delete from public.audit_seals using ids where organization_id = org;
delete from public.audit_logs using ids where organization_id = org;
set local session_replication_role = origin;
insert into public.audit_logs (id, organization_id, action, resource_type)
select private.uuid_v7_floor(now() - interval '8 years' + n * interval '1 second'), org, 'team.created', 'team'
from ids, generate_series(1, 3) as n;
insert into private.audit_unsealed (audit_log_id, organization_id)
select id, org from ids, public.audit_logs where organization_id = org;
select private.seal_audit_logs();
insert into public.teams (organization_id, created_by_id, name, type) select org, owner, 'Kept', 'route' from ids;
select private.seal_audit_logs();
create table private.dropped as
select l.id from ids, public.audit_logs as l
where l.organization_id = org and l.id < private.uuid_v7_floor(now() - interval '7 years 1 month');
select private.anchor_audit_seals('private.dropped');
select results_eq(
  'select seq, is_anchor from ids, public.audit_seals where organization_id = org order by seq',
  $$values (3::bigint, true), (4, false)$$,
  'of a month that is dropped the last seal stays as an anchor');
set local session_replication_role = replica;
delete from public.audit_logs where id in (select id from private.dropped);
set local session_replication_role = origin;
select tests.sign_in(owner) from ids;
select is_empty('select * from ids, public.verify_audit_log(org)', 'and the chain goes on from there');
select tests.sign_out();
update public.audit_seals set row_hash = 'x' from ids where organization_id = org and seq = 4;
select tests.sign_in(owner) from ids;
select is((select seq || ' ' || problem from ids, public.verify_audit_log(org)), '4 moved', 'which a forged row does not');

-- Shares
select tests.sign_out();
insert into public.agents (organization_id, created_by_id, name) select org, owner, 'Lent' from ids;
insert into public.agent_shares (agent_id, user_id) select a.id, stranger from ids, public.agents as a where a.name = 'Lent';
update public.agent_shares set permission = 'edit';
delete from public.agent_shares;
select results_eq(
  $$select l.action, l.resource_id = a.id, l.old_values ->> 'permission', l.new_values ->> 'permission',
      coalesce(l.old_values, l.new_values) ->> 'user_id' = stranger::text
    from ids, public.audit_logs as l, public.agents as a
    where l.resource_type = 'share' and a.name = 'Lent' order by l.id$$,
  $$values ('share.created', true, null::text, 'use', true), ('share.updated', true, 'use', 'edit', true),
    ('share.deleted', true, 'edit', null, true)$$,
  'an agent that is lent to somebody stands in the log');

-- Sessions
select tests.sign_out();
select tests.add_member(tests.personal_organization(stranger), member, 'admin') from ids;
select tests.sign_in(member) from ids;
select public.revoke_session(tests.create_session(member)) from ids;
select tests.sign_in(stranger) from ids;
select is_empty($$select from public.audit_logs where action = 'session.revoked'$$, 'to others it is no news that somebody ended a session');
select tests.sign_in(member) from ids;
select results_eq(
  $$select organization_id, user_id, resource_type from public.audit_logs where action = 'session.revoked'$$,
  $$select tests.personal_organization(member), member, 'session' from ids$$,
  'a session that was ended from elsewhere stands in the log of the person''s own organization');
select tests.sign_out();
delete from auth.sessions as s using ids where s.user_id = ids.member;
select is((select count(*) from public.audit_logs where action = 'session.revoked'), 1::bigint,
  'signing out, which Auth does, is no news');
select tests.sign_in(member) from ids;
select public.delete_my_account();
select tests.sign_out();
select is((select count(*) from public.audit_logs where action = 'session.revoked'), 1::bigint,
  'nor that sessions end with their account');

select * from finish();
rollback;
