-- migrate:up

-- Agents: what people build. A draft that is edited in place, numbered versions that never change,
-- and what both are made of: parameters, variables, tools, MCP servers, tags.
--
-- For the contexts after this one:
--   public.agent_access             what the caller may do with each agent that they can read
--   private.can_read_agent(id), can_edit_agent(id)
--                                   the same as booleans, for definer functions; never in policies
--   private.require_agent(id, ability)   the agent, or the error that the caller deserves
--   private.freeze_draft(id)        the version that a run of the draft names
--   private.resolve_parameters(definitions, given)   a run's input, checked and with defaults
--   private.add_agent_delta(id, counter, delta)      counts that never queue behind one row
--   private.refuse_plain_secrets(value)              for every jsonb in which people write settings

create type public.agent_type as enum ('automation', 'assistive');
create type public.agent_visibility as enum ('private', 'organization', 'public');
create type public.agent_memory_type as enum ('conversation', 'long_term', 'hybrid');
create type public.agent_permission as enum ('use', 'edit');
create type public.parameter_type as enum
  ('string', 'text', 'number', 'boolean', 'select', 'multiselect', 'date', 'json');
create type public.tool_type as enum
  ('function', 'api', 'integration', 'mcp', 'database', 'file', 'agent', 'custom');
create type public.mcp_transport as enum ('stdio', 'http');

-- ---------------------------------------------------------------------------------------------------
-- Secrets are references
-- ---------------------------------------------------------------------------------------------------

create function private.is_token_reference(value jsonb) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select jsonb_typeof(value) = 'object'
    and value - 'token' = '{}'
    and jsonb_typeof(value -> 'token') = 'string'
    and value ->> 'token' ~ '^[A-Z][A-Z0-9_]{0,99}$'
$$;
comment on function private.is_token_reference(jsonb) is
  'Whether a value is {"token": "KEY"}, with a name that set_token() takes: the worker puts the runner''s token of that key there, or else the organization''s.';
grant execute on function private.is_token_reference(jsonb) to authenticated, service_role;

create function private.names_a_secret(name text) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  -- camelCase, kebab-case and snake_case name the same thing. `token` counts at the end only: token_limit
  -- is a number of them, as max_token and max_tokens are, and price_per_token what one costs.
  select regexp_replace(
      lower(regexp_replace(names_a_secret.name, '([a-z0-9])([A-Z])', '\1_\2', 'g')),
      '[^a-z0-9]+', '_', 'g')
    ~ ('(^|_)((api|private|access|secret|ssh|signing|encryption|auth)_?key|secret|password|passwd'
      || '|passphrase|pwd|credentials?|authorization|bearer|cookie)(_|$)|(^|(?<!(^|_)(max|min|per))_)token$')
$$;
comment on function private.names_a_secret(text) is
  'Whether a key is named like something that must not be stored in plain text.';
grant execute on function private.names_a_secret(text) to authenticated, service_role;

create function private.looks_like_a_secret(value text) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select value ~ (
      '^(Bearer +)?(sk-|sk_live_|rk_live_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza)'
      || '[A-Za-z0-9_-]{12,}'
      || '|^(Bearer +)?eyJ[A-Za-z0-9_-]+\.eyJ'
      || '|-----BEGIN [A-Z ]*PRIVATE KEY'
      || '|^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@'
      || '|[?&]([a-z_]*(api_?key|token|secret|password))=[^&]+'
      || '|^--?[a-z-]*(api-?key|token|secret|password)=.+')
$$;
comment on function private.looks_like_a_secret(text) is
  'Whether a text is a well-known kind of key, a JWT, a URL with a password, or an argument that carries one.';
grant execute on function private.looks_like_a_secret(text) to authenticated, service_role;

create function private.plain_secret_path(
  value jsonb,
  path text default '',
  is_named boolean default false
) returns text
language plpgsql immutable parallel safe
set search_path = ''
as $$
declare
  v_key text;
  v_item jsonb;
  v_found text;
begin
  case jsonb_typeof(value)
    when 'object' then
      if private.is_token_reference(value)
        and not private.looks_like_a_secret(value ->> 'token')
      then
        return null;
      end if;
      for v_key, v_item in select * from jsonb_each(value) loop
        v_found := private.plain_secret_path(
          v_item, concat_ws('.', nullif(path, ''), v_key), is_named or private.names_a_secret(v_key));
        if v_found is not null then
          return v_found;
        end if;
      end loop;
    when 'array' then
      for v_item, v_key in
        select e.item, e.ordinality - 1
        from jsonb_array_elements(value) with ordinality as e (item)
      loop
        v_found := private.plain_secret_path(v_item, format('%s[%s]', path, v_key), is_named);
        if v_found is not null then
          return v_found;
        end if;
      end loop;
    when 'string' then
      if is_named and value <> '""' or private.looks_like_a_secret(value #>> '{}') then
        return path;
      end if;
    when 'number' then
      if is_named then
        return path;
      end if;
    else null;
  end case;
  return null;
end
$$;
comment on function private.plain_secret_path(jsonb, text, boolean) is
  'Where a JSON value holds a secret in plain text: a text or number anywhere under a key that is named like one, or a text that looks like one; null when nowhere.';
grant execute on function private.plain_secret_path(jsonb, text, boolean) to authenticated, service_role;

create function private.refuse_plain_secrets(value jsonb) returns void
language plpgsql immutable
set search_path = ''
as $$
declare
  v_path text := private.plain_secret_path(value);
begin
  if v_path is not null then
    raise sqlstate 'PT400' using
      message = format('"%s" would store a secret in plain text.', v_path),
      detail = 'plain_secret',
      hint = 'Store it under Settings, Tokens, and write {"token": "KEY"} here.';
  end if;
end
$$;
comment on function private.refuse_plain_secrets(jsonb) is
  'Raises plain_secret with the place when a JSON value holds a secret in plain text.';
grant execute on function private.refuse_plain_secrets(jsonb) to authenticated, service_role;

create function private.tg_refuse_plain_secrets() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_row jsonb;
begin
  v_row := to_jsonb(new);
  for i in 0 .. tg_nargs - 1 loop
    perform private.refuse_plain_secrets(jsonb_build_object(tg_argv[i], v_row -> tg_argv[i]));
  end loop;
  return new;
end
$$;
comment on function private.tg_refuse_plain_secrets() is
  'Before insert or update: no secret in the columns that are its arguments.';

-- ---------------------------------------------------------------------------------------------------
-- settings: named configuration presets. An agent that uses one merges its own configuration over it.
-- Those without an organization are the platform's and written by operators only.
-- ---------------------------------------------------------------------------------------------------
create table public.settings (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid references public.organizations (id) on delete cascade,
  created_by_id uuid default auth.uid() references public.profiles (id) on delete set null,
  name text not null
    constraint name_is_1_to_255_characters check (char_length(name) between 1 and 255),
  slug text collate "C" not null
    constraint slug_is_lower_case_words check (
      slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  value jsonb not null default '{}'
    constraint value_is_an_object check (jsonb_typeof(value) = 'object')
    constraint value_parts_are_objects check (
      coalesce(jsonb_typeof(value -> 'metadata'), 'object') = 'object'
      and coalesce(jsonb_typeof(value -> 'execution_environment'), 'object') = 'object')
    constraint value_is_at_most_256_kb check (octet_length(value::text) <= 262144),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint settings_slug_is_unique unique nulls not distinct (organization_id, slug)
);
alter table public.settings enable row level security;

create index settings_created_by_id_idx on public.settings (created_by_id);

create trigger _100_refuse_plain_secrets before insert or update of value on public.settings
  for each row execute function private.tg_refuse_plain_secrets('value');
create trigger _200_set_updated_at before update on public.settings
  for each row execute function private.tg_set_updated_at();

grant select on public.settings to anon, authenticated;
grant insert (organization_id, name, slug, value) on public.settings to authenticated;
grant update (name, slug, value) on public.settings to authenticated;
grant delete on public.settings to authenticated;

create policy settings_select_platform on public.settings
  for select to anon
  using (organization_id is null);
create policy settings_select_member on public.settings
  for select to authenticated
  using (
    organization_id is null
    or organization_id = any (array(select private.my_organization_ids('viewer')))
  );
create policy settings_insert_member on public.settings
  for insert to authenticated
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy settings_update_member on public.settings
  for update to authenticated
  using (organization_id = any (array(select private.my_organization_ids('member'))))
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy settings_delete_creator on public.settings
  for delete to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (
      created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    )
  );
create policy settings_select_scope on public.settings as restrictive
  for select to authenticated
  using (
    (select private.has_scope('agents:read'))
    or (organization_id is null and (select private.has_scope('catalog:read')))
  );
create policy settings_insert_scope on public.settings as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy settings_update_scope on public.settings as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy settings_delete_scope on public.settings as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.settings is
  E'Configuration presets.\nAgents of the same organization, or all for those without one, start from a preset and override it.';
comment on column public.settings.organization_id is 'Null: platform-wide, readable by everyone.';

-- ---------------------------------------------------------------------------------------------------
-- agents: one row is an agent with its draft. What runs is a version (below); what the catalogue shows
-- is a listing. Refused: another tenant's references, a limit overrun, a status that cannot follow, an
-- agent made public by anyone but an admin.
-- ---------------------------------------------------------------------------------------------------
create table public.agents (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations (id) on delete cascade,
  created_by_id uuid not null default auth.uid() references public.profiles (id),
  external_key text
    constraint external_key_is_1_to_255_characters check (
      char_length(external_key) between 1 and 255),
  name text not null
    constraint name_is_1_to_255_characters check (
      char_length(name) between 1 and 255 and name ~ '\S'),
  -- Left out, it is made by the trigger below.
  slug text collate "C" not null default ''
    constraint slug_is_lower_case_words check (
      slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  description text not null default ''
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  icon text
    constraint icon_is_at_most_100_characters check (char_length(icon) <= 100),
  avatar_url text
    constraint avatar_url_is_a_web_address check (
      avatar_url ~ '^https?://\S+$' and char_length(avatar_url) <= 2048),
  category text
    constraint category_is_1_to_100_characters check (char_length(category) between 1 and 100),
  agent_type public.agent_type not null default 'assistive',
  system_prompt text not null default ''
    constraint system_prompt_is_at_most_500000_characters check (
      char_length(system_prompt) <= 500000),
  user_prompt_template text
    constraint user_prompt_template_is_at_most_100000_characters check (
      char_length(user_prompt_template) <= 100000),
  model text not null default 'demo/echo'
    constraint model_is_provider_and_name check (
      model ~ '^[a-z0-9][a-z0-9-]*/\S+$' and char_length(model) <= 200),
  temperature numeric(3, 2)
    constraint temperature_is_0_to_2 check (temperature between 0 and 2),
  max_tokens integer
    constraint max_tokens_is_1_to_1000000 check (max_tokens between 1 and 1000000),
  configuration jsonb not null default '{}'
    constraint configuration_is_an_object check (jsonb_typeof(configuration) = 'object')
    constraint configuration_parts_are_objects check (
      coalesce(jsonb_typeof(configuration -> 'metadata'), 'object') = 'object'
      and coalesce(jsonb_typeof(configuration -> 'execution_environment'), 'object') = 'object')
    constraint configuration_is_at_most_256_kb check (octet_length(configuration::text) <= 262144),
  settings_id uuid references public.settings (id) on delete set null,
  memory_enabled boolean not null default false,
  memory_type public.agent_memory_type not null default 'conversation',
  status text not null default 'draft'
    constraint status_is_known check (status in ('draft', 'active', 'paused', 'archived'))
    constraint only_published_agents_are_active_or_paused check (
      status not in ('active', 'paused') or current_version_id is not null),
  is_active boolean not null generated always as (status = 'active') stored,
  is_custom boolean not null default true,
  visibility public.agent_visibility not null default 'private',
  current_version_id uuid,
  forked_from_agent_id uuid references public.agents (id) on delete set null,
  forked_from_version_id uuid,
  published_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- What later tables point at, so that no reference crosses a tenant.
  unique (id, organization_id)
);
alter table public.agents enable row level security;

-- The list: newest first within one organization.
create index agents_list_idx on public.agents (organization_id, created_at desc, id);
-- Public agents of everybody, newest first.
create index agents_public_idx on public.agents (created_at desc, id)
  where visibility = 'public' and deleted_at is null;
create unique index agents_slug_is_unique on public.agents (organization_id, slug)
  where deleted_at is null;
create unique index agents_external_key_is_unique on public.agents (organization_id, external_key)
  where deleted_at is null;
-- What the purge looks for.
create index agents_deleted_idx on public.agents (deleted_at) where deleted_at is not null;
create index agents_created_by_id_idx on public.agents (created_by_id);
create index agents_settings_id_idx on public.agents (settings_id) where settings_id is not null;
create index agents_current_version_id_idx on public.agents (current_version_id)
  where current_version_id is not null;
create index agents_forked_from_agent_id_idx on public.agents (forked_from_agent_id)
  where forked_from_agent_id is not null;
create index agents_forked_from_version_id_idx on public.agents (forked_from_version_id)
  where forked_from_version_id is not null;

create function private.free_agent_slug(organization_id uuid, name text) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  v_base text collate "C" := private.slugify(free_agent_slug.name);
  v_stem text collate "C";
  v_highest integer;
begin
  if v_base <> '' and not exists (
    select from public.agents as a
    where a.organization_id = free_agent_slug.organization_id
      and a.slug = v_base
      and a.deleted_at is null
  ) then
    return v_base;
  end if;
  -- A number behind it; room for the hyphen and nine digits within the 100 characters.
  v_stem := coalesce(nullif(rtrim(left(v_base, 90), '-'), ''), 'agent');
  select max(substr(a.slug, length(v_stem) + 2)::integer)
  into v_highest
  from public.agents as a
  where a.organization_id = free_agent_slug.organization_id
    and a.deleted_at is null
    and a.slug > v_stem || '-' and a.slug < v_stem || '.'
    and substr(a.slug, length(v_stem) + 2) ~ '^[1-9][0-9]{0,8}$';
  return v_stem || '-' || coalesce(v_highest + 1, case when v_base = '' then 1 else 2 end);
end
$$;
comment on function private.free_agent_slug(uuid, text) is
  'A slug for a name that no living agent of the organization has: name, name-2, name-3; agent-1, agent-2 for names without Latin letters.';

-- The organization's row is locked before its agents are looked at and before an index holds their
-- slugs, here and by the limit below, so that two who take the same slug or the last place wait for each
-- other, in one order.
create function private.tg_agents__take_slug() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform 1 from public.organizations as o where o.id = new.organization_id for no key update;
  if coalesce(new.slug, '') = '' then
    new.slug := private.free_agent_slug(new.organization_id, new.name);
  end if;
  return new;
end
$$;
comment on function private.tg_agents__take_slug() is
  'Before insert: holds the organization, and makes a unique slug from the name where none is given.';
create trigger _100_take_slug before insert on public.agents
  for each row execute function private.tg_agents__take_slug();

create function private.enforce_agent_limit(organization_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_limit integer;
begin
  select o.max_agents into v_limit
  from public.organizations as o
  where o.id = enforce_agent_limit.organization_id and o.deleted_at is null
  for no key update;
  if not found then
    raise sqlstate 'PT404' using
      message = 'This organization was deleted.',
      detail = 'organization_not_found',
      hint = 'An owner of it can restore it.';
  end if;
  if v_limit < (
    select count(*) from public.agents as a
    where a.organization_id = enforce_agent_limit.organization_id and a.deleted_at is null
  ) then
    raise sqlstate 'PT402' using
      message = format('This organization has all the %s agents that its plan allows.', v_limit),
      detail = 'agent_limit_reached',
      hint = 'Delete an agent, or have the plan raised.';
  end if;
end
$$;
comment on function private.enforce_agent_limit(uuid) is
  'After agents came to life: refuses more than the organization may have, and any in one that is deleted. Holds under concurrency, because the organization''s row is locked first.';

create function private.tg_agents__enforce_limit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.enforce_agent_limit(o.organization_id)
  from (select distinct n.organization_id from new_agents as n order by 1) as o;
  return null;
end
$$;
comment on function private.tg_agents__enforce_limit() is
  'After insert: the organization''s max_agents holds.';
create trigger _900_enforce_limit after insert on public.agents
  referencing new table as new_agents
  for each statement execute function private.tg_agents__enforce_limit();

create trigger _200_refuse_plain_secrets before insert or update of configuration on public.agents
  for each row when (new.configuration <> '{}')
  execute function private.tg_refuse_plain_secrets('configuration');

create function private.tg_agents__check_visibility() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_role public.org_role;
begin
  -- Only direct writes of API callers run as `authenticated`; operators and definer functions pass.
  if current_user <> 'authenticated'
    or (tg_op = 'INSERT' and new.visibility <> 'public')
    or (tg_op = 'UPDATE' and new.visibility = old.visibility)
  then
    return new;
  end if;
  v_role := private.my_role(new.organization_id);
  if v_role >= 'admin'
    or (v_role >= 'member' and new.created_by_id = auth.uid() and new.visibility <> 'public')
  then
    return new;
  end if;
  raise sqlstate 'PT403' using
    message = case
      when new.visibility = 'public' then 'Only an admin makes an agent public.'
      else 'Only its creator or an admin changes who sees an agent.'
    end,
    detail = 'visibility_not_allowed',
    hint = 'Ask an admin of the organization.';
end
$$;
comment on function private.tg_agents__check_visibility() is
  'Before insert or update: the creator and admins say who sees an agent, admins alone make it public.';
create trigger _300_check_visibility before insert or update of visibility on public.agents
  for each row execute function private.tg_agents__check_visibility();

create function private.tg_agents__check_status() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if (old.status, new.status) in (
    ('draft', 'active'), ('draft', 'archived'),
    ('active', 'paused'), ('active', 'archived'),
    ('paused', 'active'), ('paused', 'archived'),
    ('archived', 'draft'), ('archived', 'active'), ('archived', 'paused')
  ) and (new.status in ('draft', 'archived') or new.current_version_id is not null) then
    return new;
  end if;
  raise sqlstate 'PT409' using
    message = format('An agent that is %s cannot become %s.', old.status, new.status),
    detail = 'agent_status_refused',
    hint = case
      when new.current_version_id is null then 'Publish a version first.'
      else 'Load the agent again to see its status.'
    end;
end
$$;
comment on function private.tg_agents__check_status() is
  'Before update of status: draft, active, paused and archived follow each other only where that makes sense.';
create trigger _400_check_status before update of status on public.agents
  for each row when (old.status is distinct from new.status)
  execute function private.tg_agents__check_status();

create function private.tg_agents__check_settings() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if not exists (
    select from public.settings as s
    where s.id = new.settings_id
      and (s.organization_id is null or s.organization_id = new.organization_id)
  ) then
    raise sqlstate 'PT404' using
      message = 'There is no such preset in this organization.',
      detail = 'settings_not_found',
      hint = 'Choose one of the organization''s or the platform''s presets.';
  end if;
  return new;
end
$$;
comment on function private.tg_agents__check_settings() is
  'Before insert or update of settings_id: the preset is the platform''s or the agent''s own organization''s (a plain key cannot say so).';
create trigger _500_check_settings before insert or update of settings_id on public.agents
  for each row when (new.settings_id is not null)
  execute function private.tg_agents__check_settings();

create trigger _600_set_updated_at before update on public.agents
  for each row execute function private.tg_set_updated_at();

-- NOTE: withheld from everyone but functions: id, created_by_id, is_custom, current_version_id,
-- forked_*, published_at, deleted_at. organization_id never changes. Deletion is delete_agent(), which
-- can be undone.
grant select on public.agents to anon, authenticated;
grant insert (organization_id, external_key, name, slug, description, icon, avatar_url, category,
  agent_type, system_prompt, user_prompt_template, model, temperature, max_tokens, configuration,
  settings_id, memory_enabled, memory_type, visibility) on public.agents to authenticated;
grant update (external_key, name, slug, description, icon, avatar_url, category, agent_type,
  system_prompt, user_prompt_template, model, temperature, max_tokens, configuration, settings_id,
  memory_enabled, memory_type, visibility, status) on public.agents to authenticated;
revoke delete on public.agents from service_role;

comment on table public.agents is
  E'Agents with their drafts.\nRows are edited in place; publish_agent_version() freezes the draft as the next version. Prompts name parameters and variables as {{name}}. Delete with delete_agent().';
comment on column public.agents.external_key is
  'The importer''s own id of the agent, unique per organization: importing it again updates the agent.';
comment on column public.agents.slug is
  'Name in addresses, unique per organization among living agents; made from the name when left out.';
comment on column public.agents.model is
  'Provider and name, as in public.models: demo/echo, openai/gpt-5, openai-compatible/llama3.';
comment on column public.agents.temperature is 'Null: the model''s own default.';
comment on column public.agents.max_tokens is
  'The longest answer in tokens; null: the model''s own limit.';
comment on column public.agents.configuration is
  'Free settings; "orchestration" and "monitoring" (objects), "execution_environment" and "metadata" (objects) are frozen into the columns of that name of a version.';
comment on column public.agents.is_custom is 'False: installed from a listing.';
comment on column public.agents.visibility is
  'private: its creator, those it is shared with, and admins. organization: every member. public: anyone reads and forks it; only admins set it.';
comment on column public.agents.current_version_id is
  'The version that runs; set by publish_agent_version().';

-- ---------------------------------------------------------------------------------------------------
-- agent_shares: one agent, one person, whatever organization they are of. They run it on the agent's
-- organization's account, and edit it with 'edit'.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_shares (
  agent_id uuid not null references public.agents (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  permission public.agent_permission not null default 'use',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (agent_id, user_id)
);
alter table public.agent_shares enable row level security;

-- Whose agents are shared with me.
create index agent_shares_user_id_idx on public.agent_shares (user_id, permission);

create trigger _100_set_updated_at before update on public.agent_shares
  for each row execute function private.tg_set_updated_at();

create function private.tg_agent_shares__notify() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.notify_user(
    new.user_id,
    'agent.shared',
    jsonb_build_object(
      'agent_id', new.agent_id,
      'permission', new.permission,
      'shared_by_id', auth.uid(),
      'name', (select a.name from public.agents as a where a.id = new.agent_id)));
  return null;
end
$$;
comment on function private.tg_agent_shares__notify() is
  'After insert: the person learns that an agent is shared with them.';
create trigger _200_notify after insert on public.agent_shares
  for each row execute function private.tg_agent_shares__notify();

grant select, delete on public.agent_shares to authenticated;
grant insert (agent_id, user_id, permission) on public.agent_shares to authenticated;
grant update (permission) on public.agent_shares to authenticated;

comment on table public.agent_shares is
  E'Who an agent is shared with.\nuse: read and run it. edit: change it too. Its creator and admins share it; the person may give it back by deleting the row.';

-- Who may what with an agent. The policies of agents and the columns of agent_access say it in clauses,
-- always in the order of these lines, so that a missing one is seen:
--
--                                           reads  inspects  runs  edits  manages
--   anybody, when it is public                x
--   viewers, unless it is private             x       x
--   members, unless it is private             x       x       x      x
--   its creator, while a member               x       x       x      x       x
--   admins and owners                         x       x       x      x       x
--   whom it is shared with, to use            x       x       x
--   whom it is shared with, to edit           x       x       x      x
--
-- Policies ask for shares by a function: those of agent_shares ask agents, and two tables' policies never
-- refer to each other. Definers, whom no policy stops, ask the view.
create function private.my_shared_agent_ids(minimum public.agent_permission) returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_key jsonb := private.request_api_key();
begin
  return query
    select s.agent_id
    from public.agent_shares as s
    where s.user_id = auth.uid()
      and s.permission >= my_shared_agent_ids.minimum
      -- A request with an API key acts in the key's organization only.
      and (
        v_key is null
        or exists (
          select from public.agents as a
          where a.id = s.agent_id and a.organization_id = (v_key ->> 'organization_id')::uuid
        )
      );
end
$$;
comment on function private.my_shared_agent_ids(public.agent_permission) is
  'The agents that are shared with the caller, at least so far.';
grant execute on function private.my_shared_agent_ids(public.agent_permission) to authenticated;

create policy agents_select_public on public.agents
  for select to anon
  using (visibility = 'public' and deleted_at is null);
create policy agents_select_reader on public.agents
  for select to authenticated
  using (
    deleted_at is null
    and (
      visibility = 'public'
      or (
        visibility = 'organization'
        and organization_id = any (array(select private.my_organization_ids('viewer')))
      )
      or (
        created_by_id = (select auth.uid())
        and organization_id = any (array(select private.my_organization_ids('member')))
      )
      or organization_id = any (array(select private.my_organization_ids('admin')))
      or id = any (array(select private.my_shared_agent_ids('use')))
    )
  );
create policy agents_insert_member on public.agents
  for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('member')))
  );
create policy agents_update_editor on public.agents
  for update to authenticated
  using (
    deleted_at is null
    and (
      (
        (visibility <> 'private' or created_by_id = (select auth.uid()))
        and organization_id = any (array(select private.my_organization_ids('member')))
      )
      or organization_id = any (array(select private.my_organization_ids('admin')))
      or id = any (array(select private.my_shared_agent_ids('edit')))
    )
  )
  with check (
    deleted_at is null
    and (
      (
        (visibility <> 'private' or created_by_id = (select auth.uid()))
        and organization_id = any (array(select private.my_organization_ids('member')))
      )
      or organization_id = any (array(select private.my_organization_ids('admin')))
      or id = any (array(select private.my_shared_agent_ids('edit')))
    )
  );
create policy agents_select_scope on public.agents as restrictive
  for select to authenticated
  using (
    (select private.has_scope('agents:read'))
    or (visibility = 'public' and (select private.has_scope('catalog:read')))
  );
create policy agents_insert_scope on public.agents as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agents_update_scope on public.agents as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));

-- The rules of the policies above in words that can be selected. It repeats them, because definer
-- functions read it past RLS; a test holds both against each other for every kind of caller.
create view public.agent_access with (security_invoker = true) as
select
  a.id as agent_id,
  a.organization_id,
  (
    a.organization_id = any (array(select private.my_organization_ids('viewer')))
    or a.id = any (array(select private.my_shared_agent_ids('use')))
  ) as can_inspect,
  (
    (
      (a.visibility <> 'private' or a.created_by_id = (select auth.uid()))
      and a.organization_id = any (array(select private.my_organization_ids('member')))
    )
    or a.organization_id = any (array(select private.my_organization_ids('admin')))
    or a.id = any (array(select private.my_shared_agent_ids('use')))
  ) as can_run,
  (
    (
      (a.visibility <> 'private' or a.created_by_id = (select auth.uid()))
      and a.organization_id = any (array(select private.my_organization_ids('member')))
    )
    or a.organization_id = any (array(select private.my_organization_ids('admin')))
    or a.id = any (array(select private.my_shared_agent_ids('edit')))
  ) as can_edit,
  (
    (
      a.created_by_id = (select auth.uid())
      and a.organization_id = any (array(select private.my_organization_ids('member')))
    )
    or a.organization_id = any (array(select private.my_organization_ids('admin')))
  ) as can_manage
from public.agents as a
where a.deleted_at is null
  and (
    a.visibility = 'public'
    or (
      a.visibility = 'organization'
      and a.organization_id = any (array(select private.my_organization_ids('viewer')))
    )
    or (
      a.created_by_id = (select auth.uid())
      and a.organization_id = any (array(select private.my_organization_ids('member')))
    )
    or a.organization_id = any (array(select private.my_organization_ids('admin')))
    or a.id = any (array(select private.my_shared_agent_ids('use')))
  );
grant select on public.agent_access to authenticated;
comment on view public.agent_access is
  E'What the caller may do with each agent that they can read.\ncan_inspect: see what hangs on it (variables, tools, MCP servers); can_run; can_edit: change and publish it; can_manage: share, delete, and say who sees it.';

-- One's own shares through the function as well, since it keeps an API key to its organization.
create policy agent_shares_select_party on public.agent_shares
  for select to authenticated
  using (
    user_id = (select auth.uid())
      and agent_id = any (array(select private.my_shared_agent_ids('use')))
    or exists (
      select 1 from public.agent_access as a
      where a.agent_id = agent_shares.agent_id and a.can_manage));
create policy agent_shares_insert_manager on public.agent_shares
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_shares.agent_id and a.can_manage));
create policy agent_shares_update_manager on public.agent_shares
  for update to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_shares.agent_id and a.can_manage))
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_shares.agent_id and a.can_manage));
create policy agent_shares_delete_party on public.agent_shares
  for delete to authenticated
  using (
    user_id = (select auth.uid())
      and agent_id = any (array(select private.my_shared_agent_ids('use')))
    or exists (
      select 1 from public.agent_access as a
      where a.agent_id = agent_shares.agent_id and a.can_manage));
create policy agent_shares_select_scope on public.agent_shares as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')));
create policy agent_shares_insert_scope on public.agent_shares as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agent_shares_update_scope on public.agent_shares as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy agent_shares_delete_scope on public.agent_shares as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

-- ---------------------------------------------------------------------------------------------------
-- Who may: for functions. A definer reads agent_access past RLS, so each answers for the caller of the
-- request, whoever owns the function.
-- ---------------------------------------------------------------------------------------------------

create function private.can_read_agent(agent_id uuid) returns boolean
language sql stable security definer
set search_path = ''
as $$
  select exists (select from public.agent_access as a where a.agent_id = can_read_agent.agent_id)
$$;
comment on function private.can_read_agent(uuid) is
  'Whether the caller may see the agent. For functions; policies spell the rule.';

create function private.can_edit_agent(agent_id uuid) returns boolean
language sql stable security definer
set search_path = ''
as $$
  select exists (
    select from public.agent_access as a where a.agent_id = can_edit_agent.agent_id and a.can_edit)
$$;
comment on function private.can_edit_agent(uuid) is
  'Whether the caller may change and publish the agent.';

create function private.require_agent(agent_id uuid, ability text) returns public.agents
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_access public.agent_access;
  v_agent public.agents;
begin
  perform private.require_user();
  select * into v_access from public.agent_access as a where a.agent_id = require_agent.agent_id;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such agent.',
      detail = 'agent_not_found',
      hint = 'It may be deleted, or not shared with you.';
  end if;
  if not (
    case require_agent.ability
      when 'read' then true
      when 'run' then v_access.can_run
      when 'edit' then v_access.can_edit
      when 'manage' then v_access.can_manage
    end
  ) then
    raise sqlstate 'PT403' using
      message = format('You may not %s this agent.', require_agent.ability),
      detail = 'not_allowed',
      hint = 'Ask its creator or an admin of the organization.';
  end if;
  select * into v_agent from public.agents as a where a.id = require_agent.agent_id;
  return v_agent;
end
$$;
comment on function private.require_agent(uuid, text) is
  'The agent if the caller may read, run, edit or manage it; else agent_not_found to who cannot see it and not_allowed to who can.';
grant execute on function private.require_agent(uuid, text) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- agent_versions: what runs. A row never changes and goes only with its agent, whoever asks; numbers
-- have no gaps. Rows without a number froze a draft for a run.
-- ---------------------------------------------------------------------------------------------------

create function private.semver_sort_key(version text) returns text
language sql immutable strict parallel safe
set search_path = ''
as $$
  -- Numbers are padded; a release ('~') follows its pre-releases; '!' is below every character of an
  -- identifier, so that alpha < alpha.1 < alpha.beta < beta; numbers ('0') precede words ('1').
  select (
    (select string_agg(lpad(n, 10, '0'), '.' order by i)
     from unnest(string_to_array(split_part(version, '-', 1), '.')) with ordinality as p (n, i))
    || case when strpos(version, '-') = 0 then '~' else '-' ||
      (select string_agg(
         case when n ~ '^[0-9]+$' then '0' || lpad(n, 20, '0') else '1' || n end, '!' order by i)
       from unnest(string_to_array(substr(version, strpos(version, '-') + 1), '.'))
         with ordinality as p (n, i))
    end
  ) collate "C"
$$;
comment on function private.semver_sort_key(text) is
  'A text that sorts, under collation "C", as Semantic Versioning 2.0.0 section 11 orders versions.';

create function private.is_semantic_version(version text) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select version ~ ('^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})'
    || '(-[0-9A-Za-z-]{1,20}(\.[0-9A-Za-z-]{1,20}){0,4})?$')
$$;
comment on function private.is_semantic_version(text) is
  'Whether a text is a version that sorts: three numbers of at most nine digits, and up to five identifiers of a pre-release.';

create table public.agent_versions (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  agent_id uuid not null,
  version_number integer
    constraint version_number_is_positive check (version_number > 0),
  version text
    constraint version_is_semantic check (private.is_semantic_version(version)),
  name text not null,
  revision_name text
    constraint revision_name_is_1_to_255_characters check (
      char_length(revision_name) between 1 and 255),
  changelog text
    constraint changelog_is_at_most_20000_characters check (char_length(changelog) <= 20000),
  -- No foreign key: the preset may go, its values are frozen into agent_config.
  settings_id uuid,
  system_prompt text not null,
  user_prompt_template text,
  model text not null,
  temperature numeric(3, 2),
  max_tokens integer,
  parameters jsonb not null,
  variables jsonb not null,
  tools jsonb not null,
  mcp_servers jsonb not null,
  memory_enabled boolean not null,
  memory_type public.agent_memory_type not null,
  prompt_config jsonb not null,
  agent_config jsonb not null,
  execution_environment jsonb not null,
  metadata jsonb not null,
  is_published boolean not null,
  created_by_id uuid not null references public.profiles (id),
  created_at timestamptz not null default now(),
  constraint published_versions_are_numbered check (
    is_published = (version_number is not null) and is_published = (version is not null)),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  unique (id, agent_id),
  unique (agent_id, version_number),
  unique (agent_id, version)
);
alter table public.agent_versions enable row level security;

-- The history of an agent, newest first, and the latest draft that was frozen.
create index agent_versions_agent_id_idx on public.agent_versions (agent_id, id desc);
create index agent_versions_organization_idx on public.agent_versions (organization_id, agent_id);
create index agent_versions_created_by_id_idx on public.agent_versions (created_by_id);

create function private.tg_agent_versions__immutable() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' and not exists (select from public.agents as a where a.id = old.agent_id) then
    return old;
  end if;
  raise sqlstate 'PT409' using
    message = 'A version never changes.',
    detail = 'version_immutable',
    hint = 'Change the draft and publish it as the next version.';
end
$$;
comment on function private.tg_agent_versions__immutable() is
  'Before update or delete, for every role: refused, except that a version goes when its agent does.';
create trigger _100_immutable before update or delete on public.agent_versions
  for each row execute function private.tg_agent_versions__immutable();

-- NOTE: versions are written by publish_agent_version() and private.freeze_draft() alone.
grant select on public.agent_versions to anon, authenticated;
revoke insert, update, delete on public.agent_versions from service_role;

create policy agent_versions_select_public on public.agent_versions
  for select to anon
  using (
    is_published
    and exists (select 1 from public.agents as a where a.id = agent_versions.agent_id));
create policy agent_versions_select_reader on public.agent_versions
  for select to authenticated
  using (
    exists (
      select 1 from public.agents as a
      where a.id = agent_versions.agent_id
        and (
          agent_versions.is_published
          or a.organization_id = any (array(select private.my_organization_ids('viewer')))
          or a.id = any (array(select private.my_shared_agent_ids('use')))
        )
    )
  );
create policy agent_versions_select_scope on public.agent_versions as restrictive
  for select to authenticated
  using (
    (select private.has_scope('agents:read'))
    or (is_published and (select private.has_scope('catalog:read')))
  );

comment on table public.agent_versions is
  E'What an agent was at each publication.\nImmutable. A row without a number froze a draft for one or more runs.';
comment on column public.agent_versions.version_number is
  'Counts up by one for each agent, without gaps; null for a frozen draft.';
comment on column public.agent_versions.version is
  'Semantic version, greater than all before it; null for a frozen draft.';
comment on column public.agent_versions.parameters is
  'The typed inputs as they were, in order: see agent_parameters.';
comment on column public.agent_versions.variables is
  'Name, description and value of each variable; secrets are {"token": "KEY"}.';
comment on column public.agent_versions.tools is
  'The tools with their schemas as they were: see tools.';
comment on column public.agent_versions.prompt_config is
  '{"systemPrompt", "userPromptTemplate", "parameters": [names]}.';
comment on column public.agent_versions.agent_config is
  'Configuration merged over the preset: {"orchestration", "monitoring", ...}.';
comment on column public.agent_versions.execution_environment is
  '{"infrastructure", "dependencies", "resources"}, from configuration.';
comment on column public.agent_versions.metadata is
  '{"category", "complexity", "dependencies", "estimatedCost"} and what configuration.metadata adds.';

alter table public.agents
  add foreign key (current_version_id, id) references public.agent_versions (id, agent_id),
  add foreign key (forked_from_version_id) references public.agent_versions (id) on delete set null;

-- ---------------------------------------------------------------------------------------------------
-- agent_parameters: the typed inputs of a run, from which its form is made.
-- ---------------------------------------------------------------------------------------------------

create function private.parameter_problem(parameter jsonb, value jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_type public.parameter_type := parameter ->> 'type';
  v_rules jsonb := coalesce(parameter -> 'validation_rules', '{}');
  v_kind text := jsonb_typeof(value);
  v_text text := value #>> '{}';
  v_stray text;
begin
  case
    when v_type in ('string', 'text') then
      if v_kind <> 'string' then
        return 'must be a text';
      elsif char_length(v_text) < (v_rules ->> 'min_length')::numeric then
        return format('must have at least %s characters', v_rules ->> 'min_length');
      elsif char_length(v_text) > (v_rules ->> 'max_length')::numeric then
        return format('must have at most %s characters', v_rules ->> 'max_length');
      elsif v_text !~ (v_rules ->> 'pattern') then
        return format('must match %s', v_rules ->> 'pattern');
      end if;
    when v_type = 'number' then
      if v_kind <> 'number' then
        return 'must be a number';
      elsif v_text::numeric < (v_rules ->> 'min')::numeric then
        return format('must be at least %s', v_rules ->> 'min');
      elsif v_text::numeric > (v_rules ->> 'max')::numeric then
        return format('must be at most %s', v_rules ->> 'max');
      end if;
    when v_type = 'boolean' then
      if v_kind <> 'boolean' then
        return 'must be true or false';
      end if;
    when v_type = 'select' then
      if v_kind <> 'string' or not parameter -> 'options' ? v_text then
        return 'must be one of its options';
      end if;
    when v_type = 'multiselect' then
      if v_kind <> 'array' then
        return 'must be a list of its options';
      end if;
      select o.item #>> '{}' into v_stray
      from jsonb_array_elements(value) as o (item)
      where jsonb_typeof(o.item) <> 'string' or not parameter -> 'options' ? (o.item #>> '{}')
      limit 1;
      if v_stray is not null then
        return format('has no option "%s"', left(v_stray, 100));
      elsif jsonb_array_length(value) < (v_rules ->> 'min_items')::numeric then
        return format('takes at least %s options', v_rules ->> 'min_items');
      elsif jsonb_array_length(value) > (v_rules ->> 'max_items')::numeric then
        return format('takes at most %s options', v_rules ->> 'max_items');
      end if;
    when v_type = 'date' then
      if v_kind <> 'string'
        or v_text !~ '^\d{4}-\d{2}-\d{2}$'
        or not pg_input_is_valid(v_text, 'date')
      then
        return 'must be a date such as 2026-12-31';
      elsif v_text < v_rules ->> 'min' then
        return format('must not be before %s', v_rules ->> 'min');
      elsif v_text > v_rules ->> 'max' then
        return format('must not be after %s', v_rules ->> 'max');
      end if;
    else null;
  end case;
  return null;
end
$$;
comment on function private.parameter_problem(jsonb, jsonb) is
  'Why a value does not fit a parameter {"type", "options", "validation_rules"}, in words that follow its name; null when it fits.';
grant execute on function private.parameter_problem(jsonb, jsonb) to authenticated, service_role;

create function private.parameter_definition_problem(parameter jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_type public.parameter_type := parameter ->> 'type';
  v_options jsonb := nullif(parameter -> 'options', 'null');
  v_rules jsonb := parameter -> 'validation_rules';
  v_rule text;
  v_value jsonb;
begin
  if v_type in ('select', 'multiselect') then
    if jsonb_typeof(v_options) is distinct from 'array'
      or jsonb_array_length(v_options) not between 1 and 500
      or jsonb_path_exists(v_options, '$[*] ? (@.type() <> "string")')
      or (select count(distinct o.item) from jsonb_array_elements(v_options) as o (item))
        < jsonb_array_length(v_options)
    then
      return 'needs 1 to 500 different texts as its options';
    end if;
  elsif v_options is not null then
    return format('is a %s and takes no options', v_type);
  end if;

  if jsonb_typeof(v_rules) <> 'object' then
    return 'needs an object as its validation rules';
  end if;
  for v_rule, v_value in select * from jsonb_each(v_rules) loop
    if not (
      case
        when v_type in ('string', 'text') and v_rule = 'pattern' then
          jsonb_typeof(v_value) = 'string' and char_length(v_value #>> '{}') <= 200
        when v_type = 'date' and v_rule in ('min', 'max') then
          private.parameter_problem('{"type": "date"}', v_value) is null
        else
          jsonb_typeof(v_value) = 'number' and (v_type::text, v_rule) in (
            ('string', 'min_length'), ('string', 'max_length'),
            ('text', 'min_length'), ('text', 'max_length'),
            ('number', 'min'), ('number', 'max'),
            ('multiselect', 'min_items'), ('multiselect', 'max_items'))
      end
    ) then
      return format(
        'is a %s and cannot have the rule "%s": %s', v_type, v_rule, left(v_value::text, 100));
    end if;
  end loop;
  begin
    perform '' ~ (v_rules ->> 'pattern');
  exception when invalid_regular_expression then
    return format('has a pattern that is no regular expression: %s', v_rules ->> 'pattern');
  end;

  if nullif(parameter -> 'default_value', 'null') is not null then
    return 'has a default that '
      || private.parameter_problem(parameter, parameter -> 'default_value');
  end if;
  return null;
end
$$;
comment on function private.parameter_definition_problem(jsonb) is
  'What is wrong with a parameter''s definition, in words that follow its name; null when nothing is.';
grant execute on function private.parameter_definition_problem(jsonb)
  to authenticated, service_role;

create table public.agent_parameters (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null references public.agents (id) on delete cascade,
  -- Names come from people's own prompts: spaces, accents, slashes and other scripts are fine. What is
  -- left out would make {{name}} ambiguous, or is code in the collections that people bring.
  name text not null
    constraint name_has_no_brackets_dots_plus_or_colon check (name !~ '[().\[{}+:[:cntrl:]]')
    constraint name_is_1_to_200_characters_without_outer_spaces check (
      char_length(name) between 1 and 200 and name !~ '^\s|\s$'),
  type public.parameter_type not null default 'string',
  description text not null default ''
    constraint description_is_at_most_2000_characters check (char_length(description) <= 2000),
  default_value jsonb
    constraint default_value_is_at_most_100_kb check (octet_length(default_value::text) <= 102400),
  required boolean not null default false,
  options jsonb,
  validation_rules jsonb not null default '{}',
  display_order integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint parameter_names_are_unique unique (agent_id, name)
);
alter table public.agent_parameters enable row level security;

create function private.tg_agent_parameters__check_definition() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_problem text;
begin
  v_problem := private.parameter_definition_problem(to_jsonb(new));
  if v_problem is not null then
    raise sqlstate 'PT400' using
      message = format('The parameter "%s" %s.', new.name, v_problem),
      detail = 'parameter_definition_invalid',
      hint = 'Correct its type, options, rules or default.';
  end if;
  return new;
end
$$;
comment on function private.tg_agent_parameters__check_definition() is
  'Before insert or update: options, rules and default fit the type.';
create trigger _100_check_definition before insert or update on public.agent_parameters
  for each row execute function private.tg_agent_parameters__check_definition();
create trigger _200_set_updated_at before update on public.agent_parameters
  for each row execute function private.tg_set_updated_at();

grant select on public.agent_parameters to anon, authenticated;
grant insert (agent_id, name, type, description, default_value, required, options,
  validation_rules, display_order)
  on public.agent_parameters to authenticated;
grant update (name, type, description, default_value, required, options, validation_rules,
  display_order)
  on public.agent_parameters to authenticated;
grant delete on public.agent_parameters to authenticated;

create policy agent_parameters_select_public on public.agent_parameters
  for select to anon
  using (exists (
    select 1 from public.agents as a
    where a.id = agent_parameters.agent_id));
create policy agent_parameters_select_reader on public.agent_parameters
  for select to authenticated
  using (exists (
    select 1 from public.agents as a
    where a.id = agent_parameters.agent_id));
create policy agent_parameters_insert_editor on public.agent_parameters
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_parameters.agent_id and a.can_edit));
create policy agent_parameters_update_editor on public.agent_parameters
  for update to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_parameters.agent_id and a.can_edit))
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_parameters.agent_id and a.can_edit));
create policy agent_parameters_delete_editor on public.agent_parameters
  for delete to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_parameters.agent_id and a.can_edit));
create policy agent_parameters_select_scope on public.agent_parameters as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')) or (select private.has_scope('catalog:read')));
create policy agent_parameters_insert_scope on public.agent_parameters as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agent_parameters_update_scope on public.agent_parameters as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy agent_parameters_delete_scope on public.agent_parameters as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.agent_parameters is
  E'Typed inputs of an agent.\nPrompts use them as {{name}}; whoever runs the agent fills them in. Shown by display_order.';
comment on column public.agent_parameters.default_value is
  'A JSON value of the parameter''s type; null: none.';
comment on column public.agent_parameters.options is
  'The choices of a select or multiselect: a list of texts.';
comment on column public.agent_parameters.validation_rules is
  'string, text: min_length, max_length, pattern (POSIX). number, date: min, max. multiselect: min_items, max_items.';

create function private.resolve_parameters(parameters jsonb, given jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
  v_parameter jsonb;
  v_name text;
  v_value jsonb;
  v_problem text;
  v_resolved jsonb := '{}';
begin
  if jsonb_typeof(coalesce(given, '{}')) <> 'object' then
    raise sqlstate 'PT400' using
      message = 'The parameters are not an object.',
      detail = 'parameter_invalid',
      hint = 'Send {"name": value} for each parameter.';
  end if;
  for v_parameter in select * from jsonb_array_elements(resolve_parameters.parameters) loop
    v_name := v_parameter ->> 'name';
    v_value := coalesce(
      nullif(given -> v_name, 'null'), nullif(v_parameter -> 'default_value', 'null'));
    if v_value is null and not (v_parameter ->> 'required')::boolean then
      v_resolved := v_resolved || jsonb_build_object(v_name, null);
      continue;
    elsif v_value is null then
      raise sqlstate 'PT400' using
        message = format('The parameter "%s" is missing.', v_name),
        detail = 'parameter_missing',
        hint = 'Send a value for it.';
    end if;
    v_problem := private.parameter_problem(v_parameter, v_value);
    if v_problem is not null then
      raise sqlstate 'PT400' using
        message = format('The parameter "%s" %s.', v_name, v_problem),
        detail = 'parameter_invalid',
        hint = 'Send a value that fits.';
    end if;
    v_resolved := v_resolved || jsonb_build_object(v_name, v_value);
  end loop;

  select g.name into v_name
  from jsonb_object_keys(coalesce(given, '{}')) as g (name)
  where not exists (
    select from jsonb_array_elements(resolve_parameters.parameters) as p (definition)
    where p.definition ->> 'name' = g.name
  )
  limit 1;
  if found then
    raise sqlstate 'PT400' using
      message = format('This agent has no parameter "%s".', v_name),
      detail = 'parameter_unknown',
      hint = 'Leave it out, or check how it is spelled.';
  end if;
  return v_resolved;
end
$$;
comment on function private.resolve_parameters(jsonb, jsonb) is
  'A run''s parameters: what was given, checked against a version''s definitions, with defaults filled in. Optional ones without a value are null: their place in a prompt stays empty.';

-- ---------------------------------------------------------------------------------------------------
-- agent_variables: values that an agent runs with. Strangers do not see the draft's.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_variables (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null references public.agents (id) on delete cascade,
  name text not null
    constraint name_has_no_brackets_dots_plus_or_colon check (name !~ '[().\[{}+:[:cntrl:]]')
    constraint name_is_1_to_200_characters_without_outer_spaces check (
      char_length(name) between 1 and 200 and name !~ '^\s|\s$'),
  description text not null default ''
    constraint description_is_at_most_2000_characters check (char_length(description) <= 2000),
  value jsonb
    constraint value_is_at_most_100_kb check (octet_length(value::text) <= 102400),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint variable_names_are_unique unique (agent_id, name)
);
alter table public.agent_variables enable row level security;

create function private.tg_agent_variables__refuse_plain_secrets() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform private.refuse_plain_secrets(jsonb_build_object(new.name, new.value));
  return new;
end
$$;
comment on function private.tg_agent_variables__refuse_plain_secrets() is
  'Before insert or update: a variable that is named like a secret holds a reference.';
create trigger _100_refuse_plain_secrets before insert or update on public.agent_variables
  for each row execute function private.tg_agent_variables__refuse_plain_secrets();
create trigger _200_set_updated_at before update on public.agent_variables
  for each row execute function private.tg_set_updated_at();

grant select, delete on public.agent_variables to authenticated;
grant insert (agent_id, name, description, value) on public.agent_variables to authenticated;
grant update (name, description, value) on public.agent_variables to authenticated;

create policy agent_variables_select_insider on public.agent_variables
  for select to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_variables.agent_id and a.can_inspect));
create policy agent_variables_insert_editor on public.agent_variables
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_variables.agent_id and a.can_edit));
create policy agent_variables_update_editor on public.agent_variables
  for update to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_variables.agent_id and a.can_edit))
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_variables.agent_id and a.can_edit));
create policy agent_variables_delete_editor on public.agent_variables
  for delete to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_variables.agent_id and a.can_edit));
create policy agent_variables_select_scope on public.agent_variables as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')));
create policy agent_variables_insert_scope on public.agent_variables as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agent_variables_update_scope on public.agent_variables as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy agent_variables_delete_scope on public.agent_variables as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.agent_variables is
  E'Values that an agent runs with.\nPrompts use them as {{name}}. A secret is a reference: {"token": "KEY"}.';
comment on column public.agent_variables.value is
  'Any JSON value, or {"token": "KEY"}: the runner''s token of that key, or else the organization''s.';

-- ---------------------------------------------------------------------------------------------------
-- tools: what agents can call. Those without an organization are the platform's and written by
-- operators only. A version keeps its own copy of each tool.
-- ---------------------------------------------------------------------------------------------------
create table public.tools (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid references public.organizations (id) on delete cascade,
  created_by_id uuid default auth.uid() references public.profiles (id) on delete set null,
  name text not null
    constraint name_is_an_identifier check (name ~ '^[A-Za-z_][A-Za-z0-9_-]{0,63}$'),
  description text not null default ''
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  tool_type public.tool_type not null,
  config jsonb not null default '{}'
    constraint config_is_an_object check (jsonb_typeof(config) = 'object')
    constraint config_is_at_most_256_kb check (octet_length(config::text) <= 262144),
  input_schema jsonb not null default '{"type": "object", "properties": {}}'
    constraint input_schema_is_an_object check (jsonb_typeof(input_schema) = 'object')
    constraint input_schema_is_at_most_256_kb check (octet_length(input_schema::text) <= 262144),
  output_schema jsonb
    constraint output_schema_is_an_object check (jsonb_typeof(output_schema) = 'object')
    constraint output_schema_is_at_most_256_kb check (octet_length(output_schema::text) <= 262144),
  requires_approval boolean not null default false,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tool_names_are_unique unique nulls not distinct (organization_id, name)
);
alter table public.tools enable row level security;

create index tools_created_by_id_idx on public.tools (created_by_id);

create trigger _100_refuse_plain_secrets before insert or update of config on public.tools
  for each row execute function private.tg_refuse_plain_secrets('config');
create trigger _200_set_updated_at before update on public.tools
  for each row execute function private.tg_set_updated_at();

grant select on public.tools to anon, authenticated;
grant insert (organization_id, name, description, tool_type, config, input_schema, output_schema,
  requires_approval, is_active) on public.tools to authenticated;
grant update (name, description, tool_type, config, input_schema, output_schema,
  requires_approval, is_active) on public.tools to authenticated;
grant delete on public.tools to authenticated;

create policy tools_select_platform on public.tools
  for select to anon
  using (organization_id is null);
create policy tools_select_member on public.tools
  for select to authenticated
  using (
    organization_id is null
    or organization_id = any (array(select private.my_organization_ids('viewer')))
  );
create policy tools_insert_member on public.tools
  for insert to authenticated
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy tools_update_member on public.tools
  for update to authenticated
  using (organization_id = any (array(select private.my_organization_ids('member'))))
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy tools_delete_creator on public.tools
  for delete to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (
      created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    )
  );
create policy tools_select_scope on public.tools as restrictive
  for select to authenticated
  using (
    (select private.has_scope('agents:read'))
    or (organization_id is null and (select private.has_scope('catalog:read')))
  );
create policy tools_insert_scope on public.tools as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy tools_update_scope on public.tools as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy tools_delete_scope on public.tools as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.tools is
  E'The registry of what agents can call.\nA deleted tool leaves the drafts that used it; versions keep their own copy.';
comment on column public.tools.organization_id is 'Null: platform-wide, readable by everyone.';
comment on column public.tools.config is 'Settings of its type; secrets are {"token": "KEY"}.';
comment on column public.tools.input_schema is 'JSON Schema of its arguments.';
comment on column public.tools.requires_approval is 'Whether a person decides before each call.';

-- ---------------------------------------------------------------------------------------------------
-- agent_tools: which agent may use which tool.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_tools (
  agent_id uuid not null references public.agents (id) on delete cascade,
  tool_id uuid not null references public.tools (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (agent_id, tool_id)
);
alter table public.agent_tools enable row level security;

create index agent_tools_tool_id_idx on public.agent_tools (tool_id);

create function private.tg_agent_tools__check_tool() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if not exists (
    select
    from public.tools as t
      join public.agents as a on a.id = new.agent_id
    where t.id = new.tool_id
      and (t.organization_id is null or t.organization_id = a.organization_id)
  ) then
    raise sqlstate 'PT404' using
      message = 'There is no such tool in the agent''s organization.',
      detail = 'tool_not_found',
      hint = 'Choose one of the organization''s or the platform''s tools.';
  end if;
  return new;
end
$$;
comment on function private.tg_agent_tools__check_tool() is
  'Before insert: the tool is the platform''s or the agent''s own organization''s (a plain key cannot say so).';
create trigger _100_check_tool before insert on public.agent_tools
  for each row execute function private.tg_agent_tools__check_tool();

grant select, delete on public.agent_tools to authenticated;
grant insert (agent_id, tool_id) on public.agent_tools to authenticated;

create policy agent_tools_select_insider on public.agent_tools
  for select to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_tools.agent_id and a.can_inspect));
create policy agent_tools_insert_editor on public.agent_tools
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_tools.agent_id and a.can_edit));
create policy agent_tools_delete_editor on public.agent_tools
  for delete to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_tools.agent_id and a.can_edit));
create policy agent_tools_select_scope on public.agent_tools as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')));
create policy agent_tools_insert_scope on public.agent_tools as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agent_tools_delete_scope on public.agent_tools as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.agent_tools is
  E'Which agent may use which tool.\nRows are inserted and deleted, never changed.';

-- ---------------------------------------------------------------------------------------------------
-- mcp_servers: Model Context Protocol servers that an agent's runs connect to.
-- ---------------------------------------------------------------------------------------------------
create table public.mcp_servers (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null references public.agents (id) on delete cascade,
  name text not null
    constraint name_is_an_identifier check (name ~ '^[A-Za-z_][A-Za-z0-9_-]{0,63}$'),
  transport public.mcp_transport not null,
  command text
    constraint command_is_1_to_1000_characters check (char_length(command) between 1 and 1000),
  args jsonb not null default '[]'
    constraint args_are_a_list check (
      jsonb_typeof(args) = 'array' and jsonb_array_length(args) <= 100),
  env_vars jsonb not null default '{}'
    constraint env_vars_are_an_object check (jsonb_typeof(env_vars) = 'object'),
  url text
    constraint url_is_a_web_address check (url ~ '^https?://\S+$' and char_length(url) <= 2048),
  config jsonb not null default '{}'
    constraint config_is_an_object check (jsonb_typeof(config) = 'object')
    constraint config_is_at_most_256_kb check (octet_length(config::text) <= 262144),
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint stdio_has_a_command_and_http_a_url check (
    (transport = 'stdio') = (command is not null) and (transport = 'http') = (url is not null)),
  constraint mcp_server_names_are_unique unique (agent_id, name)
);
alter table public.mcp_servers enable row level security;

create trigger _100_refuse_plain_secrets before insert or update on public.mcp_servers
  for each row
  execute function private.tg_refuse_plain_secrets('command', 'args', 'env_vars', 'url', 'config');
create trigger _200_set_updated_at before update on public.mcp_servers
  for each row execute function private.tg_set_updated_at();

grant select, delete on public.mcp_servers to authenticated;
grant insert (agent_id, name, transport, command, args, env_vars, url, config, enabled)
  on public.mcp_servers to authenticated;
grant update (name, transport, command, args, env_vars, url, config, enabled)
  on public.mcp_servers to authenticated;

create policy mcp_servers_select_insider on public.mcp_servers
  for select to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = mcp_servers.agent_id and a.can_inspect));
create policy mcp_servers_insert_editor on public.mcp_servers
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = mcp_servers.agent_id and a.can_edit));
create policy mcp_servers_update_editor on public.mcp_servers
  for update to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = mcp_servers.agent_id and a.can_edit))
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = mcp_servers.agent_id and a.can_edit));
create policy mcp_servers_delete_editor on public.mcp_servers
  for delete to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = mcp_servers.agent_id and a.can_edit));
create policy mcp_servers_select_scope on public.mcp_servers as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')));
create policy mcp_servers_insert_scope on public.mcp_servers as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy mcp_servers_update_scope on public.mcp_servers as restrictive
  for update to authenticated
  using ((select private.has_scope('agents:write')));
create policy mcp_servers_delete_scope on public.mcp_servers as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.mcp_servers is
  E'Model Context Protocol servers of an agent.\nstdio: the worker starts command with args and env_vars. http: it connects to url; headers stand in config.';
comment on column public.mcp_servers.args is 'A list of texts; secrets are {"token": "KEY"}.';
comment on column public.mcp_servers.env_vars is 'Name to text; secrets are {"token": "KEY"}.';
comment on column public.mcp_servers.config is
  '{"headers": {...}} and what else the connection needs; secrets are {"token": "KEY"}.';

-- ---------------------------------------------------------------------------------------------------
-- agent_tags
-- ---------------------------------------------------------------------------------------------------
create table public.agent_tags (
  agent_id uuid not null references public.agents (id) on delete cascade,
  tag text not null
    constraint tag_is_1_to_50_lower_case_characters check (
      char_length(tag) between 1 and 50 and tag = lower(tag) and tag !~ '^\s|\s$|[[:cntrl:]]'),
  created_at timestamptz not null default now(),
  primary key (agent_id, tag)
);
alter table public.agent_tags enable row level security;

-- The agents of a tag.
create index agent_tags_tag_idx on public.agent_tags (tag, agent_id);

grant select on public.agent_tags to anon, authenticated;
grant insert (agent_id, tag) on public.agent_tags to authenticated;
grant delete on public.agent_tags to authenticated;

-- NOTE: the policies agent_tags_select_public and _reader stand in the catalog, because they also show
-- the tags of listed agents.
create policy agent_tags_insert_editor on public.agent_tags
  for insert to authenticated
  with check (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_tags.agent_id and a.can_edit));
create policy agent_tags_delete_editor on public.agent_tags
  for delete to authenticated
  using (exists (
    select 1 from public.agent_access as a
    where a.agent_id = agent_tags.agent_id and a.can_edit));
create policy agent_tags_select_scope on public.agent_tags as restrictive
  for select to authenticated
  using ((select private.has_scope('agents:read')) or (select private.has_scope('catalog:read')));
create policy agent_tags_insert_scope on public.agent_tags as restrictive
  for insert to authenticated
  with check ((select private.has_scope('agents:write')));
create policy agent_tags_delete_scope on public.agent_tags as restrictive
  for delete to authenticated
  using ((select private.has_scope('agents:write')));

comment on table public.agent_tags is
  E'Words to find an agent by, in lower case.\nRows are inserted and deleted, never changed.';

-- ---------------------------------------------------------------------------------------------------
-- agent_stats: counts. Writers append to a table of deltas and so never wait for each other on one
-- popular agent's row; upkeep folds them. Whoever reads adds both up and misses nothing.
-- ---------------------------------------------------------------------------------------------------
create table private.agent_counters (
  agent_id uuid primary key references public.agents (id) on delete cascade,
  total_uses bigint not null default 0,
  view_count bigint not null default 0,
  share_count bigint not null default 0,
  install_count bigint not null default 0,
  fork_count bigint not null default 0,
  favorite_count bigint not null default 0,
  rating_count bigint not null default 0,
  rating_sum bigint not null default 0,
  verified_rating_count bigint not null default 0
);
comment on table private.agent_counters is
  'Each agent''s counts as folded last; private.agent_counts() adds what came since.';

create type private.agent_counter as enum
  ('total_uses', 'view_count', 'share_count', 'install_count', 'fork_count', 'favorite_count',
   'rating_count', 'rating_sum', 'verified_rating_count');

-- No foreign key: it would lock the agent's row for every count. Folding drops those of agents that
-- are gone.
create table private.agent_counter_deltas (
  agent_id uuid not null,
  counter private.agent_counter not null,
  delta integer not null
);
create index agent_counter_deltas_agent_id_idx on private.agent_counter_deltas (agent_id);
-- Emptied all day: what is dead has to go soon, or reading slows down.
alter table private.agent_counter_deltas
  set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
comment on table private.agent_counter_deltas is
  'Counts not yet folded into private.agent_counters.';

create function private.add_agent_delta(agent_id uuid, counter text, delta integer) returns void
language sql volatile security definer
set search_path = ''
as $$
  insert into private.agent_counter_deltas (agent_id, counter, delta)
  values (
    add_agent_delta.agent_id, add_agent_delta.counter::private.agent_counter, add_agent_delta.delta)
$$;
comment on function private.add_agent_delta(uuid, text, integer) is
  'Counts for an agent: total_uses, view_count, share_count, install_count, fork_count, favorite_count, rating_count, rating_sum, verified_rating_count. For triggers and definer functions.';

create function private.fold_agent_counters() returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_folded integer;
begin
  -- One statement, so that no reader sees a count twice or not at all. Who else folds takes other
  -- rows.
  with taken as (
    delete from private.agent_counter_deltas as d
    where d.ctid = any (array(
      select t.ctid from private.agent_counter_deltas as t limit 50000 for update skip locked))
    returning d.agent_id, d.counter, d.delta
  ), sums as (
    select
      t.agent_id,
      coalesce(sum(t.delta) filter (where t.counter = 'total_uses'), 0) as total_uses,
      coalesce(sum(t.delta) filter (where t.counter = 'view_count'), 0) as view_count,
      coalesce(sum(t.delta) filter (where t.counter = 'share_count'), 0) as share_count,
      coalesce(sum(t.delta) filter (where t.counter = 'install_count'), 0) as install_count,
      coalesce(sum(t.delta) filter (where t.counter = 'fork_count'), 0) as fork_count,
      coalesce(sum(t.delta) filter (where t.counter = 'favorite_count'), 0) as favorite_count,
      coalesce(sum(t.delta) filter (where t.counter = 'rating_count'), 0) as rating_count,
      coalesce(sum(t.delta) filter (where t.counter = 'rating_sum'), 0) as rating_sum,
      coalesce(sum(t.delta) filter (where t.counter = 'verified_rating_count'), 0)
        as verified_rating_count
    from taken as t
    group by t.agent_id
    -- Two folders that update the same rows take them in one order.
    order by t.agent_id
  ), folded as (
    insert into private.agent_counters as c
    select s.* from sums as s
    where exists (select from public.agents as a where a.id = s.agent_id)
    on conflict (agent_id) do update set
      total_uses = c.total_uses + excluded.total_uses,
      view_count = c.view_count + excluded.view_count,
      share_count = c.share_count + excluded.share_count,
      install_count = c.install_count + excluded.install_count,
      fork_count = c.fork_count + excluded.fork_count,
      favorite_count = c.favorite_count + excluded.favorite_count,
      rating_count = c.rating_count + excluded.rating_count,
      rating_sum = c.rating_sum + excluded.rating_sum,
      verified_rating_count = c.verified_rating_count + excluded.verified_rating_count
  )
  select count(*) into v_folded from taken;
  return v_folded;
end
$$;
comment on function private.fold_agent_counters() is
  'Upkeep: folds up to 50,000 deltas into the counters; returns how many.';
insert into private.upkeep_tasks (name, task, every)
values ('fold agent counters', 'private.fold_agent_counters()', interval '10 seconds');

create function private.agent_counts(agent_id uuid) returns setof private.agent_counters
language sql stable security definer rows 1
set search_path = ''
as $$
  select
    agent_counts.agent_id,
    coalesce(max(c.total_uses), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'total_uses'), 0)::bigint,
    coalesce(max(c.view_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'view_count'), 0)::bigint,
    coalesce(max(c.share_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'share_count'), 0)::bigint,
    coalesce(max(c.install_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'install_count'), 0)::bigint,
    coalesce(max(c.fork_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'fork_count'), 0)::bigint,
    coalesce(max(c.favorite_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'favorite_count'), 0)::bigint,
    coalesce(max(c.rating_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'rating_count'), 0)::bigint,
    coalesce(max(c.rating_sum), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'rating_sum'), 0)::bigint,
    coalesce(max(c.verified_rating_count), 0)
      + coalesce(sum(d.delta) filter (where d.counter = 'verified_rating_count'), 0)::bigint
  from (select) as one
    left join private.agent_counters as c on c.agent_id = agent_counts.agent_id
    left join private.agent_counter_deltas as d on d.agent_id = agent_counts.agent_id
$$;
comment on function private.agent_counts(uuid) is
  'One agent''s counts at this moment. The view public.agent_stats says of which agents the caller may know them.';
grant execute on function private.agent_counts(uuid) to anon, authenticated, service_role;

-- What a recount would miss, because the rows that were counted went with a month or a purge.
create table private.counter_archive (
  agent_id uuid not null,
  counter private.agent_counter not null,
  count bigint not null,
  primary key (agent_id, counter)
);
comment on table private.counter_archive is
  'Counts of rows that are gone: a recount is archive plus living rows.';

create function private.archive_agent_count(agent_id uuid, counter text, count bigint) returns void
language sql volatile security definer
set search_path = ''
as $$
  insert into private.counter_archive as c (agent_id, counter, count)
  values (
    archive_agent_count.agent_id, archive_agent_count.counter::private.agent_counter,
    archive_agent_count.count)
  on conflict (agent_id, counter) do update set count = c.count + excluded.count
$$;
comment on function private.archive_agent_count(uuid, text, bigint) is
  'Keeps what rows that are about to go count for an agent.';

create function private.tg_agents__archive_fork() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if exists (
    select from public.agents as a
    where a.id = old.forked_from_agent_id and a.organization_id <> old.organization_id
  ) then
    perform private.archive_agent_count(old.forked_from_agent_id, 'fork_count', 1);
  end if;
  return null;
end
$$;
comment on function private.tg_agents__archive_fork() is
  'After delete: a fork that is purged still counts for the agent it came from.';
create trigger _910_archive_fork after delete on public.agents
  for each row when (old.forked_from_agent_id is not null)
  execute function private.tg_agents__archive_fork();

create function private.check_fork_counts() returns table (
  counter text,
  id uuid,
  stored bigint,
  counted bigint
)
language sql stable
set search_path = ''
as $$
  select 'fork_count', a.id, c.fork_count, f.forks
  from public.agents as a
    cross join lateral private.agent_counts(a.id) as c
    cross join lateral (
      select
        (select count(*) from public.agents as f
         where f.forked_from_agent_id = a.id and f.organization_id <> a.organization_id)
        + coalesce((select k.count from private.counter_archive as k
           where k.agent_id = a.id and k.counter = 'fork_count'), 0) as forks
    ) as f
  where c.fork_count <> f.forks
$$;
comment on function private.check_fork_counts() is 'For private.recount().';
insert into private.counter_checks (name, check_function)
values ('forks', 'private.check_fork_counts()');

-- NOTE: public.agent_stats shows them; it stands in the catalog, because it also shows those of listed
-- agents.

-- ---------------------------------------------------------------------------------------------------
-- Freezing: what a version is made of
-- ---------------------------------------------------------------------------------------------------

create function private.draft_version(agent_id uuid) returns public.agent_versions
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_draft public.agent_versions;
begin
  -- Past RLS, since who an agent is shared with does not see the organization's tools and presets that
  -- it uses. Workers and schedules come without a user.
  if auth.uid() is not null and not exists (
    select from public.agent_access as x where x.agent_id = draft_version.agent_id and x.can_inspect
  ) then
    return null;
  end if;

  with draft as (
    select
      a.*,
      coalesce(s.value, '{}') || a.configuration as effective,
      coalesce((
        select jsonb_agg(
          jsonb_build_object('name', p.name, 'type', p.type, 'description', p.description,
            'default_value', p.default_value, 'required', p.required, 'options', p.options,
            'validation_rules', p.validation_rules)
          order by p.display_order, p.name)
        from public.agent_parameters as p
        where p.agent_id = a.id
      ), '[]') as parameters,
      coalesce((
        select jsonb_agg(
          jsonb_build_object('name', v.name, 'description', v.description, 'value', v.value)
          order by v.name)
        from public.agent_variables as v
        where v.agent_id = a.id
      ), '[]') as variables,
      coalesce((
        select jsonb_agg(
          jsonb_build_object('id', t.id, 'name', t.name, 'description', t.description,
            'tool_type', t.tool_type, 'config', t.config, 'input_schema', t.input_schema,
            'output_schema', t.output_schema, 'requires_approval', t.requires_approval)
          order by t.name)
        from public.agent_tools as x
          join public.tools as t on t.id = x.tool_id
        where x.agent_id = a.id and t.is_active
      ), '[]') as tools,
      coalesce((
        select jsonb_agg(
          jsonb_build_object('name', m.name, 'transport', m.transport, 'command', m.command,
            'args', m.args, 'env_vars', m.env_vars, 'url', m.url, 'config', m.config,
            'enabled', m.enabled)
          order by m.name)
        from public.mcp_servers as m
        where m.agent_id = a.id
      ), '[]') as mcp_servers
    from public.agents as a
      left join public.settings as s on s.id = a.settings_id
    where a.id = draft_version.agent_id
  )
  select
    null::uuid, d.organization_id, d.id, null::integer, null::text, d.name, null::text, null::text,
    d.settings_id, d.system_prompt, d.user_prompt_template, d.model, d.temperature, d.max_tokens,
    d.parameters, d.variables, d.tools, d.mcp_servers, d.memory_enabled, d.memory_type,
    jsonb_build_object(
      'systemPrompt', d.system_prompt,
      'userPromptTemplate', d.user_prompt_template,
      'parameters', jsonb_path_query_array(d.parameters, '$[*].name')),
    '{"orchestration": {}, "monitoring": {}}'
      || (d.effective - '{execution_environment,metadata}'::text[]),
    '{"infrastructure": {}, "dependencies": [], "resources": {}}'
      || coalesce(d.effective -> 'execution_environment', '{}'),
    '{"estimatedCost": null}' || coalesce(d.effective -> 'metadata', '{}') || jsonb_build_object(
      'category', d.category,
      'complexity', case
        when jsonb_array_length(d.tools) + jsonb_array_length(d.mcp_servers) > 3 then 'advanced'
        when jsonb_array_length(d.tools) + jsonb_array_length(d.mcp_servers) > 0 then 'moderate'
        else 'simple'
      end,
      'dependencies', jsonb_path_query_array(d.tools || d.mcp_servers, '$[*].name')),
    false, coalesce(auth.uid(), d.created_by_id), now()
  into v_draft
  from draft as d;
  return v_draft;
end
$$;
comment on function private.draft_version(uuid) is
  'The version that an agent''s draft would become, without id and number; null to users who may not see all of it.';
grant execute on function private.draft_version(uuid) to authenticated;

create function private.same_definition(a public.agent_versions, b public.agent_versions)
returns boolean
language sql stable
set search_path = ''
as $$
  select to_jsonb(a) - v.incidental = to_jsonb(b) - v.incidental
  from (select array['id', 'version_number', 'version', 'revision_name', 'changelog', 'is_published',
    'created_by_id', 'created_at']) as v (incidental)
$$;
comment on function private.same_definition(public.agent_versions, public.agent_versions) is
  'Whether two versions would run alike.';
grant execute on function private.same_definition(public.agent_versions, public.agent_versions)
  to authenticated;

create function public.has_unpublished_changes(agent public.agents) returns boolean
language sql stable
set search_path = ''
as $$
  select not coalesce(private.same_definition(
    (select v from public.agent_versions as v where v.id = agent.current_version_id),
    private.draft_version(agent.id)), false)
  -- Who cannot see the whole draft cannot compare it.
  from public.agent_access as x
  where x.agent_id = agent.id and x.can_inspect
$$;
comment on function public.has_unpublished_changes(public.agents) is
  E'Whether the draft differs from the current version.\nA computed field: /agents?select=name,has_unpublished_changes. Null to those who see only the published versions.';
grant execute on function public.has_unpublished_changes(public.agents) to authenticated;

create function private.freeze_draft(agent_id uuid) returns uuid
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_draft public.agent_versions := private.draft_version(freeze_draft.agent_id);
  v_id uuid;
begin
  -- Running an unchanged draft again freezes nothing new.
  select v.id into v_id
  from public.agent_versions as v
  where v.id in (
      (select a.current_version_id from public.agents as a where a.id = freeze_draft.agent_id),
      (select l.id from public.agent_versions as l
       where l.agent_id = freeze_draft.agent_id and not l.is_published
       order by l.id desc limit 1)
    )
    and private.same_definition(v, v_draft)
  order by v.is_published
  limit 1;
  if found then
    return v_id;
  end if;
  v_draft.id := private.uuid_v7();
  insert into public.agent_versions values (v_draft.*);
  return v_draft.id;
end
$$;
comment on function private.freeze_draft(uuid) is
  'The id of a version that is the agent''s draft of now: one that is there, or a new one without a number. The caller has checked that the user may edit the agent.';

create function private.semver_exceeds(version text, other text) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select private.semver_sort_key(version) collate "C" > private.semver_sort_key(other) collate "C"
$$;
comment on function private.semver_exceeds(text, text) is
  'Whether one semantic version comes after another.';

create function private.publish_draft(
  draft public.agent_versions,
  version text,
  changelog text,
  revision_name text
) returns public.agent_versions
language plpgsql volatile
set search_path = ''
as $$
declare
  v_row public.agent_versions := draft;
  v_last public.agent_versions;
  v_parts integer[];
begin
  select * into v_last
  from public.agent_versions as v
  where v.agent_id = draft.agent_id and v.is_published
  order by v.version_number desc
  limit 1;

  v_row.id := private.uuid_v7();
  v_row.is_published := true;
  v_row.version_number := coalesce(v_last.version_number, 0) + 1;
  v_row.revision_name := nullif(btrim(publish_draft.revision_name), '');
  v_row.changelog := nullif(btrim(publish_draft.changelog), '');
  v_row.version := nullif(btrim(publish_draft.version), '');
  if v_row.version is null then
    v_parts := string_to_array(split_part(v_last.version, '-', 1), '.');
    v_row.version := case
      when v_last.version is null then '1.0.0'
      -- A pre-release is followed by its release.
      when strpos(v_last.version, '-') > 0 then array_to_string(v_parts, '.')
      else format('%s.%s.%s', v_parts[1], v_parts[2], v_parts[3] + 1)
    end;
  elsif not private.is_semantic_version(v_row.version) then
    raise sqlstate 'PT400' using
      message = format('"%s" is not a semantic version.', v_row.version),
      detail = 'version_invalid',
      hint = 'Write three numbers such as 1.2.0, or 1.2.0-beta.1 before a release.';
  elsif not private.semver_exceeds(v_row.version, v_last.version) then
    raise sqlstate 'PT409' using
      message = format('%s does not come after %s.', v_row.version, v_last.version),
      detail = 'version_not_greater',
      hint = 'Choose a greater version, or leave it out to count up.';
  end if;

  insert into public.agent_versions values (v_row.*);
  update public.agents as a
  set current_version_id = v_row.id,
    published_at = now(),
    status = case a.status when 'draft' then 'active' else a.status end
  where a.id = draft.agent_id;
  return v_row;
end
$$;
comment on function private.publish_draft(public.agent_versions, text, text, text) is
  'Numbers what private.draft_version() froze and makes it the current version. Who calls it holds the lock on the agent, so that numbers have no gaps and versions only rise, and has checked what the caller may.';

create function private.publish_agent_version(
  agent_id uuid,
  version text,
  changelog text,
  revision_name text
) returns public.agent_versions
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_draft public.agent_versions;
begin
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  perform from public.agents as a where a.id = publish_agent_version.agent_id for no key update;
  perform private.require_agent(publish_agent_version.agent_id, 'edit');
  v_draft := private.draft_version(publish_agent_version.agent_id);
  perform private.require_evaluation(v_draft);
  return private.publish_draft(v_draft, version, changelog, revision_name);
end
$$;

create function public.publish_agent_version(
  agent_id uuid,
  version text default null,
  changelog text default null,
  revision_name text default null
) returns public.agent_versions
language sql volatile
set search_path = ''
as $$
  select private.publish_agent_version(agent_id, version, changelog, revision_name)
$$;
comment on function public.publish_agent_version(uuid, text, text, text) is
  E'Freezes the draft as the next version and makes it current.\nversion is semantic and must exceed all before it; left out, the patch number counts up from 1.0.0. A first publication activates the agent. Errors: agent_not_found, not_allowed, version_invalid, version_not_greater, eval_required.';
grant execute on function private.publish_agent_version(uuid, text, text, text) to authenticated;
grant execute on function public.publish_agent_version(uuid, text, text, text) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Documents: an agent as one JSON value, for export, import, forks and going back to a version.
-- ---------------------------------------------------------------------------------------------------

create function private.version_configuration(version public.agent_versions) returns jsonb
language sql stable
set search_path = ''
as $$
  select version.agent_config
      - (case when version.agent_config -> 'orchestration' = '{}' then 'orchestration' else '' end)
      - (case when version.agent_config -> 'monitoring' = '{}' then 'monitoring' else '' end)
    || case
      when version.execution_environment
        = '{"infrastructure": {}, "dependencies": [], "resources": {}}' then '{}'
      else jsonb_build_object('execution_environment', version.execution_environment)
    end
    || case when m.own = '{}' then '{}' else jsonb_build_object('metadata', m.own) end
  from (select version.metadata
    - '{category,complexity,dependencies}'::text[]
    - (case when version.metadata -> 'estimatedCost' = 'null' then 'estimatedCost' else '' end)
  ) as m (own)
$$;
comment on function private.version_configuration(public.agent_versions) is
  'The agents.configuration from which a version''s JSON columns were filled, preset included.';
grant execute on function private.version_configuration(public.agent_versions) to authenticated;

create function private.agent_document(
  agent public.agents,
  version public.agent_versions,
  configuration jsonb
) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'format', 'agentry.agent',
    'format_version', 1,
    'external_key', agent.external_key,
    'name', version.name,
    'description', agent.description,
    'icon', agent.icon,
    'avatar_url', agent.avatar_url,
    'category', agent.category,
    'agent_type', agent.agent_type,
    'system_prompt', version.system_prompt,
    'user_prompt_template', version.user_prompt_template,
    'model', version.model,
    'temperature', version.temperature,
    'max_tokens', version.max_tokens,
    'configuration', agent_document.configuration,
    'memory_enabled', version.memory_enabled,
    'memory_type', version.memory_type,
    'parameters', version.parameters,
    'variables', version.variables,
    'tools', coalesce(
      (select jsonb_agg(t.tool - 'id') from jsonb_array_elements(version.tools) as t (tool)), '[]'),
    'mcp_servers', version.mcp_servers,
    'tags', coalesce(
      (select jsonb_agg(t.tag order by t.tag)
       from public.agent_tags as t
       where t.agent_id = agent.id), '[]'));
end
$$;
comment on function private.agent_document(public.agents, public.agent_versions, jsonb) is
  'An agent as a document, behaving as in one version (the draft''s included).';
grant execute on function private.agent_document(public.agents, public.agent_versions, jsonb)
  to authenticated;

create function private.normalize_agent_document(document jsonb) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  v_agent public.agents;
  v_stray text;
begin
  if jsonb_typeof(document) is distinct from 'object'
    or coalesce(document ->> 'format', 'agentry.agent') <> 'agentry.agent'
    or coalesce(document ->> 'format_version', '1') <> '1'
  then
    raise sqlstate 'PT400' using
      message = 'This is not an agent document of format version 1.',
      detail = 'document_invalid',
      hint = 'Send an object with "format": "agentry.agent", as export_agent answers.';
  end if;
  -- A misspelled field would otherwise be lost without a word.
  select k.name into v_stray
  from jsonb_object_keys(document) as k (name)
  where k.name not in ('format', 'format_version', 'external_key', 'name', 'description', 'icon',
    'avatar_url', 'category', 'agent_type', 'system_prompt', 'user_prompt_template', 'model',
    'temperature', 'max_tokens', 'configuration', 'memory_enabled', 'memory_type', 'parameters',
    'variables', 'tools', 'mcp_servers', 'tags')
  limit 1;
  if found then
    raise sqlstate 'PT400' using
      message = format('An agent document has no field "%s".', v_stray),
      detail = 'document_invalid',
      hint = 'Leave it out, or check how it is spelled.';
  end if;

  v_agent := jsonb_populate_record(null::public.agents, document);
  return jsonb_build_object(
    'format', 'agentry.agent',
    'format_version', 1,
    'external_key', v_agent.external_key,
    'name', btrim(v_agent.name),
    'description', coalesce(v_agent.description, ''),
    'icon', v_agent.icon,
    'avatar_url', v_agent.avatar_url,
    'category', v_agent.category,
    'agent_type', coalesce(v_agent.agent_type, 'assistive'),
    'system_prompt', coalesce(v_agent.system_prompt, ''),
    'user_prompt_template', v_agent.user_prompt_template,
    'model', coalesce(v_agent.model, 'demo/echo'),
    'temperature', v_agent.temperature,
    'max_tokens', v_agent.max_tokens,
    'configuration', coalesce(v_agent.configuration, '{}'),
    'memory_enabled', coalesce(v_agent.memory_enabled, false),
    'memory_type', coalesce(v_agent.memory_type, 'conversation'),
    'parameters', coalesce((
      select jsonb_agg(
        jsonb_build_object('name', p.name, 'type', coalesce(p.type, 'string'),
          'description', coalesce(p.description, ''), 'default_value', p.default_value,
          'required', coalesce(p.required, false), 'options', p.options,
          'validation_rules', coalesce(p.validation_rules, '{}'))
        order by p.ordinality)
      from rows from (
        jsonb_to_recordset(nullif(document -> 'parameters', 'null')) as (
          name text, type public.parameter_type, description text, default_value jsonb,
          required boolean, options jsonb, validation_rules jsonb)
      ) with ordinality as p
    ), '[]'),
    'variables', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'name', v.name, 'description', coalesce(v.description, ''), 'value', v.value)
        order by v.name)
      from jsonb_to_recordset(nullif(document -> 'variables', 'null'))
        as v (name text, description text, value jsonb)
    ), '[]'),
    'tools', coalesce((
      select jsonb_agg(
        jsonb_build_object('name', t.name, 'description', coalesce(t.description, ''),
          'tool_type', t.tool_type, 'config', coalesce(t.config, '{}'),
          'input_schema', coalesce(t.input_schema, '{"type": "object", "properties": {}}'),
          'output_schema', t.output_schema,
          'requires_approval', coalesce(t.requires_approval, false))
        order by t.name)
      from jsonb_to_recordset(nullif(document -> 'tools', 'null')) as t (
        name text, description text, tool_type public.tool_type, config jsonb, input_schema jsonb,
        output_schema jsonb, requires_approval boolean)
    ), '[]'),
    'mcp_servers', coalesce((
      select jsonb_agg(
        jsonb_build_object('name', m.name, 'transport', m.transport, 'command', m.command,
          'args', coalesce(m.args, '[]'), 'env_vars', coalesce(m.env_vars, '{}'), 'url', m.url,
          'config', coalesce(m.config, '{}'), 'enabled', coalesce(m.enabled, true))
        order by m.name)
      from jsonb_to_recordset(nullif(document -> 'mcp_servers', 'null')) as m (
        name text, transport public.mcp_transport, command text, args jsonb, env_vars jsonb,
        url text, config jsonb, enabled boolean)
    ), '[]'),
    'tags', coalesce((
      select jsonb_agg(distinct lower(btrim(t.tag)) order by lower(btrim(t.tag)))
      from jsonb_array_elements_text(nullif(document -> 'tags', 'null')) as t (tag)
    ), '[]'));
end
$$;
comment on function private.normalize_agent_document(jsonb) is
  'A document with every field present and defaults filled in, so that it can be compared; refuses other formats and unknown fields.';
grant execute on function private.normalize_agent_document(jsonb) to authenticated;

create function private.write_agent_definition(agent public.agents, document jsonb) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  delete from public.agent_parameters as x where x.agent_id = agent.id;
  delete from public.agent_variables as x where x.agent_id = agent.id;
  delete from public.agent_tools as x where x.agent_id = agent.id;
  delete from public.mcp_servers as x where x.agent_id = agent.id;
  delete from public.agent_tags as x where x.agent_id = agent.id;

  insert into public.agent_parameters
    (agent_id, name, type, description, default_value, required, options, validation_rules,
     display_order)
  select agent.id, p.name, p.type, p.description, p.default_value, p.required, p.options,
    p.validation_rules, p.ordinality
  from rows from (
    jsonb_to_recordset(document -> 'parameters') as (
      name text, type public.parameter_type, description text, default_value jsonb,
      required boolean, options jsonb, validation_rules jsonb)
  ) with ordinality as p;

  insert into public.agent_variables (agent_id, name, description, value)
  select agent.id, v.name, v.description, v.value
  from jsonb_to_recordset(document -> 'variables') as v (name text, description text, value jsonb);

  insert into public.mcp_servers
    (agent_id, name, transport, command, args, env_vars, url, config, enabled)
  select agent.id, m.name, m.transport, m.command, m.args, m.env_vars, m.url, m.config, m.enabled
  from jsonb_to_recordset(document -> 'mcp_servers') as m (
    name text, transport public.mcp_transport, command text, args jsonb, env_vars jsonb, url text,
    config jsonb, enabled boolean);

  insert into public.agent_tags (agent_id, tag)
  select agent.id, t.tag from jsonb_array_elements_text(document -> 'tags') as t (tag);

  -- A tool is the organization's or else the platform's of that name; one that neither has (it came
  -- from elsewhere, or was deleted since) is made again.
  insert into public.tools (organization_id, name, description, tool_type, config, input_schema,
    output_schema, requires_approval)
  select agent.organization_id, t.name, t.description, t.tool_type, t.config, t.input_schema,
    t.output_schema, t.requires_approval
  from jsonb_to_recordset(document -> 'tools') as t (
    name text, description text, tool_type public.tool_type, config jsonb, input_schema jsonb,
    output_schema jsonb, requires_approval boolean)
  where not exists (
    select from public.tools as o
    where o.name = t.name
      and (o.organization_id = agent.organization_id or o.organization_id is null)
  );
  insert into public.agent_tools (agent_id, tool_id)
  select distinct on (o.name) agent.id, o.id
  from public.tools as o
  where o.name in (
      select t.tool ->> 'name' from jsonb_array_elements(document -> 'tools') as t (tool))
    and (o.organization_id = agent.organization_id or o.organization_id is null)
  order by o.name, o.organization_id nulls last;
end
$$;
comment on function private.write_agent_definition(public.agents, jsonb) is
  'Replaces an agent''s parameters, variables, tools, MCP servers and tags by those of a normalized document.';
grant execute on function private.write_agent_definition(public.agents, jsonb) to authenticated;

create function private.import_agent_document(
  organization_id uuid,
  document jsonb,
  dry_run boolean,
  out agent public.agents,
  out outcome text
)
language plpgsql volatile
set search_path = ''
as $$
declare
  v_document jsonb;
  v_new public.agents;
  v_state text;
  v_constraint text;
begin
  v_document := private.normalize_agent_document(document);
  v_new := jsonb_populate_record(null::public.agents, v_document);

  select * into agent
  from public.agents as a
  where a.organization_id = import_agent_document.organization_id
    and a.external_key = v_new.external_key
    and a.deleted_at is null;
  if not found then
    insert into public.agents (organization_id, external_key, name, description, icon, avatar_url,
      category, agent_type, system_prompt, user_prompt_template, model, temperature, max_tokens,
      configuration, memory_enabled, memory_type)
    values (import_agent_document.organization_id, v_new.external_key, v_new.name, v_new.description,
      v_new.icon, v_new.avatar_url, v_new.category, v_new.agent_type, v_new.system_prompt,
      v_new.user_prompt_template, v_new.model, v_new.temperature, v_new.max_tokens,
      v_new.configuration, v_new.memory_enabled, v_new.memory_type)
    returning * into agent;
    outcome := 'created';
  elsif
    private.agent_document(agent, private.draft_version(agent.id), agent.configuration) = v_document
  then
    outcome := 'unchanged';
    return;
  else
    update public.agents as a
    set name = v_new.name,
      description = v_new.description,
      icon = v_new.icon,
      avatar_url = v_new.avatar_url,
      category = v_new.category,
      agent_type = v_new.agent_type,
      system_prompt = v_new.system_prompt,
      user_prompt_template = v_new.user_prompt_template,
      model = v_new.model,
      temperature = v_new.temperature,
      max_tokens = v_new.max_tokens,
      configuration = v_new.configuration,
      memory_enabled = v_new.memory_enabled,
      memory_type = v_new.memory_type
    where a.id = agent.id
    returning * into agent;
    if not found then
      raise sqlstate 'PT403' using
        message = 'You may not edit the agent that has this external key.',
        detail = 'not_allowed',
        hint = 'Ask its creator or an admin of the organization, or choose another key.';
    end if;
    outcome := 'updated';
  end if;
  perform private.write_agent_definition(agent, v_document);

  if dry_run then
    -- Undoes this block's writes and keeps its variables.
    raise sqlstate 'AGDRY';
  end if;
exception
  when sqlstate 'AGDRY' then
    null;
  when integrity_constraint_violation or data_exception then
    get stacked diagnostics v_constraint = constraint_name, v_state = returned_sqlstate;
    if v_constraint = 'agents_external_key_is_unique' then
      raise sqlstate 'PT409' using
        message = 'An agent of this organization that you cannot see has this external key.',
        detail = 'external_key_taken',
        hint = 'Ask its creator or an admin, or choose another key.';
    end if;
    raise sqlstate 'PT400' using
      message = case
        when v_state = '23502' then 'A field that must have a value has none: ' || sqlerrm
        when v_constraint <> '' then format('Refused: %s.', replace(v_constraint, '_', ' '))
        else sqlerrm
      end,
      detail = 'document_invalid',
      hint = 'Correct the document.';
end
$$;
comment on function private.import_agent_document(uuid, jsonb, boolean) is
  'One document into one agent: created, updated or unchanged. Runs as the caller, under the same policies as any write of theirs.';
grant execute on function private.import_agent_document(uuid, jsonb, boolean) to authenticated;

create function public.import_agent(
  organization_id uuid,
  document jsonb,
  dry_run boolean default false
) returns public.agents
language plpgsql volatile
set search_path = ''
as $$
begin
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  perform private.require_role(import_agent.organization_id, 'member');
  return (
    select i.agent
    from private.import_agent_document(
      import_agent.organization_id, import_agent.document, import_agent.dry_run) as i
  );
end
$$;
comment on function public.import_agent(uuid, jsonb, boolean) is
  E'Makes an agent from a document, or updates the one with its external_key.\nThe document is what export_agent answers: {"format": "agentry.agent", "format_version": 1, "name": ..., "system_prompt": ..., "model": ..., "parameters": [...], "variables": [...], "tools": [...], "mcp_servers": [...], "tags": [...]}; only name is required, docs/import.md lists all fields. The draft is written, nothing is published. With dry_run, everything is checked and nothing kept. Errors: document_invalid, parameter_definition_invalid, plain_secret, agent_limit_reached, external_key_taken, not_allowed.';
grant execute on function public.import_agent(uuid, jsonb, boolean) to authenticated;

create function public.import_agents(
  organization_id uuid,
  documents jsonb,
  dry_run boolean default false
) returns table (
  ordinal integer,
  external_key text,
  agent_id uuid,
  outcome text,
  code text,
  message text
)
language plpgsql volatile
set search_path = ''
as $$
declare
  v_document jsonb;
  v_imported record;
begin
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  perform private.require_role(import_agents.organization_id, 'member');
  if jsonb_typeof(documents) is distinct from 'array' or jsonb_array_length(documents) > 500 then
    raise sqlstate 'PT400' using
      message = 'The documents are not a list of at most 500.',
      detail = 'document_invalid',
      hint = 'Send them in batches.';
  end if;
  for ordinal, v_document in
    select d.ordinality, d.document
    from jsonb_array_elements(import_agents.documents) with ordinality as d (document)
  loop
    external_key := v_document ->> 'external_key';
    code := null;
    message := null;
    begin
      select * into v_imported
      from private.import_agent_document(
        import_agents.organization_id, v_document, import_agents.dry_run);
      outcome := v_imported.outcome;
      agent_id := case
        when outcome <> 'created' or not import_agents.dry_run then (v_imported.agent).id
      end;
    exception when others then
      -- One refused document must not cost the others.
      get stacked diagnostics code = pg_exception_detail, message = message_text;
      code := case when sqlstate like 'PT%' then code else sqlstate end;
      outcome := 'refused';
      agent_id := null;
    end;
    return next;
  end loop;
end
$$;
comment on function public.import_agents(uuid, jsonb, boolean) is
  E'Imports up to 500 documents, each as import_agent does; a refused one does not stop the others.\nAnswers one row for each, in order: outcome is created, updated, unchanged or refused, the last with code and message. Importing the same again changes nothing where documents carry an external_key.';
grant execute on function public.import_agents(uuid, jsonb, boolean) to authenticated;

create function public.export_agent(agent_id uuid) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  v_agent public.agents;
  v_version public.agent_versions;
begin
  perform private.require_scope('agents:read');
  v_agent := private.require_agent(export_agent.agent_id, 'read');
  if exists (
    select from public.agent_access as x where x.agent_id = export_agent.agent_id and x.can_inspect
  ) then
    v_version := private.draft_version(export_agent.agent_id);
  else
    select * into v_version from public.agent_versions as v where v.id = v_agent.current_version_id;
    if not found then
      raise sqlstate 'PT409' using
        message = 'This agent has no published version.',
        detail = 'agent_not_published',
        hint = 'Ask its organization to publish one.';
    end if;
  end if;
  return private.agent_document(v_agent, v_version, private.version_configuration(v_version));
end
$$;
comment on function public.export_agent(uuid) is
  E'An agent as a document that import_agent takes, here or in another installation.\nThe draft, or to strangers the current version. A preset''s values are merged into its configuration; secrets are references.';
grant execute on function public.export_agent(uuid) to authenticated;

create function private.restore_agent_version(agent_version_id uuid) returns public.agents
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_version public.agent_versions;
  v_agent public.agents;
begin
  perform private.require_user();
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  select * into v_version
  from public.agent_versions as v
  where v.id = restore_agent_version.agent_version_id and private.can_read_agent(v.agent_id);
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such version.',
      detail = 'version_not_found',
      hint = 'Choose one from the agent''s history.';
  end if;
  v_agent := private.require_agent(v_version.agent_id, 'edit');

  update public.agents as a
  set name = v_version.name,
    system_prompt = v_version.system_prompt,
    user_prompt_template = v_version.user_prompt_template,
    model = v_version.model,
    temperature = v_version.temperature,
    max_tokens = v_version.max_tokens,
    configuration = private.version_configuration(v_version),
    -- The preset's values of then are in the configuration; the preset itself may differ by now.
    settings_id = null,
    memory_enabled = v_version.memory_enabled,
    memory_type = v_version.memory_type
  where a.id = v_version.agent_id
  returning * into v_agent;
  perform private.write_agent_definition(
    v_agent, private.agent_document(v_agent, v_version, v_agent.configuration));
  return v_agent;
end
$$;
create function public.restore_agent_version(agent_version_id uuid) returns public.agents
language sql volatile
set search_path = ''
as $$
  select private.restore_agent_version(agent_version_id)
$$;
comment on function public.restore_agent_version(uuid) is
  E'Copies an old version into the draft.\nNothing is published; tags, category and who sees the agent stay. Errors: version_not_found, not_allowed.';
grant execute on function private.restore_agent_version(uuid) to authenticated;
grant execute on function public.restore_agent_version(uuid) to authenticated;

create function private.fork_agent(agent_id uuid, organization_id uuid) returns public.agents
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_source public.agents;
  v_version public.agent_versions;
  v_fork public.agents;
begin
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  v_source := private.require_agent(fork_agent.agent_id, 'read');
  perform private.require_role(fork_agent.organization_id, 'member');

  select * into v_version from public.agent_versions as v where v.id = v_source.current_version_id;
  if not found then
    -- Strangers see published versions only.
    if not exists (
      select from public.agent_access as x where x.agent_id = v_source.id and x.can_inspect
    ) then
      raise sqlstate 'PT409' using
        message = 'This agent has no published version.',
        detail = 'agent_not_published',
        hint = 'Ask its organization to publish one.';
    end if;
    v_version := private.draft_version(v_source.id);
  end if;

  insert into public.agents (organization_id, created_by_id, name, description, icon, avatar_url,
    category, agent_type, system_prompt, user_prompt_template, model, temperature, max_tokens,
    configuration, memory_enabled, memory_type, forked_from_agent_id, forked_from_version_id)
  values (fork_agent.organization_id, auth.uid(), v_version.name, v_source.description,
    v_source.icon, v_source.avatar_url, v_source.category, v_source.agent_type, v_version.system_prompt,
    v_version.user_prompt_template, v_version.model, v_version.temperature, v_version.max_tokens,
    private.version_configuration(v_version), v_version.memory_enabled, v_version.memory_type,
    v_source.id, v_version.id)
  returning * into v_fork;
  perform private.write_agent_definition(
    v_fork, private.agent_document(v_source, v_version, v_fork.configuration));
  -- Copies within one organization say nothing about an agent's worth to others.
  if v_source.organization_id <> fork_agent.organization_id then
    perform private.add_agent_delta(v_source.id, 'fork_count', 1);
  end if;
  return v_fork;
end
$$;

create function public.fork_agent(agent_id uuid, organization_id uuid) returns public.agents
language sql volatile
set search_path = ''
as $$
  select private.fork_agent(agent_id, organization_id)
$$;
comment on function public.fork_agent(uuid, uuid) is
  E'Copies an agent that one can read into an organization of one''s own, as a private draft.\nCopies the current version; before the first publication its draft, for those who may see it. Tools that the organization lacks are made there. Errors: agent_not_found, organization_not_found, agent_not_published, agent_limit_reached.';
grant execute on function private.fork_agent(uuid, uuid) to authenticated;
grant execute on function public.fork_agent(uuid, uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Deletion and undo
-- ---------------------------------------------------------------------------------------------------

create function private.delete_agent(agent_id uuid) returns public.agents
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_agent public.agents;
begin
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  perform private.require_agent(delete_agent.agent_id, 'manage');
  -- Whoever uninstalls it at this moment takes the install first and the agent then.
  perform private.lock_install_of(delete_agent.agent_id);
  update public.agents as a set deleted_at = now() where a.id = delete_agent.agent_id
  returning * into v_agent;
  return v_agent;
end
$$;

create function public.delete_agent(agent_id uuid) returns public.agents
language sql volatile
set search_path = ''
as $$
  select private.delete_agent(agent_id)
$$;
comment on function public.delete_agent(uuid) is
  E'Deletes an agent; restore_agent brings it back within 30 days.\nIts creator and admins may. Past runs stay readable.';
grant execute on function private.delete_agent(uuid) to authenticated;
grant execute on function public.delete_agent(uuid) to authenticated;

create function private.restore_agent(agent_id uuid) returns public.agents
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_agent public.agents;
  v_role public.org_role;
begin
  perform private.require_user();
  perform private.require_scope('agents:read');
  perform private.require_scope('agents:write');
  select * into v_agent
  from public.agents as a
  where a.id = restore_agent.agent_id and a.deleted_at is not null
  for no key update;
  v_role := private.my_role(v_agent.organization_id);
  if v_role is null
    or (v_role < 'admin' and (v_role < 'member' or v_agent.created_by_id <> auth.uid()))
  then
    raise sqlstate 'PT404' using
      message = 'There is no such deleted agent.',
      detail = 'agent_not_found',
      hint = 'After 30 days it is gone for good.';
  end if;

  perform from public.organizations as o where o.id = v_agent.organization_id for no key update;
  if exists (
    select from public.agents as a
    where a.organization_id = v_agent.organization_id
      and a.external_key = v_agent.external_key
      and a.deleted_at is null
  ) then
    raise sqlstate 'PT409' using
      message = 'This agent was imported again meanwhile.',
      detail = 'external_key_taken',
      hint = 'Delete the newer one first.';
  end if;
  if exists (
    select from public.agents as a
    where a.organization_id = v_agent.organization_id
      and a.slug = v_agent.slug
      and a.deleted_at is null
  ) then
    v_agent.slug := private.free_agent_slug(v_agent.organization_id, v_agent.name);
  end if;
  update public.agents as a
  set deleted_at = null, slug = v_agent.slug
  where a.id = v_agent.id
  returning * into v_agent;
  perform private.enforce_agent_limit(v_agent.organization_id);
  return v_agent;
end
$$;

create function public.restore_agent(agent_id uuid) returns public.agents
language sql volatile
set search_path = ''
as $$
  select private.restore_agent(agent_id)
$$;
comment on function public.restore_agent(uuid) is
  E'Brings a deleted agent back.\nIts creator and admins may; it gets another slug when its own was taken meanwhile. Errors: agent_not_found, agent_limit_reached, external_key_taken.';
grant execute on function private.restore_agent(uuid) to authenticated;
grant execute on function public.restore_agent(uuid) to authenticated;

-- An organization's agents go and return with it, so that no rule about who sees what is public or
-- shared has to ask for the organization as well. Those that were deleted before stay so. Later contexts
-- lock what hangs on the agents in between: first all agents, then all of that, as for a single agent.
create function private.tg_organizations__lock_agents() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from public.agents as a
  where a.organization_id = new.id and a.deleted_at is not distinct from old.deleted_at
  order by a.id
  for no key update;
  return null;
end
$$;
comment on function private.tg_organizations__lock_agents() is
  'After a deletion or its undoing: the agents that go or return with their organization, in order.';
create trigger _500_lock_agents after update of deleted_at on public.organizations
  for each row when (old.deleted_at is distinct from new.deleted_at)
  execute function private.tg_organizations__lock_agents();

create function private.tg_organizations__delete_agents() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.agents as a
  set deleted_at = new.deleted_at
  where a.organization_id = new.id and a.deleted_at is not distinct from old.deleted_at;
  return null;
end
$$;
comment on function private.tg_organizations__delete_agents() is
  'After a deletion or its undoing: the agents that lived until then are deleted at the same time as their organization, and come back with it, whatever the limit says by now.';
create trigger _800_delete_agents after update of deleted_at on public.organizations
  for each row when (old.deleted_at is distinct from new.deleted_at)
  execute function private.tg_organizations__delete_agents();

insert into private.deletable_kinds (kind, relation, creator_column)
values ('agent', 'public.agents', 'created_by_id');

insert into private.personal_data (section, relation, user_column, while_member)
values
  ('agents', 'public.agents', 'created_by_id', true),
  ('agents_shared_with_you', 'public.agent_shares', 'user_id', false);

-- migrate:down
