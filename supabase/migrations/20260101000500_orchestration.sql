-- migrate:up

-- Orchestration: what runs agents together and again. Teams of agents, workflows as graphs, schedules.
-- run_team(), run_workflow() and what carries schedules out stand in the executions context.
--
-- Shared rules of access: viewers read, members create and edit, whoever made something or an admin
-- deletes it. Teams, workflows and what hangs on them are always visible to their whole organization.

create type public.team_type as enum ('route', 'coordinate', 'collaborate');
create type public.schedule_frequency as enum
  ('once', 'minutes', 'hourly', 'daily', 'weekly', 'monthly');
create type public.schedule_overlap as enum ('skip', 'allow');

create function private.free_slug(
  relation regclass,
  organization_id uuid,
  name text,
  fallback text
) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  v_stem text collate "C" := coalesce(
    nullif(rtrim(left(private.slugify(free_slug.name), 90), '-'), ''), fallback);
  v_slug text collate "C" := v_stem;
  v_taken boolean;
begin
  for i in 2..1000000 loop
    execute format(
      'select exists (
        select from %s where organization_id = $1 and slug = $2 and deleted_at is null)', relation)
    into v_taken using free_slug.organization_id, v_slug;
    exit when not v_taken;
    v_slug := v_stem || '-' || i;
  end loop;
  return v_slug;
end
$$;
comment on function private.free_slug(regclass, uuid, text, text) is
  'A slug for a name that nothing living of that kind has in the organization: name, name-2, name-3; the fallback stands for names without Latin letters.';

create function private.tg_take_slug() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from public.organizations as o where o.id = new.organization_id for no key update;
  new.slug := private.free_slug(tg_relid::regclass, new.organization_id, new.name, tg_argv[0]);
  return new;
end
$$;
comment on function private.tg_take_slug() is
  'Before insert without a slug: makes one from the name; the argument stands in for names without Latin letters.';

-- ---------------------------------------------------------------------------------------------------
-- teams: agents that answer together. `route`: one member answers. `coordinate`: the leader hands out
-- tasks and synthesises. `collaborate`: every member gets the same task, the leader compares.
-- ---------------------------------------------------------------------------------------------------
create table public.teams (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations on delete cascade,
  created_by_id uuid not null default auth.uid() references public.profiles,
  name text not null
    constraint name_is_1_to_255_characters check (
      char_length(name) between 1 and 255 and name ~ '\S'),
  -- Left out, it is made by the trigger below.
  slug text collate "C" not null default ''
    constraint slug_is_lower_case_words check (
      slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  description text not null default ''
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  type public.team_type not null,
  leader_model text not null default 'demo/echo'
    constraint leader_model_is_provider_and_name check (
      leader_model ~ '^[a-z0-9][a-z0-9-]*/\S+$' and char_length(leader_model) <= 200),
  leader_prompt text not null default ''
    constraint leader_prompt_is_at_most_100000_characters check (
      char_length(leader_prompt) <= 100000),
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- What other tables point at, so that no reference crosses a tenant.
  unique (id, organization_id)
);
alter table public.teams enable row level security;

-- The list of an organization, newest first.
create index teams_list_idx on public.teams (organization_id, created_at desc, id);
create unique index teams_slug_is_unique on public.teams (organization_id, slug)
  where deleted_at is null;
create index teams_created_by_id_idx on public.teams (created_by_id);
-- What the purge looks for.
create index teams_deleted_idx on public.teams (deleted_at) where deleted_at is not null;

create trigger _100_take_slug before insert on public.teams
  for each row when (coalesce(new.slug, '') = '') execute function private.tg_take_slug('team');
create trigger _200_set_updated_at before update on public.teams
  for each row execute function private.tg_set_updated_at();

-- NOTE: no delete: delete_team() can be undone. deleted_at and created_by_id belong to functions.
grant select on public.teams to authenticated;
grant insert (organization_id, name, slug, description, type, leader_model, leader_prompt)
  on public.teams to authenticated;
grant update (name, slug, description, type, leader_model, leader_prompt)
  on public.teams to authenticated;

create policy teams_select_member on public.teams for select to authenticated
  using (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('viewer'))));
create policy teams_insert_member on public.teams for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('member'))));
create policy teams_update_member on public.teams for update to authenticated
  using (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('member'))))
  with check (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('member'))));
create policy teams_select_scope on public.teams as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));
create policy teams_insert_scope on public.teams as restrictive
  for insert to authenticated
  with check ((select private.has_scope('orchestration:write')));
create policy teams_update_scope on public.teams as restrictive
  for update to authenticated
  using ((select private.has_scope('orchestration:write')));

comment on table public.teams is
  E'Agents that answer together.\nroute: exactly one member answers. coordinate: the leader hands tasks to members and synthesises one answer. collaborate: every member gets the same task, the leader synthesises agreement and contradiction. Run with run_team(), delete with delete_team().';
comment on column public.teams.leader_model is 'Provider and name, as in public.models: the model that routes, delegates and synthesises.';
comment on column public.teams.leader_prompt is 'What the leader is told beyond its task.';

-- ---------------------------------------------------------------------------------------------------
-- team_agents: a team's members in their order. They belong to the team's organization, and whoever
-- adds one can see it.
-- ---------------------------------------------------------------------------------------------------
create table public.team_agents (
  team_id uuid not null,
  agent_id uuid not null,
  -- The team's, filled in by the trigger below.
  organization_id uuid not null default '00000000-0000-0000-0000-000000000000',
  position integer not null
    constraint position_is_not_negative check (position >= 0),
  created_at timestamptz not null default now(),
  primary key (team_id, agent_id),
  foreign key (team_id, organization_id)
    references public.teams (id, organization_id) on delete cascade,
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  -- Deferrable, so that members can change places.
  constraint team_positions_differ unique (team_id, position) deferrable initially deferred
);
alter table public.team_agents enable row level security;

-- The teams of an agent.
create index team_agents_agent_id_idx on public.team_agents (agent_id, organization_id);

create function private.tg_team_agents__take_organization() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.organization_id := (select t.organization_id from public.teams as t where t.id = new.team_id);
  return new;
end
$$;
comment on function private.tg_team_agents__take_organization() is
  'Before insert: the organization is the team''s; the composite keys then refuse agents of any other.';
create trigger _100_take_organization before insert on public.team_agents
  for each row execute function private.tg_team_agents__take_organization();

grant select, delete on public.team_agents to authenticated;
grant insert (team_id, agent_id, position) on public.team_agents to authenticated;
grant update (position) on public.team_agents to authenticated;

create policy team_agents_select_member on public.team_agents for select to authenticated
  using (exists (select from public.teams as t where t.id = team_agents.team_id));
create policy team_agents_insert_member on public.team_agents for insert to authenticated
  with check (
    organization_id = any (array(select private.my_organization_ids('member')))
    and exists (select from public.teams as t where t.id = team_agents.team_id)
    and exists (select from public.agents as a where a.id = team_agents.agent_id));
create policy team_agents_update_member on public.team_agents for update to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('member')))
    and exists (select from public.teams as t where t.id = team_agents.team_id))
  with check (
    organization_id = any (array(select private.my_organization_ids('member')))
    and exists (select from public.teams as t where t.id = team_agents.team_id));
create policy team_agents_delete_member on public.team_agents for delete to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('member')))
    and exists (select from public.teams as t where t.id = team_agents.team_id));
create policy team_agents_select_scope on public.team_agents as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));
create policy team_agents_insert_scope on public.team_agents as restrictive
  for insert to authenticated
  with check ((select private.has_scope('orchestration:write')));
create policy team_agents_update_scope on public.team_agents as restrictive
  for update to authenticated
  using ((select private.has_scope('orchestration:write')));
create policy team_agents_delete_scope on public.team_agents as restrictive
  for delete to authenticated
  using ((select private.has_scope('orchestration:write')));

comment on table public.team_agents is
  E'The members of a team, by position.\nAgents are of the team''s organization. An insert with resolution=ignore-duplicates leaves those alone that are in it already; an update moves them.';

-- ---------------------------------------------------------------------------------------------------
-- Workflow definitions have the shape of LangGraph's toJSON(): nodes {id, type, data}, edges {source,
-- target, conditional?, data?}, with `__start__` and `__end__`.
-- ---------------------------------------------------------------------------------------------------

create function private.workflow_problem(definition jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_ids text[];
  v_place text;
  v_loops text[];
begin
  if jsonb_typeof(definition) is distinct from 'object'
    or jsonb_typeof(definition -> 'nodes') is distinct from 'array'
    or jsonb_typeof(definition -> 'edges') is distinct from 'array'
  then
    return 'A definition is {"nodes": [...], "edges": [...]}.';
  elsif jsonb_array_length(definition -> 'nodes') > 500
    or jsonb_array_length(definition -> 'edges') > 2000
  then
    return 'A workflow has at most 500 nodes and 2000 edges.';
  end if;

  select format('Node %s needs an "id" and a "type", both texts.', n.place)
  into v_place
  from jsonb_array_elements(definition -> 'nodes') with ordinality as n (node, place)
  where jsonb_typeof(n.node -> 'id') is distinct from 'string' or n.node ->> 'id' = ''
    or jsonb_typeof(n.node -> 'type') is distinct from 'string'
  order by n.place limit 1;
  if v_place is not null then
    return v_place;
  end if;
  select format('Two nodes have the id "%s".', n.node ->> 'id')
  into v_place
  from jsonb_array_elements(definition -> 'nodes') as n (node)
  group by n.node ->> 'id' having count(*) > 1 limit 1;
  if v_place is not null then
    return v_place;
  end if;
  v_ids := array(
    select n.node ->> 'id' from jsonb_array_elements(definition -> 'nodes') as n (node));
  if not v_ids @> '{__start__,__end__}' then
    return format(
      'There is no node "%s".',
      case when '__start__' = any (v_ids) then '__end__' else '__start__' end);
  end if;

  select format(
    'Edge %s (%s → %s) %s.',
    e.place, coalesce(e.edge ->> 'source', '?'), coalesce(e.edge ->> 'target', '?'),
    case
      when jsonb_typeof(e.edge -> 'source') is distinct from 'string' then 'needs a "source"'
      when jsonb_typeof(e.edge -> 'target') is distinct from 'string' then 'needs a "target"'
      when e.edge ->> 'source' <> all (v_ids) then 'starts at a node that does not exist'
      when e.edge ->> 'target' <> all (v_ids) then 'leads to a node that does not exist'
      when e.edge ->> 'source' = '__end__' then 'leaves the end'
      when e.edge ->> 'target' = '__start__' then 'leads back to the start'
      else 'has a "conditional" that is neither true nor false'
    end)
  into v_place
  from jsonb_array_elements(definition -> 'edges') with ordinality as e (edge, place)
  where jsonb_typeof(e.edge -> 'source') is distinct from 'string'
    or jsonb_typeof(e.edge -> 'target') is distinct from 'string'
    or e.edge ->> 'source' <> all (v_ids) or e.edge ->> 'target' <> all (v_ids)
    or e.edge ->> 'source' = '__end__' or e.edge ->> 'target' = '__start__'
    or jsonb_typeof(coalesce(e.edge -> 'conditional', 'false')) <> 'boolean'
  order by e.place limit 1;
  if v_place is not null then
    return v_place;
  end if;

  with recursive reached (id) as (
    select '__start__'
    union
    select e.edge ->> 'target'
    from reached as r
      join jsonb_array_elements(definition -> 'edges') as e (edge) on e.edge ->> 'source' = r.id
  )
  select format('No path leads from the start to node "%s".', i) into v_place
  from unnest(v_ids) as i where i not in (select r.id from reached as r) limit 1;
  if v_place is not null then
    return v_place;
  end if;
  with recursive ending (id) as (
    select '__end__'
    union
    select e.edge ->> 'source'
    from ending as r
      join jsonb_array_elements(definition -> 'edges') as e (edge) on e.edge ->> 'target' = r.id
  )
  select format('Node "%s" never comes to the end.', i) into v_place
  from unnest(v_ids) as i where i not in (select r.id from ending as r) limit 1;
  if v_place is not null then
    return v_place;
  end if;

  -- A loop ends by a condition on the way, or by a limit of rounds.
  if jsonb_typeof(definition -> 'recursion_limit') = 'number'
    and (definition ->> 'recursion_limit')::numeric between 1 and 1000
    and mod((definition ->> 'recursion_limit')::numeric, 1) = 0
  then
    return null;
  elsif definition ? 'recursion_limit' then
    return 'The "recursion_limit" is a whole number from 1 to 1000.';
  end if;
  with recursive walk (start, id) as (
    select e.edge ->> 'source', e.edge ->> 'target'
    from jsonb_array_elements(definition -> 'edges') as e (edge)
    where e.edge -> 'conditional' is distinct from 'true'
    union
    select w.start, e.edge ->> 'target'
    from walk as w
      join jsonb_array_elements(definition -> 'edges') as e (edge) on e.edge ->> 'source' = w.id
    where e.edge -> 'conditional' is distinct from 'true'
  )
  select array_agg(w.start order by w.start) into v_loops from walk as w where w.start = w.id;
  if v_loops is not null then
    return format(
      'The loop through "%s" has no way out: make an edge of it conditional, or set "recursion_limit".',
      array_to_string(v_loops, '", "'));
  end if;
  return null;
end
$$;
comment on function private.workflow_problem(jsonb) is
  'What is wrong with a workflow definition, naming the node or edge; null when nothing is.';
grant execute on function private.workflow_problem(jsonb) to authenticated, service_role;

-- ---------------------------------------------------------------------------------------------------
-- workflows: a graph that is edited in place; each change of it is kept as a version.
-- ---------------------------------------------------------------------------------------------------
create table public.workflows (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations on delete cascade,
  created_by_id uuid not null default auth.uid() references public.profiles,
  name text not null
    constraint name_is_1_to_255_characters check (
      char_length(name) between 1 and 255 and name ~ '\S'),
  -- Left out, it is made by the trigger below.
  slug text collate "C" not null default ''
    constraint slug_is_lower_case_words check (
      slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  description text not null default ''
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  definition jsonb not null
    constraint definition_is_at_most_1_mb check (octet_length(definition::text) <= 1048576),
  version integer not null default 1,
  is_active boolean not null default true,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- What other tables point at, so that no reference crosses a tenant.
  unique (id, organization_id)
);
alter table public.workflows enable row level security;

-- The list of an organization, newest first.
create index workflows_list_idx on public.workflows (organization_id, created_at desc, id);
create unique index workflows_slug_is_unique on public.workflows (organization_id, slug)
  where deleted_at is null;
create index workflows_created_by_id_idx on public.workflows (created_by_id);
-- What the purge looks for.
create index workflows_deleted_idx on public.workflows (deleted_at) where deleted_at is not null;

create function private.nests_workflow(workflow_id uuid, nested_id uuid) returns boolean
language sql stable strict security definer
set search_path = ''
as $$
  -- Through deleted ones too, since they may be restored.
  with recursive part (id) as (
    select nests_workflow.workflow_id
    union
    select (n.node -> 'data' ->> 'workflow_id')::uuid
    from part as p
      join public.workflows as w on w.id = p.id
      cross join lateral jsonb_array_elements(w.definition -> 'nodes') as n (node)
  )
  select exists (select from part as p where p.id = nests_workflow.nested_id)
$$;
comment on function private.nests_workflow(uuid, uuid) is
  'Whether one workflow is the other, or nests it at any depth.';
grant execute on function private.nests_workflow(uuid, uuid) to authenticated, service_role;

create function private.tg_workflows__check_definition() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_problem text := private.workflow_problem(new.definition);
begin
  if v_problem is null then
    -- As the caller: what the caller cannot see cannot be built in.
    select format('Node "%s" names %s that is not there.', n.node ->> 'id', r.kind)
    into v_problem
    from jsonb_array_elements(new.definition -> 'nodes') as n (node)
      cross join lateral (values
        ('an agent', n.node -> 'data' ->> 'agent_id'),
        ('a team', n.node -> 'data' ->> 'team_id'),
        ('a workflow', n.node -> 'data' ->> 'workflow_id')) as r (kind, id)
    where r.id is not null
      and not case
        when not pg_input_is_valid(r.id, 'uuid') then false
        when r.kind = 'an agent' then exists (
          select from public.agents as a
          where a.id = r.id::uuid
            and a.organization_id = new.organization_id
            and a.deleted_at is null)
        when r.kind = 'a team' then exists (
          select from public.teams as t
          where t.id = r.id::uuid
            and t.organization_id = new.organization_id
            and t.deleted_at is null)
        else exists (
          select from public.workflows as w
          where w.id = r.id::uuid
            and w.organization_id = new.organization_id
            and w.deleted_at is null)
      end
    limit 1;
  end if;
  if v_problem is null and new.definition @? '$.nodes[*].data.workflow_id' then
    -- One after the other, or two that are saved at once would each close half of a circle.
    perform pg_advisory_xact_lock(hashtextextended('nesting ' || new.organization_id, 0));
    select format('Node "%s" leads back to this workflow.', n.node ->> 'id')
    into v_problem
    from jsonb_array_elements(new.definition -> 'nodes') as n (node)
    where private.nests_workflow((n.node -> 'data' ->> 'workflow_id')::uuid, new.id)
    limit 1;
  end if;
  if v_problem is not null then
    raise sqlstate 'PT400' using
      message = v_problem,
      detail = 'workflow_invalid',
      hint = 'Mend the place that the message names and save again.';
  end if;
  perform private.refuse_plain_secrets(new.definition);
  return new;
end
$$;
comment on function private.tg_workflows__check_definition() is
  'Before insert or update of definition: a sound graph, references to living things of the same organization that the writer can see, no workflow within itself, no secret in plain text.';

create function private.tg_workflows__count_version() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.version := old.version + 1;
  return new;
end
$$;
comment on function private.tg_workflows__count_version() is 'Before a change of definition: the next version.';

create function private.tg_workflows__keep_version() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into public.workflow_versions
    (workflow_id, organization_id, version, definition, created_by_id)
  values (
    new.id, new.organization_id, new.version, new.definition,
    coalesce(auth.uid(), new.created_by_id));
  return null;
end
$$;
comment on function private.tg_workflows__keep_version() is
  'After insert or a change of definition: the version is kept in workflow_versions.';

create trigger _100_take_slug before insert on public.workflows
  for each row when (coalesce(new.slug, '') = '') execute function private.tg_take_slug('workflow');
create trigger _200_check_definition before insert or update of definition on public.workflows
  for each row execute function private.tg_workflows__check_definition();
create trigger _300_count_version before update of definition on public.workflows
  for each row when (new.definition is distinct from old.definition)
  execute function private.tg_workflows__count_version();
create trigger _400_set_updated_at before update on public.workflows
  for each row execute function private.tg_set_updated_at();
create trigger _500_keep_first_version after insert on public.workflows
  for each row execute function private.tg_workflows__keep_version();
create trigger _510_keep_version after update of definition on public.workflows
  for each row when (new.version <> old.version)
  execute function private.tg_workflows__keep_version();

-- NOTE: no delete: delete_workflow() can be undone. version counts by itself.
grant select on public.workflows to authenticated;
grant insert (organization_id, name, slug, description, definition, is_active)
  on public.workflows to authenticated;
grant update (name, slug, description, definition, is_active) on public.workflows to authenticated;

create policy workflows_select_member on public.workflows for select to authenticated
  using (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('viewer'))));
create policy workflows_insert_member on public.workflows for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('member'))));
create policy workflows_update_member on public.workflows for update to authenticated
  using (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('member'))))
  with check (
    deleted_at is null
    and organization_id = any (array(select private.my_organization_ids('member'))));
create policy workflows_select_scope on public.workflows as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));
create policy workflows_insert_scope on public.workflows as restrictive
  for insert to authenticated
  with check ((select private.has_scope('orchestration:write')));
create policy workflows_update_scope on public.workflows as restrictive
  for update to authenticated
  using ((select private.has_scope('orchestration:write')));

comment on table public.workflows is
  E'Graphs of agents, teams, tools and decisions.\nThe definition has the shape of LangGraph''s toJSON(); a malformed one is refused with the place (workflow_invalid). Each change of it is kept in workflow_versions. Run with run_workflow(), delete with delete_workflow().';
comment on column public.workflows.definition is
  '{"nodes": [{"id", "type", "data"}], "edges": [{"source", "target", "conditional"?, "data"?}], "recursion_limit"?}, with the nodes __start__ and __end__.';
comment on column public.workflows.version is 'Counts up with each change of the definition.';
comment on column public.workflows.is_active is 'Inactive workflows are kept, and neither run nor scheduled.';

-- ---------------------------------------------------------------------------------------------------
-- workflow_versions: what a run of a workflow names. Immutable.
-- ---------------------------------------------------------------------------------------------------
create table public.workflow_versions (
  id uuid primary key default private.uuid_v7(),
  workflow_id uuid not null,
  organization_id uuid not null,
  version integer not null,
  definition jsonb not null,
  created_by_id uuid not null references public.profiles,
  created_at timestamptz not null default now(),
  foreign key (workflow_id, organization_id)
    references public.workflows (id, organization_id) on delete cascade,
  unique (workflow_id, version),
  unique (id, workflow_id)
);
alter table public.workflow_versions enable row level security;

create index workflow_versions_workflow_idx
  on public.workflow_versions (workflow_id, organization_id);
create index workflow_versions_created_by_id_idx on public.workflow_versions (created_by_id);

create function private.tg_workflow_versions__immutable() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE'
    and not exists (select from public.workflows as w where w.id = old.workflow_id)
  then
    return old;
  end if;
  raise sqlstate 'PT409' using
    message = 'A version never changes.',
    detail = 'version_immutable',
    hint = 'Change the workflow; its next version is kept by itself.';
end
$$;
comment on function private.tg_workflow_versions__immutable() is
  'Before update or delete, for every role: refused, except that a version goes when its workflow does.';
create trigger _100_immutable before update or delete on public.workflow_versions
  for each row execute function private.tg_workflow_versions__immutable();

-- NOTE: written by the trigger of workflows alone.
grant select on public.workflow_versions to authenticated;
revoke insert, update, delete on public.workflow_versions from service_role;

create policy workflow_versions_select_member on public.workflow_versions for select to authenticated
  using (exists (select from public.workflows as w where w.id = workflow_versions.workflow_id));
create policy workflow_versions_select_scope on public.workflow_versions as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));

comment on table public.workflow_versions is
  E'Every definition that a workflow had.\nImmutable; a run names the one that it follows.';

-- ---------------------------------------------------------------------------------------------------
-- Local times
-- ---------------------------------------------------------------------------------------------------

create function private.first_instant(local_time timestamp, timezone text) returns timestamptz
language plpgsql stable strict
set search_path = ''
as $$
declare
  -- Clocks differ from UTC by less than 15 hours, so these lie before and after any change of offset
  -- that touches the local time.
  v_before timestamptz := local_time at time zone 'UTC' - interval '15 hours';
  v_after timestamptz := local_time at time zone 'UTC' + interval '15 hours';
  v_early timestamptz := (local_time
    - (v_before at time zone first_instant.timezone - v_before at time zone 'UTC')) at time zone 'UTC';
  v_late timestamptz := (local_time
    - (v_after at time zone first_instant.timezone - v_after at time zone 'UTC')) at time zone 'UTC';
  v_middle timestamptz;
begin
  -- With the offset from before the change: the usual case, and the first of a time that comes twice.
  if v_early at time zone first_instant.timezone = local_time then
    return v_early;
  elsif v_late at time zone first_instant.timezone = local_time then
    return v_late;
  end if;
  -- The clocks skip this time somewhere between the two; find the second at which they do. In whole
  -- seconds, or a half between two of them would be cut off for ever.
  v_early := date_trunc('second', v_early);
  v_late := date_trunc('second', v_late);
  while v_early - v_late > interval '1 second' loop
    v_middle := date_trunc('second', v_late + (v_early - v_late) / 2);
    if v_middle at time zone first_instant.timezone < local_time then
      v_late := v_middle;
    else
      v_early := v_middle;
    end if;
  end loop;
  return v_early;
end
$$;
comment on function private.first_instant(timestamp, text) is
  'The first instant at which clocks in a time zone show this local time; where they skip it, the instant at which they do.';

-- ---------------------------------------------------------------------------------------------------
-- schedules: an agent, a team or a workflow, run again and again as its creator.
-- ---------------------------------------------------------------------------------------------------
create table public.schedules (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations on delete cascade,
  created_by_id uuid not null default auth.uid() references public.profiles,
  agent_id uuid,
  team_id uuid,
  workflow_id uuid,
  name text not null
    constraint name_is_1_to_255_characters check (
      char_length(name) between 1 and 255 and name ~ '\S'),
  enabled boolean not null default true,
  frequency public.schedule_frequency not null,
  interval integer not null default 1
    constraint interval_is_1_to_10000 check (interval between 1 and 10000),
  time_of_day time(0),
  days_of_week smallint[]
    constraint days_of_week_are_1_to_7 check (
      days_of_week <@ '{1,2,3,4,5,6,7}' and cardinality(days_of_week) between 1 and 7),
  day_of_month integer
    constraint day_of_month_is_1_to_31 check (day_of_month between 1 and 31),
  timezone text not null default 'UTC',
  starts_at timestamptz not null default date_trunc('second', now())
    constraint starts_at_is_a_date check (starts_at between '2000-01-01Z' and '2200-01-01Z'),
  ends_at timestamptz,
  input jsonb not null default '{}'
    constraint input_is_an_object check (jsonb_typeof(input) = 'object')
    constraint input_is_at_most_1_mb check (octet_length(input::text) <= 1048576),
  overlap public.schedule_overlap not null default 'skip',
  last_run_at timestamptz,
  next_run_at timestamptz,
  consecutive_failures integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint schedule_runs_one_thing check (num_nonnulls(agent_id, team_id, workflow_id) = 1),
  constraint time_of_day_is_for_days check (
    time_of_day is null or frequency in ('daily', 'weekly', 'monthly')),
  constraint days_of_week_are_for_weekly check (days_of_week is null or frequency = 'weekly'),
  constraint day_of_month_is_for_monthly check (day_of_month is null or frequency = 'monthly'),
  constraint schedule_ends_after_its_start check (ends_at >= starts_at),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  foreign key (team_id, organization_id)
    references public.teams (id, organization_id) on delete cascade,
  foreign key (workflow_id, organization_id)
    references public.workflows (id, organization_id) on delete cascade
);
alter table public.schedules enable row level security;

-- The list of an organization, newest first.
create index schedules_list_idx on public.schedules (organization_id, created_at desc, id);
-- What is due, in order.
create index schedules_due_idx on public.schedules (next_run_at)
  where enabled and next_run_at is not null;
-- Those that ran in the future, before the clock was set back.
create index schedules_last_run_at_idx on public.schedules (last_run_at) where enabled;
create index schedules_agent_id_idx on public.schedules (agent_id, organization_id)
  where agent_id is not null;
create index schedules_team_id_idx on public.schedules (team_id, organization_id)
  where team_id is not null;
create index schedules_workflow_id_idx on public.schedules (workflow_id, organization_id)
  where workflow_id is not null;
create index schedules_created_by_id_idx on public.schedules (created_by_id);

create function private.next_run_at(schedule public.schedules, after timestamptz)
returns timestamptz
language plpgsql stable
set search_path = ''
as $$
declare
  -- Asked by a before trigger, and so before the constraints refuse what is out of bounds.
  v_interval integer := greatest(schedule.interval, 1);
  v_zone text := schedule.timezone;
  v_anchor timestamp := schedule.starts_at at time zone v_zone;
  v_time time := coalesce(schedule.time_of_day, v_anchor::time);
  v_days smallint[] := coalesce(
    nullif(schedule.days_of_week, '{}'), array[extract(isodow from v_anchor)::smallint]);
  v_day integer := coalesce(schedule.day_of_month, extract(day from v_anchor)::integer);
  -- A day early, so that no change of offset hides a slot; the loop walks on from there.
  v_local timestamp := greatest(after, schedule.starts_at) at time zone v_zone - interval '1 day';
  v_slot integer;
  v_local_slot timestamp;
  v_next timestamptz;
begin
  if schedule.frequency = 'once' then
    v_next := case when schedule.starts_at > after then schedule.starts_at end;
  elsif schedule.frequency = 'minutes' then
    -- Elapsed time, whatever the clocks on the wall do.
    v_slot := greatest(0, 1 + floor(
      extract(epoch from after - schedule.starts_at) / (60 * v_interval))::integer);
    v_next := schedule.starts_at + make_interval(mins => v_interval * v_slot);
  else
    v_slot := greatest(0, floor(case schedule.frequency
      when 'hourly' then extract(epoch from v_local - v_anchor) / 3600
      when 'daily' then v_local::date - v_anchor::date
      when 'weekly' then
        (date_trunc('week', v_local)::date - date_trunc('week', v_anchor)::date) / 7
      when 'monthly' then
        (extract(year from v_local) - extract(year from v_anchor)) * 12
          + extract(month from v_local) - extract(month from v_anchor)
    end / v_interval)::integer);
    loop
      for v_local_slot in
        select case schedule.frequency
          when 'hourly' then v_anchor + make_interval(hours => v_slot * v_interval)
          when 'daily' then v_anchor::date + v_slot * v_interval + v_time
          when 'weekly' then
            date_trunc('week', v_anchor)::date + 7 * v_slot * v_interval + day - 1 + v_time
          when 'monthly' then (
            select first::date - 1 + v_time + make_interval(days => least(
              v_day, extract(day from first + interval '1 month' - interval '1 day')::integer))
            from (select date_trunc('month', v_anchor)
              + make_interval(months => v_slot * v_interval)) as month (first))
        end
        from unnest(case when schedule.frequency = 'weekly' then v_days else '{1}' end) as day
        order by 1
      loop
        -- Nor have they refused what is missing.
        if v_local_slot is null then
          return null;
        end if;
        v_next := private.first_instant(v_local_slot, v_zone);
        exit when v_next > after and v_next >= schedule.starts_at;
        v_next := null;
      end loop;
      exit when v_next is not null;
      v_slot := v_slot + 1;
    end loop;
  end if;
  return case when v_next <= schedule.ends_at or schedule.ends_at is null then v_next end;
end
$$;
comment on function private.next_run_at(public.schedules, timestamptz) is
  'The first time after an instant at which a schedule is due; null when it is over. Minutes count elapsed time from starts_at; larger units count on the wall clock of the time zone, where a skipped time moves to the next instant and one that comes twice counts once.';

create function private.tg_schedules__plan() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.starts_at := date_trunc('second', new.starts_at);
  -- The view reads every file of the time zone database (30 ms), so it is asked last: what a timestamp
  -- takes may also be an abbreviation such as EST, or an offset, but not behind the name of a region.
  if not pg_input_is_valid('2026-01-01 ' || new.timezone, 'timestamptz')
    or (new.timezone !~ ('^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian'
        || '|Pacific)/[A-Za-z/_-]+$')
      and new.timezone <> 'UTC'
      and not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.timezone))
  then
    raise sqlstate 'PT400' using
      message = format('There is no time zone "%s".', new.timezone),
      detail = 'timezone_unknown',
      hint = 'Use an IANA name such as Europe/Berlin.';
  end if;
  -- What was due while a schedule was off, or before it was edited, is not made up for.
  if new.enabled then
    new.next_run_at := private.next_run_at(
      new, greatest(now(), new.starts_at - interval '1 microsecond'));
    new.consecutive_failures := 0;
  else
    new.next_run_at := null;
  end if;
  return new;
end
$$;
comment on function private.tg_schedules__plan() is
  'Before insert and every edit: the time zone exists, starts_at is a whole second, and next_run_at is the first slot from now on; none while it is off. Whoever edits a schedule or switches it on again gives it another ten tries.';

create trigger _100_plan
  before insert or update of enabled, frequency, interval, time_of_day, days_of_week, day_of_month,
    timezone, starts_at, ends_at
  on public.schedules
  for each row execute function private.tg_schedules__plan();
create trigger _200_set_updated_at before update on public.schedules
  for each row execute function private.tg_set_updated_at();

-- NOTE: last_run_at, next_run_at and consecutive_failures are the platform's. What a schedule runs, and
-- as whom, never changes: make another one.
grant select, delete on public.schedules to authenticated;
grant insert (organization_id, agent_id, team_id, workflow_id, name, enabled, frequency, interval,
  time_of_day, days_of_week, day_of_month, timezone, starts_at, ends_at, input, overlap)
  on public.schedules to authenticated;
grant update (name, enabled, frequency, interval, time_of_day, days_of_week, day_of_month, timezone,
  starts_at, ends_at, input, overlap)
  on public.schedules to authenticated;

create policy schedules_select_member on public.schedules for select to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('viewer')))
    and (
      agent_id is null
      or exists (select from public.agents as a where a.id = schedules.agent_id)));
create policy schedules_insert_member on public.schedules for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('member')))
    and (
      agent_id is null
      or exists (select from public.agents as a where a.id = schedules.agent_id))
    and (
      team_id is null
      or exists (select from public.teams as t where t.id = schedules.team_id))
    and (
      workflow_id is null
      or exists (select from public.workflows as w where w.id = schedules.workflow_id)));
-- A schedule acts as its creator, so nobody else but an admin says what it does.
create policy schedules_update_creator on public.schedules for update to authenticated
  using (
    created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    or organization_id = any (array(select private.my_organization_ids('admin'))))
  with check (
    created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    or organization_id = any (array(select private.my_organization_ids('admin'))));
create policy schedules_delete_creator on public.schedules for delete to authenticated
  using (
    created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    or organization_id = any (array(select private.my_organization_ids('admin'))));
create policy schedules_select_scope on public.schedules as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));
-- Nobody makes a schedule of what they could not run: it would run with every right of its creator.
create policy schedules_insert_scope on public.schedules as restrictive
  for insert to authenticated
  with check (
    (select private.has_scope('orchestration:write'))
    and case
      when agent_id is null then (select private.has_scope('orchestration:run'))
      else (select private.has_scope('agents:run'))
    end);
create policy schedules_update_scope on public.schedules as restrictive
  for update to authenticated
  using (
    (select private.has_scope('orchestration:write'))
    and case
      when agent_id is null then (select private.has_scope('orchestration:run'))
      else (select private.has_scope('agents:run'))
    end)
  with check (
    (select private.has_scope('orchestration:write'))
    and case
      when agent_id is null then (select private.has_scope('orchestration:run'))
      else (select private.has_scope('agents:run'))
    end);
create policy schedules_delete_scope on public.schedules as restrictive
  for delete to authenticated
  using ((select private.has_scope('orchestration:write')));

comment on table public.schedules is
  E'When an agent, a team or a workflow runs by itself.\nIt acts as its creator; its creator gone or ten failures in a row pause it, with notice. After downtime it fires once, not once for each slot that was missed. An API key that makes or edits one needs the scope that runs it too: agents:run for an agent, else orchestration:run.';
comment on column public.schedules.interval is 'Every so many minutes, hours, days, weeks or months, counted from starts_at.';
comment on column public.schedules.time_of_day is 'Local time for daily, weekly and monthly; null: that of starts_at.';
comment on column public.schedules.days_of_week is 'ISO days for weekly, 1 is Monday; null: that of starts_at.';
comment on column public.schedules.day_of_month is 'For monthly; in shorter months the last day, so 31 is always the last. Null: that of starts_at.';
comment on column public.schedules.starts_at is 'The anchor that intervals count from, and the instant of once, in whole seconds; nothing runs before it.';
comment on column public.schedules.ends_at is 'Nothing runs after it.';
comment on column public.schedules.input is 'What each run gets, as run_agent, run_team and run_workflow take it.';
comment on column public.schedules.overlap is 'What happens to a slot while the run before it still goes on.';
comment on column public.schedules.last_run_at is 'When a slot was last carried out, whatever came of it.';
comment on column public.schedules.next_run_at is 'Null when nothing is to come: it is over, or off.';
comment on column public.schedules.consecutive_failures is
  'Runs in a row that failed or were refused; at ten it is paused, with notice to its creator.';

create function public.preview_schedule(schedule_id uuid, count integer default 5)
returns setof timestamptz
language plpgsql stable
set search_path = ''
as $$
declare
  v_schedule public.schedules;
  v_next timestamptz := now();
begin
  -- As the caller: row-level security decides what can be previewed.
  select * into v_schedule from public.schedules as s where s.id = preview_schedule.schedule_id;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such schedule.',
      detail = 'schedule_not_found',
      hint = 'It may be deleted, or belong to another organization.';
  end if;
  for i in 1..least(preview_schedule.count, 100) loop
    v_next := private.next_run_at(v_schedule, v_next);
    exit when v_next is null;
    return next v_next;
  end loop;
end
$$;
comment on function public.preview_schedule(uuid, integer) is
  E'The next times at which a schedule is due, soonest first.\nAt most 100; fewer when it ends. Errors: schedule_not_found.';
grant execute on function private.next_run_at(public.schedules, timestamptz)
  to authenticated, service_role;
grant execute on function private.first_instant(timestamp, text) to authenticated, service_role;
grant execute on function public.preview_schedule(uuid, integer) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- schedule_runs: what became of each slot. The key is what makes a slot fire once only.
-- ---------------------------------------------------------------------------------------------------
create table public.schedule_runs (
  schedule_id uuid not null references public.schedules on delete cascade,
  due_at timestamptz not null,
  outcome text not null
    constraint outcome_is_known check (outcome in ('started', 'skipped', 'refused')),
  -- No foreign key: the run may be dropped with its month.
  execution_id uuid,
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  primary key (schedule_id, due_at)
);
alter table public.schedule_runs enable row level security;

-- The slot that a run came from, when it ends.
create index schedule_runs_execution_id_idx on public.schedule_runs (execution_id)
  where execution_id is not null;
-- forget_schedule_runs().
create index schedule_runs_created_at_idx on public.schedule_runs (created_at);

-- NOTE: written by the platform alone.
grant select on public.schedule_runs to authenticated;

create policy schedule_runs_select_member on public.schedule_runs for select to authenticated
  using (exists (select from public.schedules as s where s.id = schedule_runs.schedule_id));
create policy schedule_runs_select_scope on public.schedule_runs as restrictive
  for select to authenticated
  using ((select private.has_scope('orchestration:read')));

comment on table public.schedule_runs is
  E'The history of a schedule, one row a slot, kept for a year.\nstarted: see the execution. skipped: the run before it still went on. refused: it could not start, for the reason given.';
comment on column public.schedule_runs.due_at is 'The slot, or the first of several that were missed together.';
comment on column public.schedule_runs.error_code is 'Why it was refused: docs/error-codes.md says what to do.';

create function private.forget_schedule_runs() returns void
language sql volatile
set search_path = ''
as $$
  delete from public.schedule_runs as r where r.created_at < now() - interval '1 year'
$$;
comment on function private.forget_schedule_runs() is 'Upkeep: the history of schedules is kept for a year.';
insert into private.upkeep_tasks (name, task, every)
values ('forget schedule runs', 'private.forget_schedule_runs()', interval '1 day');

-- ---------------------------------------------------------------------------------------------------
-- Deleting and restoring teams and workflows
-- ---------------------------------------------------------------------------------------------------

create function private.require_deleter(organization_id uuid, creator_id uuid, kind text)
returns void
language plpgsql stable
set search_path = ''
as $$
declare
  v_role public.org_role := private.my_role(organization_id);
begin
  perform private.require_user();
  if v_role is null then
    raise sqlstate 'PT404' using
      message = format('There is no such %s.', kind),
      detail = kind || '_not_found',
      hint = 'After 30 days a deleted one is gone for good.';
  elsif v_role < 'member' or (v_role < 'admin' and creator_id <> auth.uid()) then
    raise sqlstate 'PT403' using
      message = format('Only its creator or an admin deletes or restores a %s.', kind),
      detail = 'not_allowed',
      hint = 'Ask an admin of the organization.';
  end if;
end
$$;
comment on function private.require_deleter(uuid, uuid, text) is
  'Refuses callers who are neither the creator nor an admin; <kind>_not_found to strangers, and when there is no row.';

create function private.delete_team(team_id uuid) returns public.teams
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_team public.teams;
begin
  perform private.require_scope('orchestration:write');
  select * into v_team
  from public.teams as t
  where t.id = delete_team.team_id and t.deleted_at is null
  for no key update;
  perform private.require_deleter(v_team.organization_id, v_team.created_by_id, 'team');
  update public.teams as t
  set deleted_at = now()
  where t.id = v_team.id
  returning * into v_team;
  update public.schedules as s
  set enabled = false
  where s.team_id = v_team.id and s.enabled;
  return v_team;
end
$$;
grant execute on function private.delete_team(uuid) to authenticated;

create function public.delete_team(team_id uuid) returns public.teams
language sql volatile
set search_path = ''
as $$
  select private.delete_team(team_id)
$$;
comment on function public.delete_team(uuid) is
  E'Deletes a team; restore_team brings it back within 30 days.\nIts creator and admins may. Its schedules are switched off, past runs stay readable. Errors: team_not_found, not_allowed.';
grant execute on function public.delete_team(uuid) to authenticated;

create function private.restore_team(team_id uuid) returns public.teams
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_team public.teams;
begin
  perform private.require_scope('orchestration:write');
  select * into v_team
  from public.teams as t
  where t.id = restore_team.team_id and t.deleted_at is not null
  for no key update;
  perform private.require_deleter(v_team.organization_id, v_team.created_by_id, 'team');
  perform from public.organizations as o where o.id = v_team.organization_id for no key update;
  if exists (
    select from public.teams as t
    where t.organization_id = v_team.organization_id
      and t.slug = v_team.slug
      and t.deleted_at is null
  ) then
    v_team.slug := private.free_slug(
      'public.teams', v_team.organization_id, v_team.name, 'team');
  end if;
  update public.teams as t
  set deleted_at = null, slug = v_team.slug
  where t.id = v_team.id
  returning * into v_team;
  return v_team;
end
$$;
grant execute on function private.restore_team(uuid) to authenticated;

create function public.restore_team(team_id uuid) returns public.teams
language sql volatile
set search_path = ''
as $$
  select private.restore_team(team_id)
$$;
comment on function public.restore_team(uuid) is
  E'Brings a deleted team back.\nIts creator and admins may. It gets another slug when its own was taken meanwhile; its schedules stay off. Errors: team_not_found, not_allowed.';
grant execute on function public.restore_team(uuid) to authenticated;

create function private.delete_workflow(workflow_id uuid) returns public.workflows
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_workflow public.workflows;
begin
  perform private.require_scope('orchestration:write');
  select * into v_workflow
  from public.workflows as t
  where t.id = delete_workflow.workflow_id and t.deleted_at is null
  for no key update;
  perform private.require_deleter(v_workflow.organization_id, v_workflow.created_by_id, 'workflow');
  update public.workflows as t
  set deleted_at = now()
  where t.id = v_workflow.id
  returning * into v_workflow;
  update public.schedules as s
  set enabled = false
  where s.workflow_id = v_workflow.id and s.enabled;
  return v_workflow;
end
$$;
grant execute on function private.delete_workflow(uuid) to authenticated;

create function public.delete_workflow(workflow_id uuid) returns public.workflows
language sql volatile
set search_path = ''
as $$
  select private.delete_workflow(workflow_id)
$$;
comment on function public.delete_workflow(uuid) is
  E'Deletes a workflow; restore_workflow brings it back within 30 days.\nIts creator and admins may. Its schedules are switched off, past runs stay readable. Errors: workflow_not_found, not_allowed.';
grant execute on function public.delete_workflow(uuid) to authenticated;

create function private.restore_workflow(workflow_id uuid) returns public.workflows
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_workflow public.workflows;
begin
  perform private.require_scope('orchestration:write');
  select * into v_workflow
  from public.workflows as t
  where t.id = restore_workflow.workflow_id and t.deleted_at is not null
  for no key update;
  perform private.require_deleter(v_workflow.organization_id, v_workflow.created_by_id, 'workflow');
  perform from public.organizations as o where o.id = v_workflow.organization_id for no key update;
  if exists (
    select from public.workflows as t
    where t.organization_id = v_workflow.organization_id
      and t.slug = v_workflow.slug
      and t.deleted_at is null
  ) then
    v_workflow.slug := private.free_slug(
      'public.workflows', v_workflow.organization_id, v_workflow.name, 'workflow');
  end if;
  update public.workflows as t
  set deleted_at = null, slug = v_workflow.slug
  where t.id = v_workflow.id
  returning * into v_workflow;
  return v_workflow;
end
$$;
grant execute on function private.restore_workflow(uuid) to authenticated;

create function public.restore_workflow(workflow_id uuid) returns public.workflows
language sql volatile
set search_path = ''
as $$
  select private.restore_workflow(workflow_id)
$$;
comment on function public.restore_workflow(uuid) is
  E'Brings a deleted workflow back.\nIts creator and admins may. It gets another slug when its own was taken meanwhile; its schedules stay off. Errors: workflow_not_found, not_allowed.';
grant execute on function public.restore_workflow(uuid) to authenticated;

insert into private.deletable_kinds (kind, relation, creator_column)
values
  ('team', 'public.teams', 'created_by_id'),
  ('workflow', 'public.workflows', 'created_by_id');

insert into private.personal_data (section, relation, user_column, while_member)
values
  ('teams', 'public.teams', 'created_by_id', true),
  ('workflows', 'public.workflows', 'created_by_id', true),
  ('schedules', 'public.schedules', 'created_by_id', true);

-- migrate:down
