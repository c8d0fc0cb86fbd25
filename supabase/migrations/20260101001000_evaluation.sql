-- migrate:up

-- Evaluation: how good an agent is. A suite holds test cases, each with a rubric; a run of a suite asks
-- one version of an agent every case, and scores what it answers: here, as far as rules decide, and by a
-- judging model in the worker where a rubric asks for one.

-- ===================================================================================================
-- Rubrics
-- ===================================================================================================
-- {"criteria": [{"type": ..., "weight": 1, ...}], "pass_score": 70}. A score is 0 to 100: the mean of the
-- criteria by weight. What is compared is the answer's text, or its JSON where JSON is expected.
--
--   exact        "expected" (or else the case's expected_output), "ignore_case"
--   contains     "values": texts, each worth its share; or else expected_output; "ignore_case", "negate"
--   regex        "pattern", "ignore_case"
--   json_schema  "schema": the keywords that private.json_schema_problem() knows
--   similarity   "expected" or expected_output: shared trigrams, 0 to 100
--   llm_judge    "instructions", "model"

create function private.json_schema_problem(schema jsonb, path text default 'schema') returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_key text;
  v_value jsonb;
  v_name text;
  v_problem text;
begin
  if jsonb_typeof(schema) = 'boolean' then
    return null;
  elsif jsonb_typeof(schema) is distinct from 'object' then
    return format('%s is not a schema', path);
  end if;
  for v_key, v_value in select * from jsonb_each(schema) loop
    case
      when v_key in ('$schema', '$id', 'title', 'description', 'default', 'examples', 'const') then
        null;
      when v_key = 'type' then
        if jsonb_path_exists(
          jsonb_build_array(v_value),
          '$[*][*] ? (@.type() != "string"
            || !(@ like_regex "^(null|boolean|number|integer|string|array|object)$"))')
        then
          return format('%s.type is no type of JSON', path);
        end if;
      when v_key in ('enum', 'required') then
        if jsonb_typeof(v_value) <> 'array' then
          return format('%s.%s is not a list', path, v_key);
        end if;
      when v_key in ('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength',
        'maxLength', 'minItems', 'maxItems') then
        if jsonb_typeof(v_value) <> 'number' then
          return format('%s.%s is not a number', path, v_key);
        end if;
      when v_key = 'pattern' then
        v_problem := private.pattern_problem(v_value);
        if v_problem is not null then
          return format('%s.pattern %s', path, v_problem);
        end if;
      when v_key in ('items', 'additionalProperties', 'not') then
        v_problem := private.json_schema_problem(v_value, format('%s.%s', path, v_key));
        if v_problem is not null then
          return v_problem;
        end if;
      when v_key in ('anyOf', 'allOf', 'oneOf') and jsonb_typeof(v_value) = 'array' then
        for v_value, v_name in
          select e.item, e.ordinality - 1
          from jsonb_array_elements(v_value) with ordinality as e (item)
        loop
          v_problem := private.json_schema_problem(v_value, format('%s.%s[%s]', path, v_key, v_name));
          if v_problem is not null then
            return v_problem;
          end if;
        end loop;
      when v_key = 'properties' and jsonb_typeof(v_value) = 'object' then
        for v_name, v_value in select * from jsonb_each(v_value) loop
          v_problem := private.json_schema_problem(v_value, format('%s.properties.%s', path, v_name));
          if v_problem is not null then
            return v_problem;
          end if;
        end loop;
      else
        return format('%s.%s is not supported', path, v_key);
    end case;
  end loop;
  return null;
end
$$;
comment on function private.json_schema_problem(jsonb, text) is
  'What is wrong with a JSON Schema, null when nothing. Known: type, enum, const, properties, required, additionalProperties, items, minItems, maxItems, minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, allOf, oneOf, not. Others are refused: a rule that nobody checks would seem to hold.';

create function private.pattern_problem(pattern jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(pattern) is distinct from 'string' or length(pattern #>> '{}') not between 1 and 1000 then
    return 'is not a text of 1 to 1000 characters';
  elsif pattern #>> '{}' ~ '\\[1-9]' then
    -- Matching them can take for ever.
    return 'has a back-reference';
  end if;
  perform '' ~ (pattern #>> '{}');
  return null;
exception when invalid_regular_expression then
  return 'is not a regular expression';
end
$$;
comment on function private.pattern_problem(jsonb) is
  'What is wrong with a regular expression (PostgreSQL''s), null when nothing.';

create function private.rubric_problem(rubric jsonb, expected jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_criterion jsonb;
  v_number integer;
  v_problem text;
begin
  if jsonb_typeof(rubric) is distinct from 'object'
    or jsonb_typeof(rubric -> 'criteria') is distinct from 'array'
    or jsonb_array_length(rubric -> 'criteria') not between 1 and 20
    or rubric - array['criteria', 'pass_score'] <> '{}'
  then
    return 'it is {"criteria": [1 to 20 of them], "pass_score": 70}';
  elsif coalesce(jsonb_typeof(rubric -> 'pass_score'), 'number') <> 'number'
    or not coalesce((rubric ->> 'pass_score')::numeric between 0 and 100, true)
  then
    return 'pass_score is a number from 0 to 100';
  end if;
  for v_criterion, v_number in
    select c.criterion, c.ordinality
    from jsonb_array_elements(rubric -> 'criteria') with ordinality as c (criterion)
  loop
    v_problem := case
      when jsonb_typeof(v_criterion) <> 'object' then 'is not an object'
      when coalesce(jsonb_typeof(v_criterion -> 'weight'), 'number') <> 'number'
        or not coalesce((v_criterion ->> 'weight')::numeric between 0.01 and 100, true)
        then 'has a weight that is not a number from 0.01 to 100'
      when exists (
        select from jsonb_object_keys(v_criterion) as k (key)
        where k.key <> all (
          array['type', 'weight'] || case v_criterion ->> 'type'
            when 'exact' then array['expected', 'ignore_case']
            when 'contains' then array['values', 'ignore_case', 'negate']
            when 'regex' then array['pattern', 'ignore_case']
            when 'json_schema' then array['schema']
            when 'similarity' then array['expected']
            when 'llm_judge' then array['instructions', 'model']
            else '{}'
          end)
      ) then 'has a field that its type does not know'
      when coalesce(jsonb_typeof(v_criterion -> 'ignore_case'), 'boolean') <> 'boolean'
        or coalesce(jsonb_typeof(v_criterion -> 'negate'), 'boolean') <> 'boolean'
        then 'has a switch that is neither true nor false'
    end;
    if v_problem is null then
      case v_criterion ->> 'type'
        when 'exact' then
          if coalesce(v_criterion -> 'expected', rubric_problem.expected, 'null') = 'null' then
            v_problem := 'has nothing to compare with: the case expects no output';
          end if;
        when 'similarity' then
          if jsonb_typeof(coalesce(v_criterion -> 'expected', rubric_problem.expected)) is distinct from 'string' then
            v_problem := 'compares with a text, and the case expects none';
          end if;
        when 'contains' then
          if not v_criterion ? 'values' then
            if jsonb_typeof(rubric_problem.expected) is distinct from 'string' or rubric_problem.expected = '""' then
              v_problem := 'has no values, and the case expects no text';
            end if;
          elsif jsonb_typeof(v_criterion -> 'values') <> 'array'
            or jsonb_array_length(v_criterion -> 'values') not between 1 and 100
            or jsonb_path_exists(v_criterion -> 'values', '$[*] ? (@.type() != "string" || @ == "")')
          then
            v_problem := 'has values that are not 1 to 100 texts';
          end if;
        when 'regex' then
          v_problem := 'has a pattern that ' || private.pattern_problem(v_criterion -> 'pattern');
        when 'json_schema' then
          v_problem := 'has a schema that cannot be checked: '
            || private.json_schema_problem(v_criterion -> 'schema');
        when 'llm_judge' then
          if jsonb_typeof(v_criterion -> 'instructions') is distinct from 'string'
            or length(v_criterion ->> 'instructions') not between 1 and 10000
          then
            v_problem := 'has no instructions of 1 to 10000 characters';
          elsif coalesce(v_criterion ->> 'model' !~ '^[a-z0-9][a-z0-9-]*/\S+$', false) then
            v_problem := 'has a model that is not <provider>/<name>';
          end if;
        else
          v_problem := 'has none of the types exact, contains, regex, json_schema, similarity, llm_judge';
      end case;
    end if;
    if v_problem is not null then
      return format('criterion %s %s', v_number, v_problem);
    end if;
  end loop;
  return null;
end
$$;
comment on function private.rubric_problem(jsonb, jsonb) is
  'What is wrong with a rubric beside an expected output, null when nothing.';

create function private.json_mismatch(schema jsonb, value jsonb, path text default 'The answer')
  returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  v_type text := jsonb_typeof(value);
  v_item jsonb;
  v_name text;
  v_problem text;
  v_length integer := case v_type
    when 'string' then length(value #>> '{}')
    when 'array' then jsonb_array_length(value)
  end;
  v_number numeric := case v_type when 'number' then (value #>> '{}')::numeric end;
begin
  if jsonb_typeof(schema) = 'boolean' then
    return case when schema = 'false' then format('%s must not be there.', path) end;
  end if;
  v_problem := case
    when schema ? 'type' and not exists (
      select from jsonb_path_query(jsonb_build_array(schema -> 'type'), '$[*][*]') as t (name)
      where t.name #>> '{}' = v_type
        or (t.name = '"integer"' and v_number = trunc(v_number))
    ) then format('is not of type %s', schema ->> 'type')
    when schema ? 'enum' and not exists (
      select from jsonb_array_elements(schema -> 'enum') as e (item) where e.item = json_mismatch.value
    ) then 'is none of the values'
    when schema ? 'const' and schema -> 'const' <> value then 'is not the value'
    when v_number < (schema ->> 'minimum')::numeric then 'is too small'
    when v_number > (schema ->> 'maximum')::numeric then 'is too large'
    when v_number <= (schema ->> 'exclusiveMinimum')::numeric then 'is too small'
    when v_number >= (schema ->> 'exclusiveMaximum')::numeric then 'is too large'
    when v_type = 'string' and v_length < (schema ->> 'minLength')::numeric then 'is too short'
    when v_type = 'string' and v_length > (schema ->> 'maxLength')::numeric then 'is too long'
    when v_type = 'string' and value #>> '{}' !~ (schema ->> 'pattern') then 'does not match the pattern'
    when v_type = 'array' and v_length < (schema ->> 'minItems')::numeric then 'has too few items'
    when v_type = 'array' and v_length > (schema ->> 'maxItems')::numeric then 'has too many items'
  end;
  if v_problem is not null then
    return format('%s %s.', path, v_problem);
  end if;

  if v_type = 'object' then
    select r.name #>> '{}' into v_name
    from jsonb_array_elements(schema -> 'required') as r (name)
    where not value ? (r.name #>> '{}')
    limit 1;
    if found then
      return format('%s lacks "%s".', path, v_name);
    end if;
    for v_name, v_item in select * from jsonb_each(value) loop
      v_problem := private.json_mismatch(
        coalesce(schema #> array['properties', v_name], schema -> 'additionalProperties', 'true'),
        v_item, format('%s.%s', path, v_name));
      if v_problem is not null then
        return v_problem;
      end if;
    end loop;
  elsif v_type = 'array' and schema ? 'items' then
    for v_item, v_name in
      select e.item, e.ordinality - 1
      from jsonb_array_elements(value) with ordinality as e (item)
    loop
      v_problem := private.json_mismatch(schema -> 'items', v_item, format('%s[%s]', path, v_name));
      if v_problem is not null then
        return v_problem;
      end if;
    end loop;
  end if;

  for v_item in select * from jsonb_array_elements(coalesce(schema -> 'allOf', '[]')) loop
    v_problem := private.json_mismatch(v_item, value, path);
    if v_problem is not null then
      return v_problem;
    end if;
  end loop;
  return case
    when schema ? 'anyOf' and not exists (
      select from jsonb_array_elements(schema -> 'anyOf') as s (item)
      where private.json_mismatch(s.item, value, path) is null
    ) then format('%s fits none of the alternatives.', path)
    when schema ? 'oneOf' and (
      select count(*) from jsonb_array_elements(schema -> 'oneOf') as s (item)
      where private.json_mismatch(s.item, value, path) is null
    ) <> 1 then format('%s does not fit exactly one of the alternatives.', path)
    when schema ? 'not' and private.json_mismatch(schema -> 'not', value, path) is null
      then format('%s is what it must not be.', path)
  end;
end
$$;
comment on function private.json_mismatch(jsonb, jsonb, text) is
  'Where a value breaks a JSON Schema that private.json_schema_problem() has accepted; null when it fits. As in JSON Schema 2020-12, for the keywords that are known.';

create function private.answer_text(output jsonb) returns text
language sql immutable
set search_path = ''
as $$
  select coalesce(output ->> 'text', output #>> '{}', '')
$$;
comment on function private.answer_text(jsonb) is 'The text of a run''s output.';

create function private.answer_json(output jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  -- Models like to wrap JSON into a fence of Markdown.
  select case when pg_input_is_valid(t.body, 'jsonb') then t.body::jsonb end
  from (
    select coalesce(
      substring(private.answer_text(output) from '^\s*```[a-z]*\s*\n(.*)\n\s*```\s*$'),
      private.answer_text(output))
  ) as t (body)
$$;
comment on function private.answer_json(jsonb) is 'The JSON that a run''s output is, null when it is none.';

create function private.score_criterion(
  criterion jsonb,
  expected jsonb,
  output jsonb,
  out score numeric,
  out feedback text
)
language plpgsql immutable
set search_path = ''
as $$
declare
  v_expected jsonb := coalesce(criterion -> 'expected', score_criterion.expected);
  v_text text := private.answer_text(output);
  v_folds_case boolean := coalesce((criterion ->> 'ignore_case')::boolean, false);
  v_values text[];
  v_odd text[];
begin
  case criterion ->> 'type'
    when 'exact' then
      score := case
        when jsonb_typeof(v_expected) = 'string' and v_folds_case
          then lower(btrim(v_text, E' \t\r\n')) = lower(btrim(v_expected #>> '{}', E' \t\r\n'))
        when jsonb_typeof(v_expected) = 'string'
          then btrim(v_text, E' \t\r\n') = btrim(v_expected #>> '{}', E' \t\r\n')
        else coalesce(private.answer_json(output) = v_expected, output = v_expected)
      end::integer * 100;
      feedback := case when score = 0 then 'Differs from what is expected.' end;
    when 'contains' then
      v_values := case
        when criterion ? 'values' then array(select jsonb_array_elements_text(criterion -> 'values'))
        else array[v_expected #>> '{}']
      end;
      v_odd := array(
        select v.value
        from unnest(v_values) as v (value)
        where case
            when v_folds_case then strpos(lower(v_text), lower(v.value)) > 0
            else strpos(v_text, v.value) > 0
          end = coalesce((criterion ->> 'negate')::boolean, false));
      score := 100.0 * (cardinality(v_values) - cardinality(v_odd)) / cardinality(v_values);
      feedback := case when v_odd <> '{}' then format(
        case when (criterion ->> 'negate')::boolean then 'Contains: %s.' else 'Lacks: %s.' end,
        array_to_string(v_odd, ', ')) end;
    when 'regex' then
      score := case
        when v_folds_case then v_text ~* (criterion ->> 'pattern')
        else v_text ~ (criterion ->> 'pattern')
      end::integer * 100;
      feedback := case when score = 0 then 'Does not match the pattern.' end;
    when 'json_schema' then
      feedback := case
        when private.answer_json(output) is null then 'The answer is not JSON.'
        else private.json_mismatch(criterion -> 'schema', private.answer_json(output))
      end;
      score := (feedback is null)::integer * 100;
    when 'similarity' then
      score := extensions.similarity(v_text, v_expected #>> '{}') * 100;
    else
      -- The judge's.
      null;
  end case;
  score := round(score, 2);
end
$$;
comment on function private.score_criterion(jsonb, jsonb, jsonb) is
  'What an output scores by one criterion, 0 to 100, and what is wrong with it; null for llm_judge, which the worker asks.';

-- ===================================================================================================
-- Suites
-- ===================================================================================================

-- A suite of an agent is seen by who sees the agent. One that is required holds back the agent's next
-- version until a run of the draft has passed: the agent's creator and admins say so.
create table public.eval_suites (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations (id) on delete cascade,
  agent_id uuid,
  created_by_id uuid not null default auth.uid() references public.profiles (id),
  name text not null
    constraint name_is_1_to_255_characters check (char_length(name) between 1 and 255 and name ~ '\S'),
  description text
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  config jsonb not null default '{}'
    constraint config_is_an_object check (jsonb_typeof(config) = 'object')
    constraint config_is_at_most_64_kb check (octet_length(config::text) <= 65536)
    constraint minimum_pass_rate_is_0_to_1 check (
      case jsonb_typeof(config -> 'minimum_pass_rate')
        when 'number' then (config ->> 'minimum_pass_rate')::numeric between 0 and 1
        else not config ? 'minimum_pass_rate'
      end),
  is_required boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, organization_id),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade
);
alter table public.eval_suites enable row level security;

-- An organization's suites, newest first.
create index eval_suites_organization_id_idx
  on public.eval_suites (organization_id, created_at desc, id);
-- An agent's suites, and what its publication waits for; the foreign key.
create index eval_suites_agent_id_idx on public.eval_suites (agent_id) where agent_id is not null;
-- The foreign key.
create index eval_suites_created_by_id_idx on public.eval_suites (created_by_id);

create function private.require_gatekeeper(agent_ids uuid[]) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  -- Only direct writes of API callers run as `authenticated`; operators and definer functions pass.
  if current_user <> 'authenticated' then
    return;
  end if;
  if exists (
    select
    from unnest(agent_ids) as i (id)
    where i.id is not null
      and not exists (
        select from public.agent_access as a where a.agent_id = i.id and a.can_manage)
  ) then
    raise sqlstate 'PT403' using
      message = 'Only the agent''s creator or an admin says what its versions have to pass.',
      detail = 'not_allowed',
      hint = 'Ask an admin of the organization.';
  end if;
end
$$;
comment on function private.require_gatekeeper(uuid[]) is
  'Refuses API callers who do not manage each of these agents.';
grant execute on function private.require_gatekeeper(uuid[]) to authenticated, service_role;

create function private.tg_eval_suites__check_required() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_gatekeeper(case tg_op
    when 'INSERT' then array[new.agent_id]
    when 'UPDATE' then array[new.agent_id, old.agent_id]
    else array[old.agent_id]
  end);
  return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function private.tg_eval_suites__check_required() is
  'Before a suite becomes required or ceases to be, by being edited, moved to another agent or deleted; and before a required one asks for more or less.';

create trigger _100_check_required_on_insert before insert on public.eval_suites
  for each row when (new.is_required)
  execute function private.tg_eval_suites__check_required();
create trigger _110_check_required before update of is_required, agent_id, config
  on public.eval_suites
  for each row when (
    old.is_required is distinct from new.is_required
    or (
      old.is_required
      and (old.agent_id, old.config -> 'minimum_pass_rate')
        is distinct from (new.agent_id, new.config -> 'minimum_pass_rate')))
  execute function private.tg_eval_suites__check_required();
create trigger _120_check_required_on_delete before delete on public.eval_suites
  for each row when (old.is_required)
  execute function private.tg_eval_suites__check_required();
create trigger _200_set_updated_at before update on public.eval_suites
  for each row execute function private.tg_set_updated_at();

-- NOTE: organization_id and created_by_id never change.
grant select, delete on public.eval_suites to authenticated;
grant insert (organization_id, agent_id, name, description, config, is_required)
  on public.eval_suites to authenticated;
grant update (agent_id, name, description, config, is_required)
  on public.eval_suites to authenticated;

create policy eval_suites_select_member on public.eval_suites
  for select to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('viewer')))
    and (agent_id is null
      or exists (select from public.agents as a where a.id = eval_suites.agent_id)));
create policy eval_suites_insert_member on public.eval_suites
  for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('member')))
    and (agent_id is null
      or exists (select from public.agents as a where a.id = eval_suites.agent_id)));
create policy eval_suites_update_member on public.eval_suites
  for update to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('member')))
    and (agent_id is null
      or exists (select from public.agents as a where a.id = eval_suites.agent_id)))
  with check (
    organization_id = any (array(select private.my_organization_ids('member')))
    and (agent_id is null
      or exists (select from public.agents as a where a.id = eval_suites.agent_id)));
create policy eval_suites_delete_creator on public.eval_suites
  for delete to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (
      created_by_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))));
create policy eval_suites_select_scope on public.eval_suites as restrictive
  for select to authenticated
  using ((select private.has_scope('evaluation:read')));
create policy eval_suites_insert_scope on public.eval_suites as restrictive
  for insert to authenticated
  with check ((select private.has_scope('evaluation:write')));
create policy eval_suites_update_scope on public.eval_suites as restrictive
  for update to authenticated
  using ((select private.has_scope('evaluation:write')));
create policy eval_suites_delete_scope on public.eval_suites as restrictive
  for delete to authenticated
  using ((select private.has_scope('evaluation:write')));

comment on table public.eval_suites is
  E'Suites of test cases, of one agent or for any of the organization.\nMembers create and edit; their creator and admins delete. Run with run_eval_suite().';
comment on column public.eval_suites.config is
  'minimum_pass_rate (0 to 1, 1 when left out): the part of the cases that must pass for a run to pass. Anything else is yours.';
comment on column public.eval_suites.is_required is
  'The agent''s draft must pass it before it is published. Only the agent''s creator and admins set it, and while it is set, only they change the cases and the minimum_pass_rate.';

-- ===================================================================================================
-- Test cases
-- ===================================================================================================

create table public.eval_test_cases (
  id uuid primary key default private.uuid_v7(),
  suite_id uuid not null references public.eval_suites (id) on delete cascade,
  created_by_id uuid not null default auth.uid() references public.profiles (id),
  name text not null
    constraint name_is_1_to_255_characters check (char_length(name) between 1 and 255 and name ~ '\S'),
  description text
    constraint description_is_at_most_5000_characters check (char_length(description) <= 5000),
  input jsonb not null
    constraint input_is_what_agents_take check (
      jsonb_typeof(input) = 'object'
      and input - array['message', 'parameters'] = '{}'
      and coalesce(jsonb_typeof(input -> 'message'), 'string') = 'string'
      and coalesce(jsonb_typeof(input -> 'parameters'), 'object') = 'object')
    constraint input_is_at_most_256_kb check (octet_length(input::text) <= 262144),
  expected_output jsonb
    constraint expected_output_is_at_most_256_kb check (octet_length(expected_output::text) <= 262144),
  scoring_rubric jsonb not null default '{"criteria": [{"type": "exact"}]}'
    constraint scoring_rubric_is_at_most_64_kb check (octet_length(scoring_rubric::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.eval_test_cases enable row level security;

-- The cases of a suite in the order in which they were made; the foreign key.
create index eval_test_cases_suite_id_idx on public.eval_test_cases (suite_id, id);
-- The foreign key.
create index eval_test_cases_created_by_id_idx on public.eval_test_cases (created_by_id);

create function private.tg_eval_test_cases__check() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_problem text := private.rubric_problem(new.scoring_rubric, new.expected_output);
begin
  if v_problem is not null then
    raise sqlstate 'PT400' using
      message = format('The rubric of "%s" cannot be scored: %s.', new.name, v_problem),
      detail = 'rubric_invalid',
      hint = 'Correct what the message names; docs/evaluation.md lists the criteria.';
  end if;
  if tg_op = 'INSERT' then
    -- One after the other, so that the limit holds.
    perform from public.eval_suites as s where s.id = new.suite_id for no key update;
    if (select count(*) from public.eval_test_cases as c where c.suite_id = new.suite_id) >= 500 then
      raise sqlstate 'PT409' using
        message = 'A suite has at most 500 cases.',
        detail = 'eval_case_limit_reached',
        hint = 'Delete cases, or make another suite.';
    end if;
  end if;
  return new;
end
$$;
comment on function private.tg_eval_test_cases__check() is
  'Before insert or update: a rubric that can be scored, and no more than 500 cases a suite.';
create trigger _100_check before insert or update on public.eval_test_cases
  for each row execute function private.tg_eval_test_cases__check();

create function private.tg_eval_test_cases__check_required() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_gatekeeper(array(
    select s.agent_id
    from public.eval_suites as s
    where s.id in (new.suite_id, old.suite_id) and s.is_required));
  return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function private.tg_eval_test_cases__check_required() is
  'Before any change: what a required suite asks is said by whoever may say that it is required.';
create trigger _110_check_required before insert or update or delete on public.eval_test_cases
  for each row execute function private.tg_eval_test_cases__check_required();

create function private.tg_eval_test_cases__lock_runs() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from public.eval_runs as r where r.suite_id = old.suite_id order by r.id for no key update;
  return old;
end
$$;
comment on function private.tg_eval_test_cases__lock_runs() is
  'Before delete: the runs first, then their results, which forget the case. Who scores an answer locks in the same order.';
create trigger _120_lock_runs before delete on public.eval_test_cases
  for each row execute function private.tg_eval_test_cases__lock_runs();

create trigger _200_set_updated_at before update on public.eval_test_cases
  for each row execute function private.tg_set_updated_at();

grant select, delete on public.eval_test_cases to authenticated;
grant insert (suite_id, name, description, input, expected_output, scoring_rubric)
  on public.eval_test_cases to authenticated;
grant update (name, description, input, expected_output, scoring_rubric)
  on public.eval_test_cases to authenticated;

create policy eval_test_cases_select_member on public.eval_test_cases
  for select to authenticated
  using (exists (select from public.eval_suites as s where s.id = eval_test_cases.suite_id));
create policy eval_test_cases_insert_member on public.eval_test_cases
  for insert to authenticated
  with check (
    created_by_id = (select auth.uid())
    and exists (
      select from public.eval_suites as s
      where s.id = eval_test_cases.suite_id
        and s.organization_id = any (array(select private.my_organization_ids('member')))));
create policy eval_test_cases_update_member on public.eval_test_cases
  for update to authenticated
  using (exists (
    select from public.eval_suites as s
    where s.id = eval_test_cases.suite_id
      and s.organization_id = any (array(select private.my_organization_ids('member')))))
  with check (exists (
    select from public.eval_suites as s
    where s.id = eval_test_cases.suite_id
      and s.organization_id = any (array(select private.my_organization_ids('member')))));
create policy eval_test_cases_delete_creator on public.eval_test_cases
  for delete to authenticated
  using (exists (
    select from public.eval_suites as s
    where s.id = eval_test_cases.suite_id
      and (
        s.organization_id = any (array(select private.my_organization_ids('admin')))
        or (
          eval_test_cases.created_by_id = (select auth.uid())
          and s.organization_id = any (array(select private.my_organization_ids('member')))))));
create policy eval_test_cases_select_scope on public.eval_test_cases as restrictive
  for select to authenticated
  using ((select private.has_scope('evaluation:read')));
create policy eval_test_cases_insert_scope on public.eval_test_cases as restrictive
  for insert to authenticated
  with check ((select private.has_scope('evaluation:write')));
create policy eval_test_cases_update_scope on public.eval_test_cases as restrictive
  for update to authenticated
  using ((select private.has_scope('evaluation:write')));
create policy eval_test_cases_delete_scope on public.eval_test_cases as restrictive
  for delete to authenticated
  using ((select private.has_scope('evaluation:write')));

comment on table public.eval_test_cases is
  E'What an agent is asked, and how its answer is scored.\nMembers create and edit; their creator and admins delete. Those of a required suite only the agent''s creator and admins change. Runs keep the case as it was.';
comment on column public.eval_test_cases.input is 'As in run_agent: {"message": "...", "parameters": {"name": value}}.';
comment on column public.eval_test_cases.expected_output is 'A text, or JSON that the answer should be.';
comment on column public.eval_test_cases.scoring_rubric is
  '{"criteria": [{"type": "exact"|"contains"|"regex"|"json_schema"|"similarity"|"llm_judge", "weight": 1, ...}], "pass_score": 70}.';

create function private.eval_suite_digest(suite_id uuid) returns bytea
language sql stable
set search_path = ''
as $$
  select sha256(convert_to(
    jsonb_build_array(
      s.config -> 'minimum_pass_rate',
      (select jsonb_agg(
         jsonb_build_array(c.id, c.input, c.expected_output, c.scoring_rubric) order by c.id)
       from public.eval_test_cases as c
       where c.suite_id = s.id))::text, 'UTF8'))
  from public.eval_suites as s
  where s.id = eval_suite_digest.suite_id
$$;
comment on function private.eval_suite_digest(uuid) is
  'A hash over what a suite asks for: a run counts for a publication only while this is what it was.';

-- ===================================================================================================
-- Runs of suites
-- ===================================================================================================

create table public.eval_runs (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  suite_id uuid not null,
  agent_id uuid not null,
  agent_version_id uuid not null,
  user_id uuid not null references public.profiles (id),
  suite_digest bytea not null,
  minimum_pass_rate numeric not null default 1 check (minimum_pass_rate between 0 and 1),
  status text not null default 'pending'
    constraint status_is_known check (status in ('pending', 'running', 'completed', 'failed')),
  total_tests integer not null default 0,
  passed_tests integer not null default 0,
  failed_tests integer not null default 0,
  average_score numeric(5, 2),
  is_passed boolean not null generated always as (
    status = 'completed' and total_tests > 0 and passed_tests >= total_tests * minimum_pass_rate) stored,
  started_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (suite_id, organization_id)
    references public.eval_suites (id, organization_id) on delete cascade,
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  foreign key (agent_version_id, agent_id)
    references public.agent_versions (id, agent_id) on delete cascade,
  constraint a_finished_eval_has_an_end
    check ((status in ('completed', 'failed')) = (completed_at is not null))
);
alter table public.eval_runs enable row level security;

-- An organization's runs, newest first.
create index eval_runs_organization_id_idx on public.eval_runs (organization_id, id desc);
-- The history of a suite, of an agent, newest first; the foreign keys.
create index eval_runs_suite_id_idx on public.eval_runs (suite_id, id desc);
create index eval_runs_agent_id_idx on public.eval_runs (agent_id, id desc);
-- The foreign keys.
create index eval_runs_agent_version_id_idx on public.eval_runs (agent_version_id);
create index eval_runs_user_id_idx on public.eval_runs (user_id);

create trigger _100_set_updated_at before update on public.eval_runs
  for each row execute function private.tg_set_updated_at();

-- NOTE: run_eval_suite() writes; what follows is the platform's.
grant select, delete on public.eval_runs to authenticated;

create policy eval_runs_select_member on public.eval_runs
  for select to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('viewer')))
    and exists (select from public.agents as a where a.id = eval_runs.agent_id));
create policy eval_runs_delete_creator on public.eval_runs
  for delete to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (
      user_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))));
create policy eval_runs_select_scope on public.eval_runs as restrictive
  for select to authenticated
  using ((select private.has_scope('evaluation:read')));
create policy eval_runs_delete_scope on public.eval_runs as restrictive
  for delete to authenticated
  using ((select private.has_scope('evaluation:write')));

comment on table public.eval_runs is
  E'Runs of suites, with their totals.\nMembers who see the agent read; newest first is order=id.desc. Started by run_eval_suite().';
comment on column public.eval_runs.user_id is 'Who started it.';
comment on column public.eval_runs.suite_digest is 'SHA-256 over the cases as they were: the same cases have the same.';
comment on column public.eval_runs.minimum_pass_rate is 'The suite''s, as it was.';
comment on column public.eval_runs.status is
  'pending; running from its first answer on; completed; failed: no case could be scored.';
comment on column public.eval_runs.failed_tests is 'Answers below the pass score, and runs that brought no answer.';
comment on column public.eval_runs.average_score is 'Of the answers that were scored, 0 to 100.';

-- ---------------------------------------------------------------------------------------------------
-- eval_results: one case in one run. Whoever changes one locks its run first, so that results that
-- come in at once are all counted.
-- ---------------------------------------------------------------------------------------------------
create table public.eval_results (
  id uuid primary key default private.uuid_v7(),
  run_id uuid not null references public.eval_runs (id) on delete cascade,
  test_case_id uuid references public.eval_test_cases (id) on delete set null,
  test_case jsonb not null,
  execution_id uuid not null unique,
  status text not null default 'pending'
    constraint status_is_known check (status in ('pending', 'judging', 'passed', 'failed', 'error')),
  score numeric(5, 2)
    constraint score_is_0_to_100 check (score between 0 and 100),
  criteria jsonb not null default '[]',
  actual_output jsonb,
  feedback text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint a_verdict_has_a_score check ((status in ('passed', 'failed')) = (score is not null))
);
alter table public.eval_results enable row level security;

-- The results of a run in the order of its cases; the foreign key.
create index eval_results_run_id_idx on public.eval_results (run_id, id);
-- How a case fared over time; the foreign key.
create index eval_results_test_case_id_idx on public.eval_results (test_case_id, id desc)
  where test_case_id is not null;

create function private.tg_eval_results__count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from public.eval_runs as r
  where r.id in (select c.run_id from changed as c)
  order by r.id
  for no key update;
  update public.eval_runs as r
  set total_tests = n.total,
    passed_tests = n.passed,
    failed_tests = n.failed,
    average_score = n.average,
    status = n.status,
    started_at = case when n.status = 'pending' then null else coalesce(r.started_at, now()) end,
    completed_at = case when n.status in ('completed', 'failed') then coalesce(r.completed_at, now()) end
  from (select distinct c.run_id as id from changed as c) as run
    cross join lateral (
      select
        count(*) as total,
        count(*) filter (where e.status = 'passed') as passed,
        count(*) filter (where e.status in ('failed', 'error')) as failed,
        round(avg(e.score), 2) as average,
        case
          when bool_and(e.status = 'pending') then 'pending'
          when bool_or(e.status in ('pending', 'judging')) then 'running'
          when bool_and(e.status = 'error') then 'failed'
          when count(*) > 0 then 'completed'
          else 'pending'
        end as status
      from public.eval_results as e
      where e.run_id = run.id
    ) as n
  where r.id = run.id;
  return null;
end
$$;
comment on function private.tg_eval_results__count() is
  'After any change of results: status, totals and average of their runs, counted anew.';

create trigger _100_set_updated_at before update on public.eval_results
  for each row execute function private.tg_set_updated_at();
create trigger _200_count_on_insert after insert on public.eval_results
  referencing new table as changed
  for each statement execute function private.tg_eval_results__count();
create trigger _200_count after update on public.eval_results
  referencing new table as changed
  for each statement execute function private.tg_eval_results__count();
create trigger _200_count_on_delete after delete on public.eval_results
  referencing old table as changed
  for each statement execute function private.tg_eval_results__count();

-- NOTE: select only: the platform scores.
grant select on public.eval_results to authenticated;

create policy eval_results_select_member on public.eval_results
  for select to authenticated
  using (exists (select from public.eval_runs as r where r.id = eval_results.run_id));
create policy eval_results_select_scope on public.eval_results as restrictive
  for select to authenticated
  using ((select private.has_scope('evaluation:read')));

comment on table public.eval_results is
  E'How one case fared in one run of its suite.\nWhoever reads the run reads them.';
comment on column public.eval_results.test_case is 'The case as it was: name, input, expected_output, scoring_rubric.';
comment on column public.eval_results.execution_id is 'The run of the agent that answered.';
comment on column public.eval_results.status is
  'pending: no answer yet; judging: a model is asked; passed, failed: by the rubric''s pass_score; error: no answer, or none that could be scored.';
comment on column public.eval_results.score is '0 to 100: the mean of the criteria by weight.';
comment on column public.eval_results.criteria is '[{"type", "weight", "score", "feedback"}], in the order of the rubric.';
comment on column public.eval_results.feedback is 'What was wrong, for people.';

create function private.check_eval_counts()
  returns table (counter text, id uuid, stored numeric, counted numeric)
language sql stable
set search_path = ''
as $$
  select t.counter, r.id, t.stored, t.counted
  from public.eval_runs as r
    cross join lateral (
      select
        count(*) as total,
        count(*) filter (where e.status = 'passed') as passed,
        count(*) filter (where e.status in ('failed', 'error')) as failed
      from public.eval_results as e
      where e.run_id = r.id
    ) as n
    cross join lateral (values
      ('eval_runs.total_tests', r.total_tests, n.total),
      ('eval_runs.passed_tests', r.passed_tests, n.passed),
      ('eval_runs.failed_tests', r.failed_tests, n.failed)
    ) as t (counter, stored, counted)
  where t.stored <> t.counted
$$;
comment on function private.check_eval_counts() is 'For private.recount().';
insert into private.counter_checks (name, check_function)
values ('evaluation', 'private.check_eval_counts()');

-- ===================================================================================================
-- Scoring
-- ===================================================================================================

-- What a model has to judge. A worker that dies in the middle leaves it to the next in five minutes.
create table private.eval_judgments (
  result_id uuid primary key references public.eval_results (id) on delete cascade,
  available_at timestamptz not null default now(),
  attempts integer not null default 0
);
-- What is due.
create index eval_judgments_available_at_idx on private.eval_judgments (available_at);
comment on table private.eval_judgments is 'Results that wait for a judging model, from available_at on.';

create function private.finish_eval_result(result_id uuid, output jsonb, criteria jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_score numeric;
begin
  v_score := (
    select round(sum((c.criterion ->> 'score')::numeric * (c.criterion ->> 'weight')::numeric)
      / sum((c.criterion ->> 'weight')::numeric), 2)
    from jsonb_array_elements(finish_eval_result.criteria) as c (criterion));
  update public.eval_results as e
  set actual_output = finish_eval_result.output,
    criteria = finish_eval_result.criteria,
    score = v_score,
    status = case
      when v_score >= coalesce((e.test_case #>> '{scoring_rubric,pass_score}')::numeric, 70) then 'passed'
      else 'failed'
    end,
    feedback = (
      select string_agg(c.criterion ->> 'feedback', ' ' order by c.ordinality)
      from jsonb_array_elements(finish_eval_result.criteria) with ordinality as c (criterion))
  where e.id = finish_eval_result.result_id;
end
$$;
comment on function private.finish_eval_result(uuid, jsonb, jsonb) is
  'Gives a result its verdict, when every criterion has a score.';

create function private.score_eval_result(result public.eval_results, output jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_criteria jsonb;
begin
  select jsonb_agg(
    jsonb_build_object(
      'type', c.criterion -> 'type',
      'weight', coalesce(c.criterion -> 'weight', '1'),
      'score', s.score,
      'feedback', s.feedback)
    order by c.ordinality)
  into v_criteria
  from jsonb_array_elements(result.test_case #> '{scoring_rubric,criteria}') with ordinality as c (criterion)
    cross join lateral private.score_criterion(
      c.criterion, result.test_case -> 'expected_output', score_eval_result.output) as s;

  if v_criteria @> '[{"type": "llm_judge"}]' then
    update public.eval_results as e
    set status = 'judging', criteria = v_criteria, actual_output = score_eval_result.output
    where e.id = result.id;
    insert into private.eval_judgments (result_id) values (result.id);
    perform pg_notify('agentry_evals', '');
  else
    perform private.finish_eval_result(result.id, score_eval_result.output, v_criteria);
  end if;
end
$$;
comment on function private.score_eval_result(public.eval_results, jsonb) is
  'Scores an answer by the rules of its case, and asks for a judge where the rubric wants one.';

create function private.fail_eval_result(result_id uuid, reason text) returns void
language sql
set search_path = ''
as $$
  update public.eval_results as e
  set status = 'error', feedback = left(fail_eval_result.reason, 2000)
  where e.id = fail_eval_result.result_id
$$;
comment on function private.fail_eval_result(uuid, text) is 'There is no answer, or none that could be scored.';

create function private.tg_executions__score() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_result public.eval_results;
begin
  perform from public.eval_runs as r
  where r.id = (select e.run_id from public.eval_results as e where e.execution_id = new.id)
  for no key update;
  select * into v_result
  from public.eval_results as e
  where e.execution_id = new.id and e.status = 'pending';
  if not found then
    return null;
  end if;
  if new.status = 'completed' then
    begin
      perform private.score_eval_result(v_result, new.output);
    exception
      when transaction_rollback or lock_not_available then
        -- Says nothing about the answer: whoever ended the run tries again.
        raise;
      when others then
        -- An answer that cannot be scored must not cost the run its end.
        perform private.fail_eval_result(v_result.id, sqlerrm);
    end;
  else
    perform private.fail_eval_result(
      v_result.id, coalesce(new.error_message, new.error_code, 'The run was cancelled.'));
  end if;
  return null;
end
$$;
comment on function private.tg_executions__score() is
  'A run that a suite asked for has ended: its answer is scored. Takes the lock on the suite''s run, in the order of executions, before the totals.';

create trigger _180_score after update of status on public.executions
  for each row when (
    new.trigger_source = 'eval' and old.completed_at is null and new.completed_at is not null)
  execute function private.tg_executions__score();

create function private.claim_eval_judgments(count integer default 10)
returns table (
  result_id uuid,
  organization_id uuid,
  user_id uuid,
  agent_model text,
  test_case jsonb,
  actual_output jsonb
)
language sql volatile
set search_path = ''
as $$
  with claimed as (
    update private.eval_judgments as j
    set available_at = now() + interval '5 minutes', attempts = j.attempts + 1
    where j.result_id in (
      select d.result_id
      from private.eval_judgments as d
      where d.available_at <= now() and d.attempts < 5
      order by d.available_at
      limit claim_eval_judgments.count
      for update skip locked)
    returning j.result_id
  )
  select e.id, r.organization_id, r.user_id, v.model, e.test_case, e.actual_output
  from claimed as c
    join public.eval_results as e on e.id = c.result_id
    join public.eval_runs as r on r.id = e.run_id
    join public.agent_versions as v on v.id = r.agent_version_id
$$;
comment on function private.claim_eval_judgments(integer) is
  'For workers (woken by agentry_evals): answers to judge, with the case and its rubric; each must be ended by record_eval_result within five minutes, and is handed out five times at most. A criterion without a model is judged by the agent''s own, with the tokens of user and organization.';

create function private.record_eval_result(
  result_id uuid,
  judgments jsonb,
  error text default null
) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
  v_result public.eval_results;
  v_criteria jsonb;
begin
  perform from public.eval_runs as r
  where r.id = (select e.run_id from public.eval_results as e where e.id = record_eval_result.result_id)
  for no key update;
  select * into v_result
  from public.eval_results as e
  where e.id = record_eval_result.result_id and e.status = 'judging';
  if not found then
    return 'superseded';
  end if;
  delete from private.eval_judgments as j where j.result_id = v_result.id;
  if error is not null then
    perform private.fail_eval_result(v_result.id, error);
    return 'error';
  end if;

  select jsonb_agg(
    case c.criterion ->> 'type'
      when 'llm_judge' then c.criterion || jsonb_build_object(
        'score', case when j.judgment is not null
          then round(least(greatest((j.judgment ->> 'score')::numeric, 0), 100), 2) end,
        'feedback', left(j.judgment ->> 'feedback', 2000))
      else c.criterion
    end
    order by c.ordinality)
  into v_criteria
  from jsonb_array_elements(v_result.criteria) with ordinality as c (criterion)
    left join lateral (
      select g.judgment
      from jsonb_array_elements(record_eval_result.judgments) as g (judgment)
      where (g.judgment ->> 'criterion')::integer = c.ordinality - 1
        and jsonb_typeof(g.judgment -> 'score') = 'number'
      limit 1
    ) as j on true;
  if v_criteria @> '[{"score": null}]' then
    perform private.fail_eval_result(v_result.id, 'The judging model left a criterion without a score.');
    return 'error';
  end if;
  perform private.finish_eval_result(v_result.id, v_result.actual_output, v_criteria);
  return (select e.status from public.eval_results as e where e.id = v_result.id);
end
$$;
comment on function private.record_eval_result(uuid, jsonb, text) is
  'For workers: what the judge said, [{"criterion": 0, "score": 0 to 100, "feedback": "..."}] with the place in the rubric, or why it said nothing. Answers passed, failed, error, or superseded when the result has its verdict.';

create function private.end_eval_judgments() returns integer
language plpgsql volatile
set search_path = ''
as $$
declare
  v_result_ids uuid[];
begin
  -- A judge that failed five times will fail again, and a run must end where no worker knows judges.
  v_result_ids := array(
    select j.result_id
    from private.eval_judgments as j
    where j.available_at <= now()
      and (j.attempts >= 5 or j.available_at <= now() - interval '1 hour'));
  perform from public.eval_runs as r
  where r.id in (select e.run_id from public.eval_results as e where e.id = any (v_result_ids))
  order by r.id
  for no key update;
  perform private.record_eval_result(
    j.result_id, null,
    case
      when j.attempts >= 5 then 'The judging model did not answer in five attempts.'
      else 'For an hour nobody has asked the judging model.'
    end)
  from private.eval_judgments as j
  -- Unless a worker has taken it meanwhile.
  where j.result_id = any (v_result_ids) and j.available_at <= now();
  return cardinality(v_result_ids);
end
$$;
comment on function private.end_eval_judgments() is
  'Upkeep: results for which a judge was asked five times in vain, or has not been asked for an hour, end with the reason as their feedback; answers with how many.';
insert into private.upkeep_tasks (name, task, every)
values ('end eval judgments', 'private.end_eval_judgments()', interval '1 minute');

-- ===================================================================================================
-- What people call
-- ===================================================================================================

create function private.run_eval_suite(suite_id uuid, agent_version_id uuid) returns public.eval_runs
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_suite public.eval_suites;
  v_agent public.agents;
  v_version public.agent_versions;
  v_case public.eval_test_cases;
  v_execution public.executions;
  v_new public.executions;
  v_run public.eval_runs;
  v_results public.eval_results[];
  v_result public.eval_results;
begin
  perform private.require_scope('evaluation:run');
  select * into v_suite
  from public.eval_suites as s
  where s.id = run_eval_suite.suite_id
    and private.my_role(s.organization_id) is not null
    and (s.agent_id is null or private.can_read_agent(s.agent_id));
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such suite.',
      detail = 'eval_suite_not_found', hint = 'It may be deleted, or belong to another organization.';
  end if;
  perform private.require_role(v_suite.organization_id, 'member');

  if run_eval_suite.agent_version_id is null then
    if v_suite.agent_id is null then
      raise sqlstate 'PT400' using message = 'This suite is for any agent: say which version to ask.',
        detail = 'agent_version_missing', hint = 'Send agent_version_id.';
    end if;
    v_agent := private.require_agent(v_suite.agent_id, 'run');
    -- Editors want to know how good what they edit is; others have the published version.
    v_version.id := case
      when private.can_edit_agent(v_agent.id) then private.freeze_draft(v_agent.id)
      else v_agent.current_version_id
    end;
    if v_version.id is null then
      raise sqlstate 'PT409' using message = 'This agent has no published version yet.',
        detail = 'agent_not_published', hint = 'Ask whoever may edit it to publish one.';
    end if;
  else
    v_version.id := run_eval_suite.agent_version_id;
  end if;
  select v.* into v_version
  from public.agent_versions as v
  where v.id = v_version.id
    and v.organization_id = v_suite.organization_id
    and (v_suite.agent_id is null or v.agent_id = v_suite.agent_id)
    and private.can_read_agent(v.agent_id)
    -- What was frozen for the run of a draft is for editors.
    and (v.is_published or private.can_edit_agent(v.agent_id));
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such version for this suite.',
      detail = 'version_not_found', hint = 'Choose a version of the suite''s agent.';
  end if;
  perform private.require_agent(v_version.agent_id, 'run');
  if not exists (select from public.eval_test_cases as c where c.suite_id = v_suite.id) then
    raise sqlstate 'PT409' using message = 'This suite has no cases.',
      detail = 'eval_suite_empty', hint = 'Add a test case first.';
  end if;

  -- It admits several runs in one transaction: see private.admit_execution().
  perform pg_advisory_xact_lock(private.admission_lock(v_suite.organization_id));
  insert into public.eval_runs
    (organization_id, suite_id, agent_id, agent_version_id, user_id, suite_digest, minimum_pass_rate)
  values (
    v_suite.organization_id, v_suite.id, v_version.agent_id, v_version.id, v_user_id,
    private.eval_suite_digest(v_suite.id), coalesce((v_suite.config ->> 'minimum_pass_rate')::numeric, 1))
  returning * into v_run;

  v_new.organization_id := v_suite.organization_id;
  v_new.user_id := v_user_id;
  v_new.agent_id := v_version.agent_id;
  v_new.agent_version_id := v_version.id;
  v_new.trigger_source := 'eval';
  for v_case in
    select * from public.eval_test_cases as c where c.suite_id = v_suite.id order by c.id
  loop
    v_new.input := v_case.input || jsonb_build_object(
      'parameters', private.resolve_parameters(v_version.parameters, v_case.input -> 'parameters'));
    v_execution := private.enqueue_execution(v_new);
    v_result.id := private.uuid_v7();
    v_result.test_case_id := v_case.id;
    v_result.test_case := jsonb_build_object(
      'name', v_case.name, 'input', v_case.input, 'expected_output', v_case.expected_output,
      'scoring_rubric', v_case.scoring_rubric);
    v_result.execution_id := v_execution.id;
    v_results := v_results || v_result;
  end loop;
  insert into public.eval_results (id, run_id, test_case_id, test_case, execution_id)
  select r.id, v_run.id, r.test_case_id, r.test_case, r.execution_id
  from unnest(v_results) as r;

  select * into strict v_run from public.eval_runs as r where r.id = v_run.id;
  return v_run;
end
$$;
grant execute on function private.run_eval_suite(uuid, uuid) to authenticated;

create function public.run_eval_suite(suite_id uuid, agent_version_id uuid default null)
returns public.eval_runs
language sql volatile
set search_path = ''
as $$
  select * from private.run_eval_suite(suite_id, agent_version_id)
$$;
comment on function public.run_eval_suite(uuid, uuid) is
  E'Asks a version of an agent every case of a suite, each in a run of its own that counts and costs like any other.\nWithout agent_version_id: the draft, to those who may edit the agent, else its current version. Members. Follow it by reading eval_runs and eval_results. Errors: eval_suite_not_found, not_allowed, agent_version_missing, version_not_found, agent_not_published, agent_not_active, eval_suite_empty, parameter_missing, parameter_invalid, parameter_unknown, execution_quota_exceeded, budget_exceeded.';
grant execute on function public.run_eval_suite(uuid, uuid) to authenticated;

create function private.require_evaluation(draft public.agent_versions) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  v_suite text := (
    select s.name
    from public.eval_suites as s
    where s.agent_id = draft.agent_id
      and s.is_required
      and not exists (
        select
        from public.eval_runs as r
          join public.agent_versions as v on v.id = r.agent_version_id
        where r.suite_id = s.id
          and r.is_passed
          and r.suite_digest = private.eval_suite_digest(s.id)
          and private.same_definition(v, draft))
    order by s.name
    limit 1);
begin
  if v_suite is not null then
    raise sqlstate 'PT409' using
      message = format('The suite "%s" has to pass before this draft is published.', v_suite),
      detail = 'eval_required',
      hint = 'Run the suite on the draft; correct the draft until it passes.';
  end if;
end
$$;
comment on function private.require_evaluation(public.agent_versions) is
  'Refuses a version that a required suite, as it is now, has not passed.';

insert into private.personal_data (section, relation, user_column, while_member)
values
  ('eval_suites', 'public.eval_suites', 'created_by_id', true),
  ('eval_runs', 'public.eval_runs', 'user_id', false);

-- migrate:down
