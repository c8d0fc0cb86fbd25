-- What workers call: claims and their fairness, leases, fencing tokens, attempts, steps.
begin;
select plan(64);

select tests.create_user(username) from unnest(array['ada', 'ben', 'cleo']) as username;
create function pg_temp.organization(username text) returns uuid
language sql stable
as $$
  select tests.personal_organization(p.id) from public.profiles as p where p.username = organization.username
$$;
create function pg_temp.new_run(username text) returns uuid
language sql volatile
as $$
  insert into public.executions (organization_id, user_id, agent_id, agent_version_id, input)
  select tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7(), '{"message": "hi"}'
  from public.profiles as p where p.username = new_run.username
  returning id
$$;
create function pg_temp.status(run uuid) returns text
language sql stable
as $$
  select e.status from public.executions as e where e.id = status.run
$$;
-- Later, within one transaction.
create function pg_temp.lease_ran_out(run uuid) returns void
language sql volatile
as $$
  update private.execution_queue set lease_expires_at = now() - interval '1 second' where execution_id = run
$$;
create temporary table claimed (execution_id uuid, fencing_token bigint);
create function pg_temp.claim(worker text) returns uuid
language sql volatile
as $$
  insert into claimed select c.execution_id, c.fencing_token from private.claim_execution(claim.worker) as c
  returning execution_id
$$;
create function pg_temp.token(run uuid) returns bigint
language sql stable
as $$
  select max(fencing_token) from claimed where execution_id = run
$$;

create function pg_temp.asked_by(run uuid) returns text
language sql stable
as $$
  select p.username
  from public.executions as e join public.profiles as p on p.id = e.user_id
  where e.id = run
$$;

-- Claims
select is_empty($$select from private.claim_execution('w')$$, 'an empty queue gives nothing');
create temporary table run as select pg_temp.new_run('ada') as id;
create temporary table claim as select * from private.claim_execution('w');
select results_eq(
  'select execution_id, organization_id, attempt, max_attempts, input, remaining_ms from claim',
  $$select id, pg_temp.organization('ada'), 1, 3, '{"message": "hi"}'::jsonb, 600000 from run$$,
  'a claim says what to run, which attempt it is and how long it may take');
select is(
  (select deadline_at from private.execution_queue), now() + interval '600 seconds',
  'which the database sees to');
select is(pg_temp.status((select id from run)), 'running', 'a claimed run is running');
select is_empty($$select from private.claim_execution('v')$$, 'and nobody else gets it');
select results_eq(
  'select worker, fencing_token, lease_expires_at from private.execution_queue',
  $$select 'w', fencing_token, now() + interval '10 seconds' from claim$$,
  'the lease is in the queue');
select is(
  private.renew_lease((select id from run), (select fencing_token from claim), 20), 'held',
  'a lease can be renewed');
select is(
  (select lease_expires_at from private.execution_queue), now() + interval '20 seconds',
  'and then ends later');
select is(
  private.renew_lease((select id from run), 0), 'lost',
  'not with another token');

-- Every write of a worker whose token is not the present one is refused.
create temporary table step as
select private.start_step((select id from run), (select fencing_token from claim), '{"name": "Call", "type": "llm_call"}') as id;
select throws_ok(
  format(call, r.id, c.fencing_token - 1, s.id), 'PT409', 'This worker no longer holds the run.',
  format('a stale token is refused by %s', split_part(substr(call, 16), '(', 1)))
from run as r, claim as c, step as s, unnest(array[
  $$select private.start_step(%1$L, %2$s, '{"name": "Late", "type": "llm_call"}')$$,
  $$select private.finish_step(%3$L, %2$s, '{}')$$,
  $$select private.log_execution(%1$L, %2$s, 'info', 'late')$$,
  $$select private.append_event(%1$L, %2$s, 'delta', '{"text": "late"}')$$,
  $$select private.add_artifact(%1$L, %2$s, 'a.txt', 'text/plain', 1, 'o/%1$s/a.txt')$$,
  $$select private.request_approvals(%1$L, %2$s, '[{"tool": "mail"}]')$$,
  $$select private.complete_execution(%1$L, %2$s, '{}')$$,
  $$select private.fail_execution(%1$L, %2$s, 'internal_error', 'late')$$,
  $$select private.release_execution(%1$L, %2$s)$$]) as call;
select results_eq(
  $$select status, output is null, (select count(*)::integer from public.execution_steps),
    (select count(*)::integer from public.execution_logs) from public.executions$$,
  $$values ('running'::text, true, 1, 0)$$,
  'and nothing of it was written');

-- The present one is let through.
select lives_ok(
  format('select private.log_execution(%L, %s, %L, %L)', r.id, c.fencing_token, 'info', 'Rendered the prompt.'),
  'the present token logs') from run as r, claim as c;
select private.log_execution(r.id, c.fencing_token, 'warning', 'Slow.') from run as r, claim as c;
select results_eq(
  'select sequence_number, level, message from public.execution_logs order by sequence_number',
  $$values (1, 'info'::text, 'Rendered the prompt.'::text), (2, 'warning', 'Slow.')$$,
  'lines are numbered in order');
select throws_ok(
  format('select private.log_execution(%L, %s, %L, %L)', r.id, c.fencing_token, 'loud', 'x'), '23514', null,
  'a level that does not exist is refused') from run as r, claim as c;
select throws_ok(
  format('select private.start_step(%L, %s, %L)', r.id, c.fencing_token, '{"name": "x", "type": "dance"}'), '23514', null,
  'a kind of step that does not exist is refused') from run as r, claim as c;

select private.finish_step(s.id, c.fencing_token,
  '{"output": "Hello", "model": "openai/gpt-5", "prompt_tokens": 1000, "cached_prompt_tokens": 200, "completion_tokens": 50}')
from step as s, claim as c;
select results_eq(
  'select status, output, model, prompt_tokens, cached_prompt_tokens, completion_tokens, cost_usd from public.execution_steps',
  $$values ('completed'::text, '"Hello"'::jsonb, 'openai/gpt-5'::text, 1000, 200, 50, 0.001525)$$,
  'a finished step has its tokens and its cost');
select results_eq(
  'select prompt_tokens, completion_tokens, total_tokens, cost_usd from public.executions',
  $$values (1000, 50, 1050, 0.001525)$$,
  'which the run adds up while it runs');
select private.finish_step(s.id, c.fencing_token, '{"prompt_tokens": 1000, "model": "openai/gpt-5"}') from step as s, claim as c;
select is((select prompt_tokens from public.executions), 1000, 'finishing a step again counts nothing twice');
create temporary table tool as
select private.start_step(r.id, c.fencing_token, jsonb_build_object(
  'name', 'Search', 'type', 'tool_call', 'tool_name', 'search', 'parent_step_id', s.id, 'input', '{"q": "x"}'::jsonb)) as id
from run as r, claim as c, step as s;
select private.finish_step(t.id, c.fencing_token, '{"tool_status": "error", "error_message": "No network."}') from tool as t, claim as c;
select results_eq(
  $$select sequence_number, parent_step_id, status, tool_status, cost_usd from public.execution_steps where step_type = 'tool_call'$$,
  $$select 2, id, 'failed', 'error', null::numeric from step$$,
  'a step with an error message has failed, inside its parent, and costs nothing');
select is(
  (select public.tool_calls(e) -> 0 ->> 'name' from public.executions as e), 'search',
  'the run lists its tool calls');
select private.add_artifact(r.id, c.fencing_token, 'report.txt', 'text/plain', 12, o.organization_id || '/' || r.id || '/report.txt')
from run as r, claim as c, claim as o;
select results_eq('select name, size_bytes from public.execution_artifacts', $$values ('report.txt'::text, 12::bigint)$$,
  'a file is recorded');
select throws_ok(
  format('select private.add_artifact(%L, %s, %L, %L, 1, %L)', r.id, c.fencing_token, 'x', 'text/plain', 'elsewhere/x'),
  '23514', null, 'not outside the folder of its run') from run as r, claim as c;

select private.complete_execution(r.id, c.fencing_token, '{"text": "Hello"}') from run as r, claim as c;
select results_eq(
  'select status, output from public.executions', $$values ('completed'::text, '{"text": "Hello"}'::jsonb)$$,
  'a run completes with its output');
select is_empty('select from private.execution_queue', 'and leaves the queue');
select throws_ok(
  format('select private.complete_execution(%L, %s, %L)', r.id, c.fencing_token, '{"text": "Again"}'), 'PT409', null,
  'once only') from run as r, claim as c;
delete from public.executions;

-- Attempts
create temporary table second as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
select is(
  private.fail_execution(id, pg_temp.token(id), 'provider_rate_limited', 'Too many requests.', 30000), 'pending',
  'a failure that may pass is tried again') from second;
select results_eq(
  'select status, attempt, error_code from public.executions',
  $$values ('pending'::text, 2, null::text)$$, 'as the next attempt');
select is((select available_at from private.execution_queue), now() + interval '30 seconds', 'after the back-off');
select is_empty($$select from private.claim_execution('w')$$, 'and not before');
select is(
  (select message from public.execution_logs), 'Attempt 1 of 3 failed (provider_rate_limited): Too many requests. Trying again in 30.0 s.',
  'the log says why');
update private.execution_queue set available_at = now();
select is(pg_temp.claim('w'), (select id from second), 'then it is claimed again');
select private.release_execution(id, pg_temp.token(id)) from second;
select results_eq(
  'select status, attempt, max_attempts from public.executions',
  $$values ('pending'::text, 3, 4)$$, 'handing back costs none of the attempts');
select pg_temp.claim('w');
select is(private.renew_lease(id, pg_temp.token(id)), 'held', 'a lease that is held is not reaped') from second;
select is(private.reap_executions(), 0, 'as nothing is lost');
select pg_temp.lease_ran_out(id) from second;
select is(private.reap_executions(), 1, 'a lease that ran out is taken back');
select results_eq(
  'select status, attempt from public.executions', $$values ('pending'::text, 4)$$, 'for the last attempt');
select is(private.renew_lease(id, pg_temp.token(id)), 'lost', 'and the old worker learns that it lost the run') from second;
select pg_temp.claim('w');
select is(
  private.fail_execution(id, pg_temp.token(id), 'provider_unavailable', 'Down.', 1000), 'failed',
  'the last attempt is not repeated') from second;
select results_eq(
  'select status, error_code, error_message from public.executions',
  $$values ('failed'::text, 'provider_unavailable'::text, 'Down.'::text)$$, 'the run has failed with its code');
delete from public.executions;

create temporary table third as select pg_temp.new_run('ada') as id;
update public.executions set max_attempts = 1;
select pg_temp.claim('w');
select pg_temp.lease_ran_out(id) from third;
select private.reap_executions();
select results_eq(
  'select status, error_code from public.executions', $$values ('failed'::text, 'worker_lost'::text)$$,
  'a run whose last worker is lost fails as worker_lost');
delete from public.executions;

create temporary table forgotten as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
update private.execution_queue
set lease_expires_at = now() - interval '1 hour', deadline_at = now() - interval '10 minutes';
select private.reap_executions();
select is(
  (select status || ' ' || attempt from public.executions), 'pending 2',
  'a run whose worker was lost before its deadline is taken over, however late');
select pg_temp.claim('v');
select private.reap_executions();
select results_eq(
  'select e.status, q.deadline_at from public.executions as e join private.execution_queue as q on q.execution_id = e.id',
  $$values ('running'::text, now() + interval '600 seconds')$$, 'and has its time anew');
delete from public.executions;

create temporary table fourth as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
update private.execution_queue set deadline_at = now() - interval '1 minute';
select private.reap_executions();
select results_eq(
  'select status, error_code from public.executions', $$values ('failed'::text, 'deadline_exceeded'::text)$$,
  'a worker that renews for ever does not keep a run beyond its deadline');
delete from public.executions;

-- Calls that were cut off: 30 characters asked, 60 answered.
create function pg_temp.call(run uuid) returns uuid
language sql volatile
as $$
  select private.start_step(run, pg_temp.token(run), jsonb_build_object(
    'name', 'Call', 'type', 'llm_call', 'model', 'openai/gpt-5', 'input', jsonb_build_object('messages', repeat('x', 30))))
$$;
create function pg_temp.usage() returns text
language sql stable
as $$
  select e.status || ': ' || (
    select string_agg(concat_ws(' ', s.status, s.prompt_tokens, s.completion_tokens, s.cost_usd, s.output ->> 'usage_is_estimated'), ', ')
    from public.execution_steps as s)
    || '; ' || concat_ws(' ', e.total_tokens, e.cost_usd)
  from public.executions as e
$$;
create temporary table cut as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
select private.finish_step(pg_temp.call(id), pg_temp.token(id), jsonb_build_object(
  'error_message', 'The connection broke.', 'output', jsonb_build_object('text', repeat('y', 40), 'reasoning', repeat('z', 20))))
from cut;
select is(
  pg_temp.usage(), 'running: failed 10 20 0.0002125 true; 30 0.0002125',
  'a call that fails within its answer is counted by an estimate');
delete from public.executions;

create temporary table refused as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
select private.finish_step(pg_temp.call(id), pg_temp.token(id), '{"error_message": "No.", "output": {"text": ""}}') from refused;
select is(pg_temp.usage(), 'running: failed; 0', 'one that fails before it is not, and its cost is unknown');
delete from public.executions;

create temporary table left_open as select pg_temp.new_run('ada') as id;
select pg_temp.claim('w');
select pg_temp.call(id) from left_open;
select private.append_event(id, pg_temp.token(id), 'delta', jsonb_build_object('text', repeat('y', 60))) from left_open;
create temporary table spent as select sum(cost_usd) as usd from private.execution_totals;
update public.executions set status = 'cancelled';
select is(
  pg_temp.usage(), 'cancelled: failed 10 20 0.0002125 true; 30 0.0002125',
  'a run that is cancelled within an answer has cost what was asked and said so far');
select is(
  (select sum(t.cost_usd) from private.execution_totals as t) - usd, 0.0002125, 'which the budget counts') from spent;
delete from public.executions;

-- Fairness: ada floods the queue, ben and cleo ask for little.
select pg_temp.new_run('ada') from generate_series(1, 20);
select pg_temp.new_run(username) from unnest(array['ben', 'cleo']) as username;
create temporary table turns as
select n, pg_temp.asked_by(pg_temp.claim('w')) as username
from generate_series(1, 6) as n;
select set_eq(
  'select username from turns where n <= 3', array['ada', 'ben', 'cleo'],
  'the first three claims serve three organizations, however long one queue is');
select results_eq(
  'select distinct username from turns where n > 3', array['ada'::text],
  'who is alone in the queue gets the rest');
select pg_temp.new_run(username) from unnest(array['ben', 'cleo', 'ben', 'cleo']) as username;
create temporary table more as
select n, pg_temp.asked_by(pg_temp.claim('w')) as username
from generate_series(1, 4) as n;
select is(
  (select count(*) from more where username = 'ada'), 0::bigint,
  'who has runs in hand waits while others have fewer');
select is(
  (select count(*) from more where username = 'ben'), 2::bigint,
  'and those share evenly');

-- A worker that takes one run at a time has nothing in hand when it claims: its turns go round.
delete from public.executions;
select pg_temp.new_run(username) from unnest(array['ada', 'ben', 'cleo']) as username, generate_series(1, 3);
create function pg_temp.serve_one() returns text
language plpgsql
as $$
declare
  v_run uuid := pg_temp.claim('single');
begin
  perform private.complete_execution(v_run, pg_temp.token(v_run), '{}');
  return pg_temp.asked_by(v_run);
end
$$;
create temporary table served as select n, pg_temp.serve_one() as username from generate_series(1, 9) as n;
select is(
  (select count(distinct username) from served where n between 1 + 3 * round and 3 + 3 * round), 3::bigint,
  format('round %s serves each organization once', round + 1))
from generate_series(0, 2) as round;
select is_empty('select from private.execution_queue', 'until nothing is left');
select ok((select count(distinct fencing_token) = count(*) from claimed where fencing_token is not null), 'no fencing token came twice');

select * from finish();
rollback;
