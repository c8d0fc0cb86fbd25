-- Running teams and workflows: who may, with which agents, at what price, and who reads it.
begin;
select plan(51);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('creator') as creator,
  tests.create_user('member') as member, tests.create_user('viewer') as viewer,
  tests.create_user('stranger') as stranger, null::uuid as org, null::uuid as team, null::uuid as flow;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, creator, 'member'), tests.add_member(org, member, 'member'),
  tests.add_member(org, viewer, 'viewer')
from ids;
insert into public.agents (id, organization_id, created_by_id, name, visibility, system_prompt, model, max_tokens)
select a.id, org, creator, a.name, a.visibility, repeat('x', 300), 'openai/gpt-5', 1000
from ids, (values
  ('00000000-0000-7000-8000-00000000000a'::uuid, 'Writer', 'organization'::public.agent_visibility),
  ('00000000-0000-7000-8000-00000000000b', 'Critic', 'organization'),
  ('00000000-0000-7000-8000-00000000000c', 'Diary', 'private')) as a (id, name, visibility);
select tests.sign_in(creator) from ids;
select public.publish_agent_version(id) from public.agents;
insert into public.teams (organization_id, name, type, leader_model) select org, 'Desk', 'coordinate', 'openai/gpt-5' from ids;
update ids set team = (select id from public.teams);
create function pg_temp.flow(variadic nodes jsonb[]) returns jsonb
language sql immutable
as $$
  with node as (
    select n.place, jsonb_build_object('id', 'n' || n.place, 'type', 'agent', 'data', n.data) as node
    from unnest(nodes) with ordinality as n (data, place)
  )
  select jsonb_build_object(
    'nodes', '[{"id": "__start__", "type": "start"}, {"id": "__end__", "type": "end"}]' || (select jsonb_agg(node) from node),
    'edges', (
      select jsonb_agg(jsonb_build_object('source', '__start__', 'target', 'n' || place))
        || jsonb_agg(jsonb_build_object('source', 'n' || place, 'target', '__end__'))
      from node))
$$;
grant execute on function pg_temp.flow(jsonb[]) to public;
insert into public.workflows (organization_id, name, definition)
select org, 'Chain', pg_temp.flow(
  '{"agent_id": "00000000-0000-7000-8000-00000000000a"}', '{"agent_id": "00000000-0000-7000-8000-00000000000a"}', '{"note": "merge"}')
from ids;
update ids set flow = (select id from public.workflows);
select tests.sign_out();
create function pg_temp.run_team(rest text default '') returns text
language sql
as $$
  select tests.code_of(format('select public.run_team(%L%s)', ids.team, run_team.rest)) from ids
$$;
create function pg_temp.run_flow(rest text default '') returns text
language sql
as $$
  select tests.code_of(format('select public.run_workflow(%L%s)', ids.flow, run_flow.rest)) from ids
$$;
create function pg_temp.member_price() returns numeric
language sql stable security definer
as $$
  select private.reservation(v, '{}') from public.agent_versions as v
  where v.agent_id = '00000000-0000-7000-8000-00000000000a'
$$;
create function pg_temp.leader_price(calls integer, answers_read integer default 0) returns numeric
language sql stable security definer
as $$
  select private.reservation_of('openai/gpt-5', calls * 2 + answers_read * 1000 * 3, null, calls)
$$;
grant execute on all functions in schema pg_temp to public;

-- Who
select tests.sign_in(member) from ids;
select is(pg_temp.run_team(), 'team_empty', 'a team without members has nobody to ask');
select tests.sign_out();
insert into public.team_agents (team_id, agent_id, position)
select team, m.agent_id::uuid, m.position
from ids, (values
  ('00000000-0000-7000-8000-00000000000a', 0), ('00000000-0000-7000-8000-00000000000b', 1)) as m (agent_id, position);
select tests.sign_in(member) from ids;
select is(pg_temp.run_team(), null, 'a member runs a team');
select is(pg_temp.run_flow(), null, 'and a workflow');
select results_eq(
  $$select target_type, target_id = coalesce(team_id, workflow_id), status, trigger_source, timeout_seconds,
      workflow_version_id is not distinct from (
        select v.id from public.workflow_versions as v where v.workflow_id = executions.workflow_id)
    from public.executions order by id$$,
  $$values ('team', true, 'pending', 'user', 3600, true), ('workflow', true, 'pending', 'user', 3600, true)$$,
  'each run names what it runs, a workflow its version');
select results_eq(
  $$select t.name from public.executions as e, public.team(e) as t
    union all select w.name from public.executions as e, public.workflow(e) as w$$,
  array['Desk', 'Chain'], 'and embeds it');
select tests.sign_in(viewer) from ids;
select is(pg_temp.run_team(), 'not_allowed', 'a viewer runs no team');
select is(pg_temp.run_flow(), 'not_allowed', 'nor a workflow');
select tests.sign_in(stranger) from ids;
select is(pg_temp.run_team(), 'team_not_found', 'to a stranger the team is not there');
select is(pg_temp.run_flow(), 'workflow_not_found', 'nor the workflow');
select tests.sign_in_as_anon();
select is(pg_temp.run_team(), '42501', 'signed out, nobody runs a team');
select is(pg_temp.run_flow(), '42501', 'nor a workflow');
select tests.sign_out();
select tests.sign_in_with_key(member, org, 'orchestration:run') from ids;
select is(pg_temp.run_team(), null, 'a key with orchestration:run runs');
select tests.sign_out();
select is((select trigger_source from public.executions order by id desc limit 1), 'api', 'which the run remembers');
select tests.sign_in_with_key(member, org, 'orchestration:read', 'agents:run') from ids;
select is(pg_temp.run_team(), 'scope_missing', 'a key without it does not');
select is(pg_temp.run_flow(), 'scope_missing', 'neither');

-- Reading
select tests.sign_out();
create function pg_temp.sees() returns bigint
language sql
as $$
  select count(*) from public.executions
$$;
grant execute on function pg_temp.sees() to public;
select tests.sign_in(member) from ids;
select is(pg_temp.sees(), 3::bigint, 'whoever asked reads the runs');
select tests.sign_in(creator) from ids;
select is(pg_temp.sees(), 3::bigint, 'so does who made the team and the workflow');
select is(
  (select count(*) from public.executions as e where tests.code_of(format('select public.retry_execution(%L)', e.id)) = 'execution_not_finished'),
  3::bigint, 'for whom the functions agree');
select tests.sign_in(owner) from ids;
select is(pg_temp.sees(), 3::bigint, 'and an admin');
select tests.sign_in(viewer) from ids;
select is(pg_temp.sees(), 0::bigint, 'a viewer reads none');
select tests.sign_in(stranger) from ids;
select is(pg_temp.sees(), 0::bigint, 'a stranger neither');
select tests.sign_in(creator) from ids;
select public.delete_team(team) from ids;
select is((select count(*) from public.executions where team_id is not null), 0::bigint, 'runs of a deleted team are left to admins');
select is(pg_temp.run_team(), 'team_not_found', 'and nobody runs it');
select public.restore_team(team) from ids;

-- With whom
select tests.sign_out();
insert into public.team_agents (team_id, agent_id, position) select team, '00000000-0000-7000-8000-00000000000c', 2 from ids;
select tests.sign_in(member) from ids;
select is(pg_temp.run_team(), 'agent_not_found', 'nobody runs somebody''s private agent by way of a team');
select tests.sign_in(creator) from ids;
select is(pg_temp.run_team(), null, 'its creator does');
delete from public.team_agents where agent_id = '00000000-0000-7000-8000-00000000000c';
update public.agents set status = 'paused' where name = 'Critic';
select is(pg_temp.run_team(), 'agent_not_active', 'a team with a paused member does not run');
update public.agents set status = 'active' where name = 'Critic';
update public.workflows set is_active = false;
select is(pg_temp.run_flow(), 'workflow_not_active', 'nor does a workflow that is switched off');
update public.workflows set is_active = true;
insert into public.agents (organization_id, name, visibility) select org, 'Sketch', 'organization' from ids;
insert into public.team_agents (team_id, agent_id, position) select team, a.id, 3 from ids, public.agents as a where a.name = 'Sketch';
select is(pg_temp.run_team(), 'agent_not_published', 'nor a team of which a member was never published');
delete from public.team_agents where position = 3;

-- Input and idempotency
select is(pg_temp.run_team(', ''{"message": "Go", "parameters": {"a": 1}}'''), null, 'a team takes the input of agents');
select is(pg_temp.run_team(', ''[]'''), 'input_invalid', 'and nothing else');
select is(pg_temp.run_flow(', ''{"text": "x"}'''), 'input_invalid', 'nor does a workflow');
select is(pg_temp.run_flow(format(', %L', jsonb_build_object('message', repeat('x', 1048577)))), 'input_too_large', 'up to 1 MB');
select is(
  (public.run_team(team, '{}', 'k')).id, (public.run_team(team, '{}', 'k')).id, 'the same key and request answer with the same run') from ids;
select is(pg_temp.run_team(', ''{"message": "x"}'', ''k'''), 'idempotency_key_reused', 'another request with the key is refused');
select is(
  (public.run_workflow(flow, '{}', 'k')).id, (public.run_workflow(flow, '{}', 'k')).id, 'keys of workflows are their own') from ids;
select is(pg_temp.run_flow(', ''{"message": "x"}'', ''k'''), 'idempotency_key_reused', 'with the same rules');

-- Price
select is(
  (select reserved_usd from public.executions where workflow_id is not null order by id desc limit 1),
  2 * pg_temp.member_price(), 'a workflow reserves the sum over its agent nodes');
select is(
  (public.run_team(team)).reserved_usd,
  3 * 2 * pg_temp.member_price() + pg_temp.leader_price(4, 6 * 2),
  'a team that coordinates three tasks of each member, and four calls of its leader, who reads the answers') from ids;
update public.teams set type = 'collaborate';
select is(
  (public.run_team(team)).reserved_usd, 2 * pg_temp.member_price() + pg_temp.leader_price(1, 2),
  'one that collaborates a task of each member, and a leader who compares') from ids;
update public.teams set type = 'route';
select is(
  (public.run_team(team)).reserved_usd, 2 * pg_temp.member_price() + pg_temp.leader_price(1),
  'one that routes a leader who reads none of it') from ids;
insert into public.workflows (organization_id, name, definition)
select org, 'Nested', pg_temp.flow(
  jsonb_build_object('workflow_id', flow), jsonb_build_object('workflow_id', flow), jsonb_build_object('team_id', team),
  '{"agent_id": "00000000-0000-7000-8000-00000000000b"}')
from ids;
select is(
  (public.run_workflow(w.id)).reserved_usd, 5 * pg_temp.member_price() + pg_temp.leader_price(1),
  'what is nested counts once') from public.workflows as w where w.name = 'Nested';
update public.workflows set is_active = false where name = 'Chain';
select is(
  tests.code_of(format('select public.run_workflow(%L)', id)), 'workflow_not_active',
  'what is nested has to be there too') from public.workflows where name = 'Nested';
update public.workflows set is_active = true where name = 'Chain';
update public.teams set leader_model = 'openai/unheard-of';
select tests.sign_out();
update public.organizations set monthly_budget_usd = 1000 where id = (select org from ids);
select tests.sign_in(creator) from ids;
select is(pg_temp.run_team(), 'model_price_unknown', 'under a budget the leader''s price has to be known');
update public.teams set leader_model = 'demo/echo';
select is(pg_temp.run_team(), null, 'when it is, the team runs');
select tests.sign_out();
update public.organizations set monthly_budget_usd = 0 where id = (select org from ids);
select tests.sign_in(creator) from ids;
select is(pg_temp.run_team(), 'budget_exceeded', 'within the budget');
select tests.sign_out();
update public.organizations set monthly_budget_usd = null, max_executions_per_month = 0 where id = (select org from ids);
select tests.sign_in(creator) from ids;
select is(pg_temp.run_flow(), 'execution_quota_exceeded', 'and the quota');
select tests.sign_out();
update public.organizations set max_executions_per_month = 1000 where id = (select org from ids);

-- Working and repeating
delete from public.executions;
select tests.sign_in(member) from ids;
select public.run_team(team), public.run_workflow(flow) from ids;
select tests.sign_out();
create temporary table claimed as
select * from private.claim_execution('worker') union all select * from private.claim_execution('worker');
select results_eq(
  'select c.team_id, c.workflow_id, c.workflow_version_id is not null from claimed as c order by c.team_id',
  'select team, null::uuid, false from ids union all select null, flow, true from ids',
  'a worker is told what to run');
select private.complete_execution(execution_id, fencing_token, '{"text": "done"}') from claimed;
update public.workflows set definition = pg_temp.flow('{"note": "x"}') where name = 'Chain';
select tests.sign_in(member) from ids;
select results_eq(
  $$select r.team_id, r.workflow_id, r.workflow_version_id, r.retry_of_id, r.status
    from public.executions as e, public.retry_execution(e.id) as r where e.retry_of_id is null order by e.team_id$$,
  $$select team_id, workflow_id, workflow_version_id, id, 'pending' from public.executions where retry_of_id is null order by team_id$$,
  'a finished run is repeated, a workflow in the version that it had');
select tests.sign_out();
select tests.sign_in_with_key(member, org, 'executions:read', 'agents:run') from ids;
select is(
  (select array_agg(distinct tests.code_of(format('select public.retry_execution(%L)', id))) from public.executions),
  '{scope_missing}', 'with a key it takes orchestration:run');
select tests.sign_in(creator) from ids;
select public.delete_workflow(flow) from ids;
select tests.sign_in(owner) from ids;
select is(
  (select tests.code_of(format('select public.retry_execution(%L)', min(id::text))) from public.executions where workflow_id is not null),
  'workflow_not_found', 'nothing of a deleted workflow is repeated');
select tests.sign_out();
select is_empty('select * from private.recount()', 'every counter is right');

select * from finish();
rollback;
