-- A large installation, made without triggers (what they would keep is made directly): 1,000
-- organizations with 5 members each, 100,000 agents with a version each, a million executions over the
-- last 60 days with steps for the newest. The first organization is the largest: a tenth of everything.
set session_replication_role = replica;

insert into auth.users (id, aud, role, email, created_at)
select private.uuid_v7_floor(now() - interval '1 year' + n * interval '1 minute'), 'authenticated', 'authenticated',
  'person-' || n || '@example.com', now()
from generate_series(1, 5000) as n;
insert into public.profiles (id, username)
select u.id, split_part(u.email, '@', 1) from auth.users as u where u.email like 'person-%';

insert into public.organizations (id, name, slug, is_personal, max_agents, max_executions_per_month)
select private.uuid_v7_floor(now() - interval '1 year' + n * interval '1 hour'), 'Organization ' || n, 'organization-' || n, false,
  1000000, 10000000
from generate_series(1, 1000) as n;
insert into public.organization_members (organization_id, user_id, role)
select o.id, p.id, (array['owner', 'admin', 'member', 'member', 'viewer'])[p.n % 5 + 1]::public.org_role
from (select id, row_number() over (order by id) - 1 as n from public.organizations where slug like 'organization-%') as o
  join (select id, row_number() over (order by id) - 1 as n from public.profiles where username like 'person-%') as p
    on p.n / 5 = o.n;

create temporary table owners as
select m.organization_id, m.user_id, row_number() over (order by m.organization_id) - 1 as n
from public.organization_members as m join public.organizations as o on o.id = m.organization_id
where m.role = 'owner' and o.slug like 'organization-%';

insert into public.agents (id, organization_id, created_by_id, name, slug, description, system_prompt, visibility, status, created_at, updated_at)
select private.uuid_v7_floor(t.at), o.organization_id, o.user_id, 'Agent ' || a.n, 'agent-' || a.n, 'Does thing ' || a.n,
  repeat('You are careful. ', 20), (array['private', 'organization', 'organization', 'public'])[a.n % 4 + 1]::public.agent_visibility,
  'draft', t.at, t.at
from generate_series(1, 100000) as a (n)
  cross join lateral (select now() - interval '300 days' + a.n * interval '4 minutes' as at) as t
  join owners as o on o.n = case when a.n % 10 = 0 then 0 else a.n % 1000 end;
insert into public.agent_versions (id, organization_id, agent_id, version_number, version, name, system_prompt, model,
  parameters, variables, tools, mcp_servers, memory_enabled, memory_type, prompt_config, agent_config,
  execution_environment, metadata, is_published, created_by_id)
select private.uuid_v7_floor(a.created_at + interval '1 second'), a.organization_id, a.id, 1, '1.0.0', a.name, a.system_prompt,
  'demo/echo', '[]', '[]', '[]', '[]', false, 'conversation', '{}', '{}', '{}', '{}', true, a.created_by_id
from public.agents as a where a.slug like 'agent-%';
update public.agents as a set current_version_id = v.id, status = 'active'
from public.agent_versions as v where v.agent_id = a.id;

-- The months that the executions of the last 60 days fall into.
select private.add_month_partition('public.executions', (date_trunc('month', now()) - make_interval(months => n))::date)
from generate_series(1, 2) as n;
select private.add_month_partition('public.execution_steps', (date_trunc('month', now()) - make_interval(months => n))::date)
from generate_series(1, 2) as n;
set session_replication_role = replica;

create temporary table targets as
select a.id, a.organization_id, a.created_by_id, a.current_version_id, row_number() over (order by a.id) - 1 as n
from public.agents as a where a.slug like 'agent-%';
create unique index on targets (n);
insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id, input, output, status,
  error_code, created_at, updated_at, started_at, completed_at, prompt_tokens, completion_tokens, cost_usd)
select private.uuid_v7_floor(e.at), t.organization_id, t.created_by_id, t.id, t.current_version_id,
  '{"message": "What is the weather like?"}', '{"text": "I cannot know."}',
  case when r.n % 20 = 0 then 'failed' else 'completed' end, case when r.n % 20 = 0 then 'provider_timeout' end,
  e.at, e.at, e.at, e.at + interval '2 seconds', 100, 200, 0.0012
from generate_series(1, 1000000) as r (n)
  cross join lateral (select now() - interval '60 days' + r.n * interval '5.18 seconds' as at) as e
  join targets as t on t.n = (r.n::bigint * 7919) % 100000;
insert into public.execution_steps (id, execution_id, sequence_number, attempt, step_name, step_type,
  created_at, started_at, completed_at)
select private.uuid_v7_floor(e.created_at + s * interval '100 milliseconds'), e.id, s, 1, 'step ' || s, 'llm_call',
  e.created_at, e.created_at, e.created_at + interval '1 second'
from public.executions as e cross join generate_series(1, 3) as s
where e.id > private.uuid_v7_floor(now() - interval '6 days');

set session_replication_role = origin;
analyze;
