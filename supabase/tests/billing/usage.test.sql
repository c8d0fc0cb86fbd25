-- Usage: what is added up, that it is right at once, and who reads it.
begin;
select plan(24);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('viewer') as viewer,
  tests.create_user('stranger') as stranger, null::uuid as org, null::uuid as agent, null::uuid as run,
  date_trunc('month', now() at time zone 'UTC')::date as month;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, viewer, 'viewer') from ids;

select tests.sign_in(owner) from ids;
select results_eq(
  $$select id, executions_count, tokens_used, api_calls_count, storage_bytes, total_cost_usd
    from ids, public.current_usage(org)$$,
  'values (null::uuid, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::numeric)',
  'a new organization has used nothing');
insert into public.agents (organization_id, name, model) select org, 'Echo', 'openai/gpt-5' from ids;
update ids set agent = (select id from public.agents);
select public.publish_agent_version(agent) from ids;
update ids set run = (public.run_agent(agent, '{"message": "Hi"}')).id;
select is(
  (select executions_count from ids, public.current_usage(org)), 1::bigint, 'a run counts when it is asked for');

select tests.sign_out();
create temporary table claim as select * from private.claim_execution('test');
select private.finish_step(
  private.start_step(execution_id, fencing_token, '{"name": "answer", "type": "llm_call", "model": "openai/gpt-5"}'),
  fencing_token, '{"prompt_tokens": 1000, "completion_tokens": 500}')
from claim;
select private.complete_execution(execution_id, fencing_token, '{"text": "Hello"}') from claim;
update public.organizations set plan = 'pro' from ids where id = org;
select results_eq(
  'select tokens_used, token_cost_usd, execution_cost_usd from ids, private.usage_of(array[org], month)',
  'values (1500::bigint, 0.006250, 0.001000)', 'its tokens and their price count when it ends, the run by the plan''s price');

insert into private.api_call_counts (organization_id, day, api_key_id, calls)
select org, month, gen_random_uuid(), 40 from ids
union all
select org, month - 1, gen_random_uuid(), 1000 from ids;
select tests.sign_in(owner) from ids;
select public.create_api_key(org, 'bot', '{agents:read}') from ids;
select tests.sign_out();
insert into private.api_request_counts (api_key_id, minute, shard, organization_id, requests)
select k.id, date_trunc('minute', now()), 0, k.organization_id, 2 from public.api_keys as k;
select is(
  (select api_calls_count from ids, private.usage_of(array[org], month)), 42::bigint,
  'requests count before they are folded, and those of last month do not');
update private.api_request_counts set minute = minute - interval '6 minutes'
where date_trunc('month', minute - interval '6 minutes') = date_trunc('month', minute);
select private.fold_api_requests();
select is(
  (select api_calls_count from ids, private.usage_of(array[org], month)), 42::bigint, 'folding changes no sum');

insert into storage.objects (bucket_id, name, metadata)
select 'artifacts', org || '/x/report.pdf', '{"size": 3000000000}'::jsonb from ids
union all
select 'avatars', org || '/logo.png', '{"size": 1000000000}' from ids
union all
select 'artifacts', gen_random_uuid() || '/x/other.pdf', '{"size": 777}' from ids;
select results_eq(
  'select storage_bytes, storage_cost_usd from ids, private.usage_of(array[org], month)',
  'values (4000000000::bigint, 0.080000)', 'files of every bucket count, other organizations'' do not');

select is_empty('select from public.usage_records', 'until upkeep there is no record');
select private.record_usage();
select results_eq(
  $$select period_start, period_end, executions_count, tokens_used, api_calls_count, storage_bytes,
      execution_cost_usd, token_cost_usd, storage_cost_usd, total_cost_usd
    from public.usage_records, ids where organization_id = org and period_start = month$$,
  $$select month, (month + interval '1 month - 1 day')::date, 1::bigint, 1500::bigint, 42::bigint,
      4000000000::bigint, 0.001::numeric, 0.00625::numeric, 0.08::numeric, 0.08725::numeric from ids$$,
  'then it says the same');
create temporary table before as select ctid as version, * from public.usage_records;
select private.record_usage();
select is_empty(
  'select u.ctid, u.id from public.usage_records as u except select b.version, b.id from before as b',
  'repeating it writes nothing');
select is(
  (select id from ids, private.usage_of(array[org], month)),
  (select id from public.usage_records, ids where organization_id = org and period_start = month),
  'the live sum is that record');
insert into private.execution_totals (organization_id, month, shard, root_runs)
select org, (month - interval '1 month')::date, 0, 10 from ids;
select is(
  (select execution_cost_usd from ids, private.usage_of(array[org], (month - interval '1 month')::date)), 0.01,
  'a month without a record goes by the plan');
insert into public.usage_records (organization_id, period_start, period_end, storage_bytes, usd_per_execution, usd_per_gb_month)
select org, month - interval '1 month', month - interval '1 day', 1000000000, 0.002, 0.5 from ids;
select results_eq(
  $$select execution_cost_usd, storage_cost_usd, total_cost_usd
    from ids, private.usage_of(array[org], (month - interval '1 month')::date)$$,
  'values (0.02, 0.5, 0.52)', 'one that is over by the prices that it had, whatever the plan is now');
insert into public.usage_records (organization_id, period_start, period_end, storage_bytes)
select org, '2025-02-01', '2025-02-28', 5 from ids;
select is(
  (select storage_bytes from ids, private.usage_of(array[org], '2025-02-01')), 5::bigint,
  'what lies there now says nothing of a month that is over');
select throws_ok(
  $$insert into public.usage_records (organization_id, period_start, period_end)
    select org, '2025-02-02', '2025-02-28' from ids$$,
  '23514', null, 'a record is of one calendar month');

select tests.sign_in(viewer) from ids;
select is(
  (select executions_count from ids, public.current_usage(org)), 1::bigint, 'a viewer asks for the usage');
select is(
  (select count(*) from public.usage_records, ids where organization_id = org and period_start = month),
  1::bigint, 'and reads the records');
select throws_ok('update public.usage_records set tokens_used = 0', '42501', null, 'nobody changes them');
select throws_ok('delete from public.usage_records', '42501', null, 'nor deletes them');
select tests.sign_in(stranger) from ids;
select is_empty('select from public.usage_records, ids where organization_id = org', 'a stranger reads none');
select is(
  tests.code_of('select public.current_usage(org) from ids'), 'organization_not_found', 'nor asks');
select tests.sign_in_as_anon();
select throws_ok('select from public.usage_records', '42501', null, 'a visitor neither');
select tests.sign_in_with_key(owner, org, 'agents:read') from ids;
select is_empty('select from public.usage_records', 'a key without usage:read sees none');
select is(tests.code_of('select public.current_usage(org) from ids'), 'scope_missing', 'nor asks');
select tests.sign_in_with_key(owner, org, 'usage:read') from ids;
select is(
  (select executions_count from ids, public.current_usage(org)), 1::bigint, 'one with it does');

select * from finish();
rollback;
