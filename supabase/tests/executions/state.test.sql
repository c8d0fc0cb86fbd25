-- The state machine: every pair of states, and what a change of status does to the row.
begin;
select plan(46);

select tests.create_user('ada');
create function pg_temp.new_run() returns uuid
language sql volatile
as $$
  insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
  select tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7()
  from public.profiles as p where p.username = 'ada'
  returning id
$$;
create function pg_temp.set_status(run uuid, status text) returns text
language plpgsql
as $$
declare
  v_code text;
begin
  update public.executions as e
  set status = set_status.status,
    error_code = case when set_status.status = 'failed' then 'internal_error' end
  where e.id = set_status.run;
  return 'allowed';
exception when sqlstate 'PT409' then
  get stacked diagnostics v_code = pg_exception_detail;
  return v_code;
end
$$;
-- A run that came to a state the way runs do.
create function pg_temp.run_that_is(status text) returns uuid
language plpgsql
as $$
declare
  v_run uuid := pg_temp.new_run();
begin
  if status in ('running', 'waiting', 'completed') then
    perform pg_temp.set_status(v_run, 'running');
  end if;
  if status not in ('pending', 'running') then
    perform pg_temp.set_status(v_run, status);
  end if;
  return v_run;
end
$$;

select is(
  pg_temp.set_status(pg_temp.run_that_is(f.status), t.status),
  case
    when (f.status, t.status) in (
      ('pending', 'running'), ('pending', 'cancelled'), ('pending', 'failed'),
      ('running', 'pending'), ('running', 'waiting'), ('running', 'completed'),
      ('running', 'failed'), ('running', 'cancelled'),
      ('waiting', 'pending'), ('waiting', 'failed'), ('waiting', 'cancelled')) then 'allowed'
    else 'execution_state_conflict'
  end,
  format('from %s to %s', f.status, t.status))
from unnest(array['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled']) as f (status),
  unnest(array['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled']) as t (status)
where f.status <> t.status;

select throws_ok(
  $$insert into public.executions (organization_id, user_id, agent_id, agent_version_id, status)
    select tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7(), 'running'
    from public.profiles as p where p.username = 'ada'$$,
  'PT409', null, 'a run starts as pending');
select throws_ok(
  format('update public.executions set status = %L where id = %L', 'failed', pg_temp.run_that_is('running')),
  '23514', null, 'a run cannot fail without a code');
select throws_ok(
  format('update public.executions set error_code = %L where id = %L', 'internal_error', pg_temp.run_that_is('running')),
  '23514', null, 'a run that has not failed has no code');
select throws_ok(
  format('update public.executions set agent_id = null where id = %L', pg_temp.new_run()),
  '23502', null, 'a run has a target');
select throws_ok(
  format('update public.executions set agent_version_id = null where id = %L', pg_temp.new_run()),
  '23514', null, 'the run of an agent names its version');
select throws_ok(
  format('update public.executions set trace_id = repeat(%L, 32) where id = %L', '0', pg_temp.new_run()),
  '23514', null, 'an all-zero trace id is refused, as W3C says');

select results_eq(
  format('select target_type, target_id = agent_id, trace_id ~ ''^[0-9a-f]{32}$'', attempt, completed_at is null
    from public.executions where id = %L', pg_temp.new_run()),
  $$values ('agent'::text, true, true, 1, true)$$,
  'a new run knows its target and has a trace id');

create temporary table lost as select pg_temp.run_that_is('running') as id;
select pg_temp.set_status(id, 'pending') from lost;
select results_eq(
  'select attempt, started_at is not null, completed_at is null from public.executions where id = (select id from lost)',
  $$values (2, true, true)$$,
  'a run that goes back is on its second attempt and keeps its first start');
create temporary table waited as select pg_temp.run_that_is('waiting') as id;
select pg_temp.set_status(id, 'pending') from waited;
select results_eq(
  'select attempt from public.executions where id = (select id from waited)',
  $$values (1)$$,
  'waiting for an answer costs no attempt');
select results_eq(
  format('select completed_at is not null, latency_ms from public.executions where id = %L', pg_temp.run_that_is('completed')),
  $$values (true, 0)$$,
  'a finished run has an end and a latency');
select results_eq(
  format('select completed_at is not null, latency_ms from public.executions where id = %L', pg_temp.run_that_is('cancelled')),
  $$values (true, null::integer)$$,
  'a run that never started has no latency');

create temporary table interrupted as select pg_temp.run_that_is('running') as id;
insert into public.execution_steps (execution_id, sequence_number, attempt, step_name, step_type)
select id, 1, 1, 'Call', 'llm_call' from interrupted;
select pg_temp.set_status(id, 'cancelled') from interrupted;
select results_eq(
  'select status from public.execution_steps where execution_id = (select id from interrupted)',
  $$values ('failed'::text)$$,
  'ending a run closes the step that it interrupts');

-- The queue is what the states say, whatever way each run came here.
select set_eq(
  'select execution_id from private.execution_queue',
  $$select id from public.executions where status in ('pending', 'running')$$,
  'a row stands in the queue exactly while its run is pending or running');
delete from public.executions where status in ('pending', 'running');
select is_empty('select from private.execution_queue', 'a deleted run leaves the queue');
select isnt_empty('select from public.executions', 'and the finished ones are still there');
select is(
  (select sum(reserved_usd) from private.execution_totals), 0::numeric,
  'nothing stays reserved');

select * from finish();
rollback;
