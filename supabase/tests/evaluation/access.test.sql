-- Suites, cases, runs and results: who reads, writes and deletes them.
begin;
select plan(70);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('admin') as admin,
  tests.create_user('member') as member, tests.create_user('other') as other,
  tests.create_user('viewer') as viewer, tests.create_user('stranger') as stranger,
  tests.create_user('guest') as guest,
  null::uuid as org, null::uuid as agent, null::uuid as secret, null::uuid as foreign_agent,
  null::uuid as lent,
  null::uuid as lent_suite, null::uuid as lent_draft, null::uuid as suite, null::uuid as secret_suite, null::uuid as free_suite, null::uuid as run;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, admin, 'admin'), tests.add_member(org, member, 'member'),
  tests.add_member(org, other, 'member'), tests.add_member(org, viewer, 'viewer')
from ids;

select tests.sign_in(stranger) from ids;
insert into public.agents (organization_id, name)
select tests.personal_organization(stranger), 'Foreign' from ids;
update ids set foreign_agent = (select id from public.agents where name = 'Foreign');
select tests.sign_in(owner) from ids;
insert into public.agents (organization_id, name, visibility, user_prompt_template)
select org, 'Open', 'organization', 'x' from ids;
update ids set agent = (select id from public.agents where name = 'Open');
insert into public.agent_shares (agent_id, user_id, permission) select agent, guest, 'edit' from ids;
select tests.sign_in(member) from ids;
insert into public.agents (organization_id, name) select org, 'Secret' from ids;
update ids set secret = (select id from public.agents where name = 'Secret');

-- Insert
select lives_ok(
  $$insert into public.eval_suites (organization_id, agent_id, name) select org, agent, 'Manners' from ids$$,
  'a member makes a suite for an agent');
update ids set suite = (select id from public.eval_suites where name = 'Manners');
select lives_ok(
  $$insert into public.eval_suites (organization_id, agent_id, name, is_required)
    select org, secret, 'Secret manners', true from ids$$,
  'a required one for an agent of their own');
update ids set secret_suite = (select id from public.eval_suites where name = 'Secret manners');
select lives_ok(
  $$insert into public.eval_suites (organization_id, name) select org, 'For all' from ids$$,
  'or for any agent');
update ids set free_suite = (select id from public.eval_suites where name = 'For all');
select is(
  (select created_by_id from public.eval_suites, ids where id = suite), (select member from ids), 'it is theirs');
select is(
  tests.code_of($$insert into public.eval_suites (organization_id, agent_id, name, is_required)
    select org, agent, 'Gate', true from ids$$),
  'not_allowed', 'but what another''s agent has to pass they do not say');
select throws_ok(
  $$insert into public.eval_suites (organization_id, agent_id, name) select org, foreign_agent, 'x' from ids$$,
  '42501', null, 'nobody makes one for an agent that they do not see');
select tests.sign_out();
select throws_ok(
  $$insert into public.eval_suites (organization_id, agent_id, created_by_id, name)
    select org, foreign_agent, owner, 'x' from ids$$,
  '23503', null, 'no suite points at another tenant''s agent, whoever writes it');
select tests.sign_in(viewer) from ids;
select throws_ok(
  $$insert into public.eval_suites (organization_id, name) select org, 'x' from ids$$,
  '42501', null, 'a viewer makes none');
select tests.sign_in(stranger) from ids;
select throws_ok(
  $$insert into public.eval_suites (organization_id, name) select org, 'x' from ids$$,
  '42501', null, 'nor does a stranger');
select tests.sign_in_as_anon();
select throws_ok('select from public.eval_suites', '42501', null, 'a visitor sees nothing of it');

select tests.sign_in(member) from ids;
select lives_ok(
  $$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select suite, 'Greets', '{"message": "Hi"}', '"Hello"' from ids$$,
  'a member adds a case');
insert into public.eval_test_cases (suite_id, name, input, expected_output)
select secret_suite, 'Hides', '{"message": "Hi"}', '"Hello"' from ids;
select is(
  tests.code_of($$insert into public.eval_test_cases (suite_id, name, input) select suite, 'x', '{}' from ids$$),
  'rubric_invalid', 'one that cannot be scored is refused');
select throws_ok(
  $$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select suite, 'x', '{"massage": "Hi"}', '"x"' from ids$$,
  '23514', null, 'so is an input that no agent takes');
select tests.sign_in(viewer) from ids;
select throws_ok(
  $$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select suite, 'x', '{}', '"x"' from ids$$,
  '42501', null, 'a viewer adds no case');
select tests.sign_in(other) from ids;
select throws_ok(
  $$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select secret_suite, 'x', '{}', '"x"' from ids$$,
  '42501', null, 'nor does who does not see the agent');

-- A run to read
select tests.sign_in(member) from ids;
update ids set run = (public.run_eval_suite(suite)).id;

-- Select
select is((select count(*) from public.eval_suites), 3::bigint, 'who made them reads the suites');
select tests.sign_in(other) from ids;
select set_eq(
  'select name from public.eval_suites', array['Manners', 'For all'],
  'another member reads those of agents that they see');
select set_eq('select name from public.eval_test_cases', array['Greets'], 'and their cases');
select is((select count(*) from public.eval_runs), 1::bigint, 'and runs');
select is((select count(*) from public.eval_results), 1::bigint, 'and results');
select tests.sign_in(viewer) from ids;
select is(
  (select count(*) from public.eval_suites) + (select count(*) from public.eval_test_cases)
    + (select count(*) from public.eval_runs) + (select count(*) from public.eval_results),
  5::bigint, 'a viewer reads the same');
select tests.sign_in(admin) from ids;
select is((select count(*) from public.eval_suites), 3::bigint, 'an admin reads all suites');
select is((select count(*) from public.eval_test_cases), 2::bigint, 'and all cases');
select tests.sign_in(stranger) from ids;
select is(
  (select count(*) from public.eval_suites) + (select count(*) from public.eval_test_cases)
    + (select count(*) from public.eval_runs) + (select count(*) from public.eval_results),
  0::bigint, 'a stranger reads nothing');
select tests.sign_in(guest) from ids;
select is(
  (select count(*) from public.eval_suites) + (select count(*) from public.eval_test_cases)
    + (select count(*) from public.eval_runs) + (select count(*) from public.eval_results),
  0::bigint, 'nor does who the agent is shared with: suites are the organization''s');
select tests.sign_in_with_key(member, org, 'agents:read') from ids;
select is(
  (select count(*) from public.eval_suites) + (select count(*) from public.eval_test_cases)
    + (select count(*) from public.eval_runs) + (select count(*) from public.eval_results),
  0::bigint, 'nor a key without evaluation:read');
select tests.sign_in_with_key(member, org, 'evaluation:read', 'agents:read') from ids;
select is((select count(*) from public.eval_results), 1::bigint, 'a key with it reads results');
select throws_ok(
  $$insert into public.eval_suites (organization_id, name) select org, 'x' from ids$$,
  '42501', null, 'but makes no suite');
select throws_ok(
  $$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select suite, 'x', '{}', '"x"' from ids$$, '42501', null, 'and no case');
select is_empty($$update public.eval_suites set name = 'x' returning 1$$, 'edits none');
select is_empty($$update public.eval_test_cases set name = 'x' returning 1$$, 'edits no case');
select is_empty($$delete from public.eval_suites returning 1$$, 'deletes none');
select is_empty($$delete from public.eval_test_cases returning 1$$, 'nor cases');
select is_empty($$delete from public.eval_runs returning 1$$, 'nor runs');
select is(
  tests.code_of('select public.run_eval_suite(suite) from ids'), 'scope_missing', 'and runs none');
select tests.sign_in_with_key(member, org, 'evaluation:read', 'evaluation:write', 'agents:read') from ids;
select isnt_empty($$update public.eval_suites set description = 'by key' returning 1$$, 'a key with evaluation:write edits');

-- Update
select tests.sign_in(other) from ids;
select isnt_empty(
  $$update public.eval_suites set description = 'by other' from ids where id = suite returning 1$$,
  'another member edits a suite');
select isnt_empty(
  $$update public.eval_test_cases set description = 'by other' from ids where suite_id = suite returning 1$$,
  'and its cases');
select is_empty(
  $$update public.eval_suites set name = 'x' from ids where id = secret_suite returning 1$$,
  'but not of an agent that they do not see');
select is(
  tests.code_of($$update public.eval_suites set is_required = true from ids where id = suite$$), 'not_allowed',
  'nor makes it required');
select throws_ok('update public.eval_suites set created_by_id = created_by_id', '42501', null, 'nobody changes whose it is');
select throws_ok('update public.eval_runs set passed_tests = 1', '42501', null, 'or what came out');
select throws_ok($$update public.eval_results set status = 'passed'$$, '42501', null, 'case by case');
select throws_ok(
  $$insert into public.eval_results (run_id, test_case, execution_id) select run, '{}', run from ids$$,
  '42501', null, 'or makes results up');
select throws_ok(
  $$insert into public.eval_runs (organization_id) select org from ids$$, '42501', null, 'or runs');
select tests.sign_in(viewer) from ids;
select is_empty($$update public.eval_suites set name = 'x' returning 1$$, 'a viewer edits no suite');
select is_empty($$update public.eval_test_cases set name = 'x' returning 1$$, 'and no case');
select tests.sign_in(admin) from ids;
select isnt_empty(
  $$update public.eval_suites set is_required = true from ids where id = suite returning 1$$,
  'an admin makes a suite required');
select tests.sign_in(member) from ids;
select is(
  tests.code_of($$update public.eval_suites set is_required = false from ids where id = suite$$), 'not_allowed',
  'its maker cannot lift that');
select is(
  tests.code_of($$update public.eval_suites set agent_id = secret from ids where id = suite$$), 'not_allowed',
  'nor by moving it to an agent of their own');
select is(
  tests.code_of($$update public.eval_suites set config = '{"minimum_pass_rate": 0}' from ids where id = suite$$),
  'not_allowed', 'nor by asking for less');
select isnt_empty(
  $$update public.eval_suites set config = '{"colour": "red"}' from ids where id = suite returning 1$$,
  'what is theirs in its config they change');
select is(
  tests.code_of($$update public.eval_test_cases set scoring_rubric = '{"criteria": [{"type": "exact"}], "pass_score": 0}'
    from ids where suite_id = suite$$), 'not_allowed', 'nor by easier cases');
select is(
  tests.code_of($$delete from public.eval_test_cases using ids where suite_id = suite$$), 'not_allowed', 'or fewer');
select is(
  tests.code_of($$insert into public.eval_test_cases (suite_id, name, input, expected_output)
    select suite, 'Gift', '{}', '"x"' from ids$$), 'not_allowed', 'or more');
select is(
  tests.code_of($$delete from public.eval_suites using ids where id = suite$$), 'not_allowed', 'nor by deleting it');
select tests.sign_in(admin) from ids;
select isnt_empty(
  $$update public.eval_test_cases set description = 'by admin' from ids where suite_id = suite returning 1$$,
  'an admin changes its cases');
select isnt_empty(
  $$update public.eval_suites set config = '{"minimum_pass_rate": 0.5}' from ids where id = suite returning 1$$,
  'and what it asks for');
select tests.sign_in_as_service_role();
select isnt_empty(
  $$update public.eval_suites set is_required = false from ids where id = suite returning 1$$, 'as do operators');
select tests.sign_in(admin) from ids;
update public.eval_suites set is_required = false from ids where id = suite;
select tests.sign_in(member) from ids;
select isnt_empty(
  $$update public.eval_test_cases set description = 'by member' from ids where suite_id = suite returning 1$$,
  'one that is not required is everybody''s again');

-- Runs of what is not published
select tests.sign_in(owner) from ids;
insert into public.agents (organization_id, name, user_prompt_template) select org, 'Lent', 'x' from ids;
update ids set lent = (select id from public.agents where name = 'Lent');
select public.publish_agent_version(lent) from ids;
insert into public.agent_shares (agent_id, user_id, permission) select lent, member, 'use' from ids;
insert into public.eval_suites (organization_id, agent_id, name) select org, lent, 'Of the lent one' from ids;
update ids set lent_suite = (select id from public.eval_suites where name = 'Of the lent one');
insert into public.eval_test_cases (suite_id, name, input, expected_output)
select lent_suite, 'One', '{}', '"x"' from ids;
update public.agents set system_prompt = 'Not for others.' from ids where id = lent;
update ids set lent_draft = (public.run_eval_suite(lent_suite)).agent_version_id;
select tests.sign_in(member) from ids;
select is(
  tests.code_of('select public.run_eval_suite(lent_suite, lent_draft) from ids'), 'version_not_found',
  'who may not edit an agent asks no version that was not published');
select is(
  (select r.agent_version_id from ids, public.run_eval_suite(lent_suite) as r),
  (select current_version_id from public.agents, ids where id = lent), 'but the current one');

-- A private agent takes along what was known of it
select tests.sign_out();
update public.agents set deleted_at = now() - interval '40 days' from ids where id = lent;
delete from public.agents using ids where id = lent;
select is_empty($$select from public.eval_suites where name = 'Of the lent one'$$, 'a suite goes with its agent');

-- Delete
select tests.sign_in(other) from ids;
select is_empty('delete from public.eval_suites returning 1', 'what others made a member does not delete: suites');
select is_empty('delete from public.eval_test_cases returning 1', 'cases');
select is_empty('delete from public.eval_runs returning 1', 'runs');
select tests.sign_in(member) from ids;
select is(
  (select count(*) from public.eval_runs) + (select count(*) from public.eval_test_cases), 3::bigint, 'it is all there');
select isnt_empty('delete from public.eval_runs returning 1', 'who started a run deletes it');
select isnt_empty('delete from public.eval_test_cases using ids where suite_id = suite returning 1', 'and cases and suites of one''s own');
select tests.sign_in(admin) from ids;
select results_eq(
  'delete from public.eval_suites returning 1', 'values (1), (1), (1)', 'an admin deletes all');

select * from finish();
rollback;
