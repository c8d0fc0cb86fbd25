-- What admins learn of every run, conversations included: figures, never words.
begin;
select plan(9);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('stranger') as stranger, null::uuid as org;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;
insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id, conversation_id, session_id, input)
select gen_random_uuid(), org, member, private.uuid_v7(), private.uuid_v7(), c, c, '{"message": "secret"}'
from ids, unnest(array[null, '00000000-0000-7000-8000-00000000000c']::uuid[]) as c;
insert into public.execution_steps (execution_id, sequence_number, attempt, step_name, step_type, input)
select id, 1, 1, 'Call', 'llm_call', '"secret"' from public.executions;
update public.executions set prompt_tokens = 10, completion_tokens = 5, cost_usd = 0.5, error_message = 'secret';

select tests.sign_in(owner) from ids;
select is((select count(*) from public.executions), 1::bigint, 'an admin does not read the runs of conversations');
select is((select count(*) from public.execution_steps), 1::bigint, 'nor their steps');
select results_eq(
  'select status, total_tokens, cost_usd from public.execution_usage',
  $$values ('pending', 15, 0.5), ('pending', 15, 0.5)$$, 'but what all runs used');
select is_empty($$select from public.execution_usage as u where u::text like '%secret%'$$, 'without a word of them');
select tests.sign_in(member) from ids;
select is_empty('select from public.execution_usage', 'members see no usage of others');
select is((select count(*) from public.executions), 2::bigint, 'and their own runs whole');
select tests.sign_in(stranger) from ids;
select is_empty('select from public.execution_usage', 'strangers see nothing');
select tests.sign_out();
select tests.sign_in_with_key(owner, org, 'executions:read') from ids;
select is_empty('select from public.execution_usage', 'a key needs usage:read');
select tests.sign_in_as_anon();
select is(tests.code_of('select from public.execution_usage'), '42501', 'signed out, nobody sees it');

select * from finish();
rollback;
