-- What watchers see: every event once, in order, stored and sent.
begin;
select plan(8);

select tests.create_user('ada');
insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
select tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7()
from public.profiles as p where p.username = 'ada';
create temporary table claim as select * from private.claim_execution('w');
select is(private.append_event(execution_id, fencing_token, 'delta', '{"text": "Hel"}'), 2::bigint, 'an event gets the next number') from claim;
select is(private.append_event(execution_id, fencing_token, 'delta', '{"text": "lo"}'), 3::bigint, 'and the next') from claim;
create temporary table step as
select private.start_step(execution_id, fencing_token, '{"name": "Call", "type": "llm_call", "input": {"secret": "long"}}') as id from claim;
select private.finish_step(s.id, c.fencing_token, '{"output": "x"}') from step as s, claim as c;
select private.complete_execution(execution_id, fencing_token, '{"text": "Hello"}') from claim;
select results_eq(
  $$select seq, kind, coalesce(payload ->> 'status', payload ->> 'text') from public.execution_events order by seq$$,
  $$values (1::bigint, 'status'::text, 'running'::text), (2, 'delta', 'Hel'), (3, 'delta', 'lo'),
    (4, 'step', 'running'), (5, 'step', 'completed'), (6, 'status', 'completed')$$,
  'states, steps and pieces of the answer stand in one numbered stream');
select is(
  (select count(*) from public.execution_events where payload ? 'input' or payload ? 'output'), 0::bigint,
  'without what steps took and gave');
select results_eq(
  $$select distinct topic, private from realtime.messages$$,
  $$select 'execution:' || execution_id, true from claim$$,
  'all went to the private channel of the run');
select results_eq(
  $$select (payload ->> 'seq')::bigint, event from realtime.messages where payload ? 'seq' order by 1$$,
  'select seq, kind from public.execution_events order by seq',
  'each with its number');
select throws_ok(
  format('select private.send_event(%L, %L, %L)', execution_id, 'gossip', '{}'), '23514', null,
  'a kind of event that does not exist is refused') from claim;
select throws_ok(
  format('select private.send_event(%L, %L, %L)', execution_id, 'delta', '"x"'), '23514', null,
  'a payload that is no object is refused') from claim;

select * from finish();
rollback;
