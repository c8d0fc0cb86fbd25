-- Running a suite: what it asks, what it counts, how answers are scored, and what a version waits for.
begin;
select plan(56);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('viewer') as viewer, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as agent, null::uuid as other_agent, null::uuid as suite,
  null::uuid as free_suite, null::uuid as run, null::uuid as version;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member'), tests.add_member(org, viewer, 'viewer') from ids;
select tests.sign_in(owner) from ids;
insert into public.agents (organization_id, name, visibility, user_prompt_template)
select org, 'Clerk', 'organization'::public.agent_visibility, '{{message}}' from ids
union all
select org, 'Other', 'organization', 'x' from ids;
update ids
set agent = (select id from public.agents where name = 'Clerk'),
  other_agent = (select id from public.agents where name = 'Other');
insert into public.agent_parameters (agent_id, name, type, required)
select agent, 'tone', 'string', false from ids;
insert into public.eval_suites (organization_id, agent_id, name, is_required)
select org, agent, 'Manners', true from ids
union all
select org, null, 'For all', false from ids;
update ids
set suite = (select id from public.eval_suites where name = 'Manners'),
  free_suite = (select id from public.eval_suites where name = 'For all');

select is(tests.code_of('select public.run_eval_suite(suite) from ids'), 'eval_suite_empty', 'a suite without cases is not run');
insert into public.eval_test_cases (suite_id, name, input, expected_output, scoring_rubric)
select suite, 'Greets', '{"message": "Hi", "parameters": {"tone": "warm"}}'::jsonb, '"Hello"'::jsonb,
  '{"criteria": [{"type": "exact"}]}'::jsonb from ids
union all
select suite, 'Counts', '{"message": "Count"}', null,
  '{"criteria": [{"type": "contains", "values": ["one", "two"], "weight": 3}, {"type": "regex", "pattern": "^one"}], "pass_score": 60}' from ids
union all
select suite, 'Is kind', '{"message": "I am sad"}', null,
  '{"criteria": [{"type": "contains", "values": ["sorry"]}, {"type": "llm_judge", "instructions": "Is it kind?", "weight": 3}]}' from ids;
insert into public.eval_test_cases (suite_id, name, input, expected_output)
select free_suite, 'Greets', '{"message": "Hi"}', '"Hello"' from ids;

-- Who may
select tests.sign_in(viewer) from ids;
select is(tests.code_of('select public.run_eval_suite(suite) from ids'), 'not_allowed', 'a viewer runs no suite');
select tests.sign_in(stranger) from ids;
select is(tests.code_of('select public.run_eval_suite(suite) from ids'), 'eval_suite_not_found', 'to a stranger there is none');
select tests.sign_in_as_anon();
select throws_ok('select public.run_eval_suite(suite) from ids', '42501', null, 'a visitor runs none');
select tests.sign_in(member) from ids;
select is(
  tests.code_of('select public.run_eval_suite(free_suite) from ids'), 'agent_version_missing',
  'a suite for any agent is told which');
select is(
  tests.code_of('select public.run_eval_suite(suite, gen_random_uuid()) from ids'), 'version_not_found',
  'a version that is not there is refused');

-- The draft
update ids set run = (public.run_eval_suite(suite)).id;
select results_eq(
  'select status, total_tests, passed_tests, failed_tests, average_score, is_passed from public.eval_runs',
  $$values ('pending', 3, 0, 0, null::numeric, false)$$, 'a run waits for its answers');
select is(
  (select v.is_published from public.eval_runs as r join public.agent_versions as v on v.id = r.agent_version_id),
  false, 'whoever may edit the agent asks the draft');
select results_eq(
  'select trigger_source, agent_id, user_id, input -> ''message'' from public.executions order by id',
  $$select 'eval', agent, member, m from ids, unnest(array['"Hi"', '"Count"', '"I am sad"']::jsonb[]) as m$$,
  'each case is a run of the agent');
select is(
  (select input #>> '{parameters,tone}' from public.executions order by id limit 1), 'warm', 'with its parameters');
select is(
  (select executions_count from ids, public.current_usage(org)), 3::bigint, 'which counts like any other');

-- Answers
select tests.sign_out();
create function pg_temp.answer(message text, output jsonb) returns void
language plpgsql
as $$
begin
  perform private.complete_execution(q.execution_id, q.fencing_token, answer.output)
  from private.execution_queue as q
    join public.executions as e on e.id = q.execution_id
  where e.input ->> 'message' = answer.message and q.fencing_token is not null;
end
$$;
select private.claim_execution('test') from generate_series(1, 3);
select pg_temp.answer('Hi', '{"text": "Hello"}');
select results_eq(
  $$select status, score, actual_output ->> 'text', feedback, criteria -> 0 ->> 'type'
    from public.eval_results where test_case ->> 'name' = 'Greets'$$,
  $$values ('passed', 100::numeric, 'Hello', null::text, 'exact')$$, 'an answer is scored when it comes');
select results_eq(
  'select status, passed_tests, failed_tests, average_score, started_at is not null from public.eval_runs',
  $$values ('running', 1, 0, 100::numeric, true)$$, 'the run goes on');
select pg_temp.answer('Count', '{"text": "two"}');
select results_eq(
  $$select status, score, feedback from public.eval_results where test_case ->> 'name' = 'Counts'$$,
  $$values ('failed', 37.5::numeric, 'Lacks: one. Does not match the pattern.')$$,
  'criteria count by weight, and feedback names what is wrong');
select pg_temp.answer('I am sad', '{"text": "I am sorry"}');
select is(
  (select status from public.eval_results where test_case ->> 'name' = 'Is kind'), 'judging',
  'what a model has to judge waits for it');
select is((select status from public.eval_runs), 'running', 'and the run with it');

create temporary table judged as select * from private.claim_eval_judgments();
select results_eq(
  $$select user_id, organization_id, agent_model, actual_output ->> 'text',
      test_case #>> '{scoring_rubric,criteria,1,instructions}' from judged$$,
  $$select member, org, 'demo/echo', 'I am sorry', 'Is it kind?' from ids$$, 'a worker gets all that a judge needs');
select is_empty('select from private.claim_eval_judgments()', 'and no other worker meanwhile');
select is(
  (select private.record_eval_result(result_id, '[{"criterion": 1, "score": 70, "feedback": "Kind enough."}]') from judged),
  'passed', 'the judge''s score is weighed with the others');
select results_eq(
  $$select score, feedback, criteria -> 1 ->> 'score' from public.eval_results where test_case ->> 'name' = 'Is kind'$$,
  $$values (77.50::numeric, 'Kind enough.', '70.00')$$, 'and kept with what it said');
select is(
  (select private.record_eval_result(result_id, '[{"criterion": 1, "score": 0}]') from judged), 'superseded',
  'a verdict is given once');
select results_eq(
  'select status, total_tests, passed_tests, failed_tests, average_score, is_passed, completed_at is not null from public.eval_runs',
  $$values ('completed', 3, 2, 1, 71.67::numeric, false, true)$$, 'the run ends with its totals');
select is_empty('select * from private.recount() where counter like ''eval%''', 'which are right');

-- What a version waits for
select tests.sign_in(owner) from ids;
select is(
  tests.code_of('select public.publish_agent_version(agent) from ids'), 'eval_required',
  'a draft that has not passed is not published');
select lives_ok('select public.publish_agent_version(other_agent) from ids', 'an agent without a required suite is');
select is(
  (select agent_version_id from ids, public.run_eval_suite(free_suite,
    (select current_version_id from public.agents as a where a.id = other_agent))),
  (select current_version_id from public.agents, ids where id = other_agent),
  'a suite for any agent asks the version that is named');
select is(
  tests.code_of($$select public.run_eval_suite(suite, a.current_version_id) from ids, public.agents as a where a.id = other_agent$$),
  'version_not_found', 'a suite of one agent no other');
update public.eval_suites set config = '{"minimum_pass_rate": 0.6}' from ids where id = suite;
update ids set run = (public.run_eval_suite(suite)).id;
select tests.sign_out();
select private.claim_execution('test') from generate_series(1, 4);
select pg_temp.answer('Count', '{"text": "nothing"}');
select pg_temp.answer('Hi', '{"text": "Hello"}');
select pg_temp.answer('I am sad', '{"text": "So what"}');
select private.record_eval_result(j.result_id, '[{"criterion": 1, "score": 100}]')
from private.claim_eval_judgments() as j;
select results_eq(
  'select passed_tests, is_passed from public.eval_runs, ids where id = run', 'values (2, true)',
  'two of three are enough where the suite says so');
select tests.sign_in(owner) from ids;
update public.agents set system_prompt = 'Be brief.' from ids where id = agent;
select is(
  tests.code_of('select public.publish_agent_version(agent) from ids'), 'eval_required',
  'another draft has not passed');
update public.agents set system_prompt = '' from ids where id = agent;
update public.eval_test_cases set expected_output = '"Hello!"' from ids where suite_id = suite and name = 'Greets';
select is(
  tests.code_of('select public.publish_agent_version(agent) from ids'), 'eval_required',
  'nor has this one passed what the suite asks now');
update public.eval_test_cases set expected_output = '"Hello"' from ids where suite_id = suite and name = 'Greets';
select is(
  (select version_number from ids, public.publish_agent_version(agent)), 1, 'the draft that passed is published');

-- What goes wrong
update ids set run = (public.run_eval_suite(suite)).id;
select is(
  (select count(distinct agent_version_id) from public.eval_runs, ids where suite_id = suite), 1::bigint,
  'an unchanged draft is not frozen again');
select public.cancel_execution(e.id)
from public.executions as e where e.input ->> 'message' = 'Hi' and e.status = 'pending' and e.agent_id = (select agent from ids);
select tests.sign_out();
select results_eq(
  $$select status, feedback from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Greets'$$,
  $$values ('error', 'The run was cancelled.')$$, 'a run that is cancelled brings no score');
select private.claim_execution('test') from generate_series(1, 2);
select private.fail_execution(q.execution_id, q.fencing_token, 'provider_auth', 'No key.')
from private.execution_queue as q join public.executions as e on e.id = q.execution_id
where e.input ->> 'message' = 'Count' and q.fencing_token is not null;
select results_eq(
  $$select status, feedback, score from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Counts'$$,
  $$values ('error', 'No key.', null::numeric)$$, 'nor does one that fails');
update public.eval_results set test_case = jsonb_set(test_case, '{scoring_rubric,criteria,0,type}', '"regex"')
from ids where run_id = run and test_case ->> 'name' = 'Is kind';
update public.eval_results
set test_case = jsonb_set(test_case, '{scoring_rubric,criteria,0,pattern}', '"("')
from ids where run_id = run and test_case ->> 'name' = 'Is kind';
select pg_temp.answer('I am sad', '{"text": "x"}');
select is(
  (select status from public.executions where input ->> 'message' = 'I am sad' order by id desc limit 1), 'completed',
  'an answer that cannot be scored ends its run all the same');
select results_eq(
  'select status, failed_tests, average_score, is_passed from public.eval_runs, ids where id = run',
  $$values ('failed', 3, null::numeric, false)$$, 'a run without one score has failed');
create function pg_temp.collide() returns trigger language plpgsql as $$
begin
  raise deadlock_detected;
end
$$;

select tests.sign_in(owner) from ids;
update ids set run = (public.run_eval_suite(suite)).id;
select tests.sign_out();
select private.claim_execution('test') from generate_series(1, 3);
select pg_temp.answer('I am sad', '{"text": "sorry"}');
select is(
  (select private.record_eval_result(j.result_id, '[{"criterion": 0, "score": 100}]') from private.claim_eval_judgments() as j),
  'error', 'a judge that scores something else has not judged');
select pg_temp.answer('Hi', '{"text": "hello"}');
create trigger _100_collide before update on public.eval_results for each row execute function pg_temp.collide();
select throws_ok(
  $$select pg_temp.answer('Count', '{"text": "one two"}')$$, '40P01', null, 'an answer that met a deadlock is not lost: it comes again');
drop trigger _100_collide on public.eval_results;
select pg_temp.answer('Count', '{"text": "one two"}');
update public.eval_results set status = 'judging', score = null from ids where run_id = run and status = 'passed';
insert into private.eval_judgments (result_id, attempts)
select id, 5 from public.eval_results, ids where run_id = run and status = 'judging';
select is_empty('select from private.claim_eval_judgments()', 'a judge that has failed five times is not asked again');
select is(private.end_eval_judgments(), 1, 'upkeep gives up on it');
select is(
  (select feedback from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Counts'),
  'The judging model did not answer in five attempts.', 'and the result says so');
insert into private.eval_judgments (result_id, available_at)
select id, now() - interval '59 minutes' from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Greets';
update public.eval_results set status = 'judging', score = null from ids where run_id = run and test_case ->> 'name' = 'Greets';
select is(private.end_eval_judgments(), 0, 'what waits for a judge is left alone');
update private.eval_judgments set available_at = now() - interval '1 hour';
select is(private.end_eval_judgments(), 1, 'for an hour');
select results_eq(
  $$select status, feedback from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Greets'$$,
  $$values ('error', 'For an hour nobody has asked the judging model.')$$, 'then it ends, and says why');
insert into private.eval_judgments (result_id)
select id from public.eval_results, ids where run_id = run and test_case ->> 'name' = 'Greets';
update public.eval_results set status = 'judging', score = null from ids where run_id = run and test_case ->> 'name' = 'Greets';
select is(
  (select private.record_eval_result(e.id, null, 'No token.') from public.eval_results as e, ids where run_id = run and test_case ->> 'name' = 'Greets'),
  'error', 'a worker may say why there is no judgment');
select is_empty('select from private.eval_judgments', 'nothing waits for a judge any more');

-- What is kept
delete from public.eval_test_cases using ids where suite_id = suite and name = 'Greets';
select results_eq(
  $$select total_tests, (select count(*)::integer from public.eval_results where run_id = run and test_case_id is null)
    from public.eval_runs, ids where id = run$$,
  'values (3, 1)', 'a deleted case leaves the results of earlier runs');
delete from public.eval_results using ids where run_id = run and test_case_id is null;
select is((select total_tests from public.eval_runs, ids where id = run), 2, 'totals follow whatever happens to results');
select is_empty('select * from private.recount() where counter like ''eval%''', 'and are right');

-- Limits
update public.organizations set max_executions_per_month = (select count(*) from public.executions) + 1 from ids where id = org;
select tests.sign_in(owner) from ids;
select is(
  tests.code_of('select public.run_eval_suite(suite) from ids'), 'execution_quota_exceeded',
  'a suite that does not fit into the quota is not begun');
select is(
  (select count(*) from public.executions), (select count(*) from public.executions where id in (select execution_id from public.eval_results)) + 1,
  'not even in part');
update public.agents set status = 'paused' from ids where id = agent;
select is(tests.code_of('select public.run_eval_suite(suite) from ids'), 'agent_not_active', 'a paused agent answers no suite');
select tests.sign_out();
insert into public.eval_test_cases (suite_id, created_by_id, name, input, expected_output)
select free_suite, owner, 'Case ' || n, '{}', '"x"' from ids, generate_series(1, 499) as n;
select is(
  tests.code_of($$insert into public.eval_test_cases (suite_id, created_by_id, name, input, expected_output)
    select free_suite, owner, 'One more', '{}', '"x"' from ids$$),
  'eval_case_limit_reached', 'a suite has at most 500 cases');
delete from public.agents using ids where id = other_agent;
select is_empty('select from public.eval_runs, ids where agent_id = other_agent', 'runs go with their agent');
delete from public.eval_suites using ids where id = suite;
select is_empty('select from public.eval_runs', 'and with their suite');
select isnt_empty('select from public.executions', 'what was asked stays in the history of runs');

select * from finish();
rollback;
