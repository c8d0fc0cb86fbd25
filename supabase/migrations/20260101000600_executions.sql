-- migrate:up

-- Executions: runs of agents, teams and workflows. People ask for one (run_agent, run_team,
-- run_workflow, send_message), schedules do so in their name, a worker claims it under a lease and
-- records what it does (steps, logs, events, artifacts, approvals), and the database alone decides
-- what a run may become, who sees it, what it may cost and what it did cost.
--
-- One lock rules a run: whoever changes its status, its lease or its numbered children first locks its
-- row in public.executions. A claim, which starts at the queue, takes both rows without waiting; so
-- nothing here can deadlock with it. What hangs together with a run is locked after it, always in this
-- order: runs, conversations, schedules, runs of suites, the admission of the organization, its totals.
-- The numbers of the triggers follow it; whoever ends several runs at once calls lock_ends() before the
-- first. What follows from a change of status, in the order in which it happens:
--
--   trigger             when                               what                              locks
--   100 state           always                             may it be; its times and attempt
--   110 close_steps     running -> another                 open steps end, calls are paid    its steps
--   150 updated_at      always
--   160 answer          an end, in a conversation          the answer; the next turn         conversation, queue
--   170 schedule_result completed or failed, by a schedule failures in a row                 schedule
--   180 score           an end, of a suite (evaluation)    the result                        run of the suite
--   200 queue           always                             comes, stays or goes              queue
--   300 totals          an end                             what was reserved is spent        totals
--   400 events          always                             watchers learn of it
--   500 count_use       completed, credited to an agent    one more use, appended
--   600 close_approvals waiting -> an end                  no question stays open            its approvals
--   800 emit            an end (integrations)              what webhooks hear, appended
--
-- and so of each end, by whomever it comes:
--
--   completed  100 110 150 160 170 180 200 300 400 500 800
--     complete_execution
--   failed     100 110 150 160 170 180 200 300 400 600 800
--     fail_execution, reap_executions, expire_approvals
--   cancelled  100 110 150 160 180 200 300 400 600 800
--     cancel_execution, send_message (interrupt), a deleted conversation, cancel_orphaned_runs
--
-- What every run calls is plpgsql, also where it is one statement: its plans last as long as the
-- connection, SQL functions plan anew for every statement that calls them (a reservation 25 us instead
-- of 110).

-- ===================================================================================================
-- Models and their prices
-- ===================================================================================================

-- What tokens cost, so that cost is computed here and not in every client. `openai-compatible/<name>`
-- models need no row: what runs behind one's own server has no public price, and its cost is unknown
-- (null), not nothing (0). A superuser who knows the price adds a row.
create table public.models (
  id text generated always as (provider || '/' || name) stored primary key,
  provider text not null check (provider ~ '^[a-z][a-z0-9-]*$'),
  name text not null check (name <> ''),
  title text not null,
  context_window integer not null check (context_window > 0),
  max_output_tokens integer not null check (max_output_tokens > 0),
  input_usd_per_million numeric not null check (input_usd_per_million >= 0),
  cached_input_usd_per_million numeric not null check (cached_input_usd_per_million >= 0),
  output_usd_per_million numeric not null check (output_usd_per_million >= 0),
  -- Prompts above this many tokens multiply the price of the whole call.
  long_prompt_tokens integer check (long_prompt_tokens > 0),
  long_prompt_input_factor numeric not null default 1 check (long_prompt_input_factor >= 1),
  long_prompt_output_factor numeric not null default 1 check (long_prompt_output_factor >= 1),
  source_url text check (source_url like 'https://%'),
  priced_at date not null,
  is_offline boolean not null default false,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint a_price_names_its_source check (source_url is not null or is_offline)
);
alter table public.models enable row level security;

create trigger _100_updated_at before update on public.models
  for each row execute function private.tg_set_updated_at();

-- NOTE: nobody writes over the API; prices are reference data, corrected by the operator in Studio.
grant select on public.models to anon, authenticated;

create policy models_select_anyone on public.models
  for select to anon, authenticated using (true);
create policy models_select_scope on public.models
  as restrictive for select to authenticated
  using ((select private.has_scope('catalog:read')));

comment on table public.models is
  'Models that agents can use, with context size and public list price. A model may be used without a row; its cost is then unknown.';
comment on column public.models.id is 'What agents.model names: <provider>/<name>.';
comment on column public.models.title is 'The name to show to people.';
comment on column public.models.input_usd_per_million is 'US dollars per million input tokens.';
comment on column public.models.cached_input_usd_per_million is
  'US dollars per million input tokens that the provider read from its cache.';
comment on column public.models.output_usd_per_million is 'US dollars per million output tokens, reasoning included.';
comment on column public.models.long_prompt_tokens is
  'A prompt of more tokens than this costs the whole call input price x long_prompt_input_factor and output price x long_prompt_output_factor.';
comment on column public.models.source_url is 'Where the price was read.';
comment on column public.models.priced_at is 'The day on which the price was right.';
comment on column public.models.is_offline is
  'Built in, no provider behind it, no intelligence: for first steps without an account. Say so wherever it is shown.';
comment on column public.models.is_active is 'Whether it is offered for new agents; old ones keep running.';

insert into public.models
  (provider, name, title, context_window, max_output_tokens,
   input_usd_per_million, cached_input_usd_per_million, output_usd_per_million,
   long_prompt_tokens, long_prompt_input_factor, long_prompt_output_factor, priced_at, source_url)
select listed.*, source.url
from (values
  ('openai', 'gpt-6-astra', 'GPT-6 Astra', 1050000, 128000, 10, 1, 50, 272000, 2, 1.5, date '2026-09-05'),
  ('openai', 'gpt-6.1-sol', 'GPT-6.1 Sol', 1050000, 128000, 2, 0.1, 10, 272000, 2, 1.5, '2026-09-30'),
  ('openai', 'gpt-6.1-terra', 'GPT-6.1 Terra', 1050000, 128000, 1, 0.05, 5, 272000, 2, 1.5, '2026-10-26'),
  ('openai', 'gpt-6-luna', 'GPT-6 Luna', 1050000, 128000, 0.1, 0.01, 0.5, 272000, 2, 1.5, '2026-09-22'),
  ('openai', 'gpt-5.4-mini', 'GPT-5.4 mini', 400000, 128000, 0.75, 0.075, 4.5, null, 1, 1, '2026-05-04'),
  ('openai', 'gpt-5', 'GPT-5', 400000, 128000, 1.25, 0.125, 10, null, 1, 1, '2026-03-21'),
  ('openai', 'gpt-5-mini', 'GPT-5 mini', 400000, 128000, 0.25, 0.025, 2, null, 1, 1, '2026-03-21'),
  ('openai', 'gpt-5-nano', 'GPT-5 nano', 400000, 128000, 0.05, 0.005, 0.4, null, 1, 1, '2026-03-21'),
  ('openai', 'gpt-4.1', 'GPT-4.1', 1047576, 32768, 2, 0.5, 8, null, 1, 1, '2026-03-21'),
  ('anthropic', 'claude-fable-5-1', 'Claude Fable 5.1', 1000000, 128000, 10, 0.25, 50, null, 1, 1, '2026-10-24'),
  ('anthropic', 'claude-opus-5-5', 'Claude Opus 5.5', 1000000, 128000, 4, 0.2, 20, null, 1, 1, '2026-10-24'),
  ('anthropic', 'claude-sonnet-5-5', 'Claude Sonnet 5.5', 1000000, 128000, 2, 0.1, 10, null, 1, 1, '2026-10-24'),
  ('anthropic', 'claude-haiku-5-5', 'Claude Haiku 5.5', 1000000, 128000, 0.1, 0.01, 0.5, 100000, 5, 5, '2026-10-24'),
  ('anthropic', 'claude-haiku-4-5', 'Claude Haiku 4.5', 200000, 64000, 1, 0.1, 5, null, 1, 1, '2026-10-24')
) as listed (provider, name, title, context_window, max_output_tokens, input, cached, output,
  long_prompt_tokens, long_input, long_output, priced_at)
  join (values
    ('openai', 'https://developers.openai.com/api/docs/pricing'),
    ('anthropic', 'https://platform.claude.com/docs/en/about-claude/pricing')
  ) as source (provider, url) using (provider);

insert into public.models
  (provider, name, title, context_window, max_output_tokens,
   input_usd_per_million, cached_input_usd_per_million, output_usd_per_million, priced_at, is_offline)
values
  ('demo', 'echo', 'Echo (offline demo, not a language model)', 1000000, 100000, 0, 0, 0, '2026-01-01', true);

create function private.model_cost(
  model text,
  prompt_tokens integer,
  cached_prompt_tokens integer,
  completion_tokens integer
) returns numeric
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select trim_scale(round((
      m.input_usd_per_million * (coalesce(model_cost.prompt_tokens, 0)
        - least(coalesce(model_cost.cached_prompt_tokens, 0), coalesce(model_cost.prompt_tokens, 0)))
        * factor.input
      + m.cached_input_usd_per_million
        * least(coalesce(model_cost.cached_prompt_tokens, 0), coalesce(model_cost.prompt_tokens, 0))
        * factor.input
      + m.output_usd_per_million * coalesce(model_cost.completion_tokens, 0) * factor.output
    ) / 1000000, 10))
    from public.models as m,
      lateral (
        select
          case when model_cost.prompt_tokens > m.long_prompt_tokens
            then m.long_prompt_input_factor else 1 end as input,
          case when model_cost.prompt_tokens > m.long_prompt_tokens
            then m.long_prompt_output_factor else 1 end as output
      ) as factor
    where m.id = model_cost.model
      and num_nonnulls(model_cost.prompt_tokens, model_cost.completion_tokens) > 0);
end
$$;
comment on function private.model_cost(text, integer, integer, integer) is
  'What one call of a model costs in US dollars; null when its price or its tokens are unknown. Cached tokens are part of the prompt tokens.';

-- ===================================================================================================
-- Executions
-- ===================================================================================================

-- One row is one run. It outlives what it ran, so agent, team, workflow, version, conversation and
-- organization are plain ids; it is paid by the agent's organization and read by whoever asked for it,
-- by who made what it ran, and by the organization's admins. What is said in a conversation is read by
-- its user alone: others get public.execution_usage.
create table public.executions (
  id uuid not null default private.uuid_v7() primary key,
  organization_id uuid not null,
  user_id uuid not null references public.profiles (id),
  agent_id uuid,
  team_id uuid,
  workflow_id uuid,
  target_type text not null generated always as (
    case
      when agent_id is not null then 'agent'
      when team_id is not null then 'team'
      when workflow_id is not null then 'workflow'
    end) stored,
  target_id uuid not null generated always as (coalesce(agent_id, team_id, workflow_id)) stored,
  agent_version_id uuid,
  workflow_version_id uuid,
  trigger_source text not null default 'user'
    check (trigger_source in ('user', 'api', 'schedule', 'webhook', 'eval', 'agent')),
  session_id uuid,
  conversation_id uuid,
  parent_execution_id uuid,
  retry_of_id uuid,
  input jsonb not null default '{}',
  output jsonb,
  status text not null default 'pending'
    constraint status_is_known
    check (status in ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
  error_code text check (error_code ~ '^[a-z][a-z0-9_]*$'),
  error_message text,
  attempt integer not null default 1 check (attempt > 0),
  max_attempts integer not null default 3 check (max_attempts > 0),
  timeout_seconds integer not null default 600 check (timeout_seconds between 1 and 86400),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  latency_ms integer generated always as (
    case when completed_at >= started_at
      then least(extract(epoch from completed_at - started_at) * 1000, 2147483647)
    end::integer) stored,
  prompt_tokens integer not null default 0 check (prompt_tokens >= 0),
  completion_tokens integer not null default 0 check (completion_tokens >= 0),
  total_tokens integer not null generated always as (prompt_tokens + completion_tokens) stored,
  reserved_usd numeric not null default 0 check (reserved_usd >= 0),
  cost_usd numeric check (cost_usd >= 0),
  resource_usage jsonb,
  trace_id text not null default replace(gen_random_uuid()::text, '-', '')
    check (trace_id ~ '^[0-9a-f]{32}$' and trace_id !~ '^0{32}$'),
  credited_agent_id uuid,
  constraint one_target check (num_nonnulls(agent_id, team_id, workflow_id) = 1),
  constraint an_agent_runs_in_a_version check ((agent_id is null) = (agent_version_id is null)),
  constraint a_workflow_runs_in_a_version
    check ((workflow_id is null) = (workflow_version_id is null)),
  constraint a_conversation_is_a_session check (conversation_id is null or session_id = conversation_id),
  constraint a_conversation_is_with_an_agent check (conversation_id is null or agent_id is not null),
  constraint a_failure_has_a_code check ((status = 'failed') = (error_code is not null)),
  constraint a_finished_run_has_an_end
    check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)),
  constraint a_finished_run_reserves_nothing check (completed_at is null or reserved_usd = 0)
) partition by range (id);
alter table public.executions enable row level security;

-- The runs of an organization, newest first, with or without further filters.
create index executions_organization_id_idx on public.executions (organization_id, id desc);
-- The same, of one status.
create index executions_organization_id_status_idx
  on public.executions (organization_id, status, id desc);
-- The runs of one agent, newest first; and how the last one ended (runtime_status).
create index executions_agent_id_idx on public.executions (agent_id, id desc);
-- Whether an agent runs right now (runtime_status).
create index executions_live_agent_id_idx on public.executions (agent_id)
  where status in ('pending', 'running', 'waiting');
-- The runs of one team, of one workflow, newest first.
create index executions_team_id_idx on public.executions (team_id, id desc)
  where team_id is not null;
create index executions_workflow_id_idx on public.executions (workflow_id, id desc)
  where workflow_id is not null;
-- What answers in a conversation right now, and what waits for its turn.
create index executions_live_conversation_id_idx on public.executions (conversation_id)
  where conversation_id is not null and status in ('pending', 'running', 'waiting');
-- One's own runs, newest first; and those of one status, without which the policy would go through all
-- of them (2 ms instead of 4 s for somebody with 100,000).
create index executions_user_id_idx on public.executions (user_id, id desc);
create index executions_user_id_status_idx on public.executions (user_id, status, id desc);
-- The runs that a run started.
create index executions_parent_execution_id_idx on public.executions (parent_execution_id)
  where parent_execution_id is not null;

-- NOTE: select only. Runs begin and change through the functions below.
grant select on public.executions to authenticated;

-- One set for the whole query: spelled as `exists` on three tables, each with policies of its own, a
-- query over seven months prepares a hundred sub-plans and spends most of its time on that (measured:
-- 0.57 ms of CPU for a page of runs, 0.32 so; 0.22 without any policy).
create function private.my_creation_ids() returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query
    select a.id from public.agents as a where a.created_by_id = auth.uid() and a.deleted_at is null
    union all
    select t.id from public.teams as t where t.created_by_id = auth.uid() and t.deleted_at is null
    union all
    select w.id from public.workflows as w where w.created_by_id = auth.uid() and w.deleted_at is null;
end
$$;
comment on function private.my_creation_ids() is
  'The living agents, teams and workflows that the caller made, whose runs by others the caller reads.';
grant execute on function private.my_creation_ids() to authenticated;

create policy executions_select_reader on public.executions
  for select to authenticated
  using (
    (user_id = (select auth.uid())
      -- A key acts in its own organization only; without one, what is one's own stays readable.
      and ((select private.has_scope('personal'))
        or organization_id = any (array(select private.my_organization_ids('viewer')))))
    or (conversation_id is null
      and (
        organization_id = any (array(select private.my_organization_ids('admin')))
        or (organization_id = any (array(select private.my_organization_ids('member')))
          and target_id = any (array(select private.my_creation_ids())))))
  );
create policy executions_select_scope on public.executions
  as restrictive for select to authenticated
  using (
    (select private.has_scope('executions:read'))
    and (conversation_id is null or (select private.has_scope('conversations:read'))));

comment on table public.executions is
  'Runs. Read your own, those of agents, teams and workflows you created, and as an admin all of the organization, but of conversations only your own; newest first is order=id.desc. Started by run_agent, run_team, run_workflow and send_message.';
comment on column public.executions.target_type is 'What runs: agent, team or workflow.';
comment on column public.executions.target_id is 'The id of what runs.';
comment on column public.executions.workflow_version_id is 'The version of the workflow that it follows.';
comment on column public.executions.trigger_source is 'Who or what asked for it: user, api (with an API key), schedule, webhook, eval, agent.';
comment on column public.executions.session_id is 'Runs of one session share memory.';
comment on column public.executions.conversation_id is 'The conversation in which it answers; also its session.';
comment on column public.executions.parent_execution_id is 'The run that started this one.';
comment on column public.executions.retry_of_id is 'The run that this one repeats.';
comment on column public.executions.input is '{"message": "...", "parameters": {"name": value}}, defaults filled in.';
comment on column public.executions.output is '{"text": "...", ...}.';
comment on column public.executions.status is
  'pending -> running -> completed | failed | cancelled; waiting is for an approval; a lost or failed attempt goes back to pending.';
comment on column public.executions.error_code is 'A stable code: docs/error-codes.md says what to do about each.';
comment on column public.executions.attempt is 'The attempt that runs or ran last, from 1.';
comment on column public.executions.timeout_seconds is 'How long one attempt may take.';
comment on column public.executions.latency_ms is 'From the first start to the end.';
comment on column public.executions.reserved_usd is 'The most that it may still cost, held back from the budget; 0 once it is finished.';
comment on column public.executions.cost_usd is
  'What its model calls cost so far, those that were cut off by an estimate; null when no price is known.';
comment on column public.executions.trace_id is 'W3C trace id, shared with the runs that it starts.';
comment on column public.executions.credited_agent_id is
  'The agent whose total_uses this run counts for once completed, of an installed copy the original; null for runs by people of the organization that makes it.';

-- What may become of a run, and what follows from it on the row itself, whoever changes the status.
create function private.tg_executions__state() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' then
      raise sqlstate 'PT409' using message = 'A run starts as pending.',
        detail = 'execution_state_conflict', hint = 'Insert it without a status.';
    end if;
    return new;
  end if;
  if not (
    case old.status
      when 'pending' then new.status in ('running', 'cancelled', 'failed')
      when 'running' then new.status in ('pending', 'waiting', 'completed', 'failed', 'cancelled')
      when 'waiting' then new.status in ('pending', 'failed', 'cancelled')
      else false
    end) then
    raise sqlstate 'PT409'
      using message = format('A run that is %s cannot become %s.', old.status, new.status),
        detail = 'execution_state_conflict', hint = 'Read the run again; it may have ended meanwhile.';
  end if;
  if new.status = 'running' then
    new.started_at := coalesce(old.started_at, now());
  elsif new.status = 'pending' and old.status = 'running' then
    new.attempt := old.attempt + 1;
  elsif new.status in ('completed', 'failed', 'cancelled') then
    new.completed_at := now();
    new.reserved_usd := 0;
  end if;
  return new;
end
$$;
comment on function private.tg_executions__state() is
  'Refuses every transition that the state machine does not have; keeps attempt, times and reservation in step with the status.';

create trigger _100_state_on_insert before insert on public.executions
  for each row execute function private.tg_executions__state();
create trigger _100_state before update of status on public.executions
  for each row when (old.status is distinct from new.status)
  execute function private.tg_executions__state();
create trigger _150_updated_at before update on public.executions
  for each row execute function private.tg_set_updated_at();

-- ===================================================================================================
-- Queue: who may work on what
-- ===================================================================================================

-- Whatever a worker writes about a run carries the token that its claim got. One sequence for all, so
-- that no token ever comes twice and a late writer is always told from the present one.
create sequence private.fencing_tokens as bigint;

-- Narrow and short-lived on purpose: looking for work and renewing leases never touch the wide rows.
-- A trigger keeps it, so that a row stands here exactly while its run is pending or running.
create table private.execution_queue (
  execution_id uuid primary key,
  organization_id uuid not null,
  available_at timestamptz not null default now(),
  worker text,
  fencing_token bigint unique,
  lease_expires_at timestamptz,
  deadline_at timestamptz,
  constraint a_lease_is_whole
    check (num_nulls(worker, fencing_token, lease_expires_at, deadline_at) in (0, 4))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- claim_execution: the next organization with something to do, and its oldest run.
create index execution_queue_waiting_idx
  on private.execution_queue (organization_id, available_at, execution_id)
  where fencing_token is null;
-- claim_execution: how many runs each organization has in hand; reap_executions: the leases. No column
-- that a renewal changes, so that renewals stay heap-only updates.
create index execution_queue_leased_idx on private.execution_queue (organization_id)
  where fencing_token is not null;

comment on table private.execution_queue is
  'Runs to be worked on: without a fencing token they wait (from available_at on), with one a worker holds them until the lease expires.';

-- Fairness needs memory: without it the organization with the smallest id would always be first.
create table private.worker_turns (
  worker text primary key,
  organization_id uuid not null,
  claimed_at timestamptz not null default now()
);
comment on table private.worker_turns is 'The organization that each worker served last: it starts after that one next time.';

create function private.tg_executions__queue() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    delete from private.execution_queue as q where q.execution_id = old.id;
  elsif new.status = 'pending' then
    insert into private.execution_queue (execution_id, organization_id, available_at)
    values (
      new.id,
      new.organization_id,
      -- One answer at a time: the end of the one before makes it available. Whoever inserts holds the
      -- lock on the conversation.
      case
        when tg_op = 'INSERT' and new.conversation_id is not null and exists (
          select from public.executions as e
          where e.conversation_id = new.conversation_id
            and e.status in ('pending', 'running', 'waiting')
            and e.id <> new.id) then 'infinity'
        else now()
      end)
    on conflict (execution_id) do update
    set available_at = excluded.available_at,
      worker = null,
      fencing_token = null,
      lease_expires_at = null,
      deadline_at = null;
    perform pg_notify('agentry_work', '');
  elsif new.status <> 'running' then
    delete from private.execution_queue as q where q.execution_id = new.id;
    if new.status = 'cancelled' then
      perform pg_notify('agentry_cancel', new.id::text);
    end if;
  end if;
  return null;
end
$$;
comment on function private.tg_executions__queue() is
  'Keeps the queue equal to the pending and running runs; wakes workers for new work and tells them of a cancellation.';

create trigger _200_queue_on_insert after insert on public.executions
  for each row execute function private.tg_executions__queue();
create trigger _200_queue after update of status on public.executions
  for each row when (old.status is distinct from new.status)
  execute function private.tg_executions__queue();
create trigger _200_queue_on_delete after delete on public.executions
  for each row when (old.status in ('pending', 'running'))
  execute function private.tg_executions__queue();

-- ===================================================================================================
-- Totals: what quotas and budgets are measured against
-- ===================================================================================================

-- Runs, reservations and cost of each organization and month, spread over eight rows by backend, so
-- that runs of one busy organization do not queue behind one row. Months outlive their runs.
create table private.execution_totals (
  organization_id uuid not null references public.organizations (id) on delete cascade,
  month date not null,
  shard smallint not null,
  root_runs bigint not null default 0,
  reserved_usd numeric not null default 0,
  cost_usd numeric not null default 0,
  tokens bigint not null default 0,
  primary key (organization_id, month, shard)
) with (fillfactor = 50);
comment on table private.execution_totals is
  'Per organization and month (UTC, by the start of the run): root runs, dollars reserved by live runs, dollars spent and tokens used by finished ones.';

create table private.execution_totals_archive (
  organization_id uuid not null references public.organizations (id) on delete cascade,
  month date not null,
  root_runs bigint not null,
  cost_usd numeric not null,
  tokens bigint not null,
  primary key (organization_id, month)
);
comment on table private.execution_totals_archive is
  'What runs that are gone have added to the totals: a recount is archive plus living rows.';

create function private.archive_execution_totals(
  organization_id uuid,
  month date,
  root_runs bigint,
  cost_usd numeric,
  tokens bigint
) returns void
language sql volatile
set search_path = ''
as $$
  insert into private.execution_totals_archive as t
    (organization_id, month, root_runs, cost_usd, tokens)
  select o.id, archive_execution_totals.month, archive_execution_totals.root_runs,
    archive_execution_totals.cost_usd, archive_execution_totals.tokens
  from public.organizations as o
  where o.id = archive_execution_totals.organization_id
  on conflict (organization_id, month) do update
  set root_runs = t.root_runs + excluded.root_runs,
    cost_usd = t.cost_usd + excluded.cost_usd,
    tokens = t.tokens + excluded.tokens
$$;
comment on function private.archive_execution_totals(uuid, date, bigint, numeric, bigint) is
  'Keeps what runs that are about to go have added to the totals.';

create function private.tg_executions__totals() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_run public.executions := case when tg_op = 'DELETE' then old else new end;
begin
  if tg_op = 'DELETE' then
    perform private.archive_execution_totals(
      old.organization_id,
      date_trunc('month', old.created_at at time zone 'UTC')::date,
      (old.parent_execution_id is null)::integer,
      case when old.completed_at is not null then coalesce(old.cost_usd, 0) else 0 end,
      case when old.completed_at is not null then old.total_tokens else 0 end);
    if old.credited_agent_id is not null and old.status = 'completed' then
      perform private.archive_agent_count(old.credited_agent_id, 'total_uses', 1);
    end if;
    if old.completed_at is not null then
      return null;
    end if;
  end if;
  insert into private.execution_totals as t
    (organization_id, month, shard, root_runs, reserved_usd, cost_usd, tokens)
  select
    v_run.organization_id,
    date_trunc('month', v_run.created_at at time zone 'UTC'),
    pg_backend_pid() % 8,
    (tg_op = 'INSERT' and v_run.parent_execution_id is null)::integer,
    case when tg_op = 'INSERT' then new.reserved_usd else -old.reserved_usd end,
    case when tg_op = 'UPDATE' then coalesce(new.cost_usd, 0) else 0 end,
    case when tg_op = 'UPDATE' then new.total_tokens else 0 end
  from public.organizations as o
  where o.id = v_run.organization_id
  on conflict (organization_id, month, shard) do update
  set root_runs = t.root_runs + excluded.root_runs,
    reserved_usd = t.reserved_usd + excluded.reserved_usd,
    cost_usd = t.cost_usd + excluded.cost_usd,
    tokens = t.tokens + excluded.tokens;
  return null;
end
$$;
comment on function private.tg_executions__totals() is
  'A new run counts and reserves; a finished one gives its reservation back and adds its cost and tokens; a deleted one stays counted, and gives back what it still held.';

create trigger _300_totals_on_insert after insert on public.executions
  for each row execute function private.tg_executions__totals();
create trigger _300_totals after update of status on public.executions
  for each row when (old.completed_at is null and new.completed_at is not null)
  execute function private.tg_executions__totals();
create trigger _300_totals_on_delete after delete on public.executions
  for each row execute function private.tg_executions__totals();

create function private.admission_lock(organization_id uuid) returns bigint
language plpgsql immutable
set search_path = ''
as $$
begin
  return hashtextextended('admit_execution ' || admission_lock.organization_id, 0);
end
$$;
comment on function private.admission_lock(uuid) is
  'The advisory lock under which runs of an organization are admitted.';

create function private.admit_execution(
  organization_id uuid,
  is_root boolean,
  reserve_usd numeric
) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_lock bigint := private.admission_lock(admit_execution.organization_id);
  v_organization public.organizations;
  v_month date := date_trunc('month', now() at time zone 'UTC');
  v_runs bigint;
  v_usd numeric;
begin
  select * into v_organization
  from public.organizations as o
  where o.id = admit_execution.organization_id and o.deleted_at is null;
  if not found then
    raise sqlstate 'PT404' using message = 'The organization of this agent is gone.',
      detail = 'organization_not_found', hint = 'An owner can restore it within 30 days.';
  end if;

  -- Far from the limit everybody passes side by side, under a shared lock. A backend does not see what
  -- others have inserted and not yet committed; each of them can have admitted one run, so that many
  -- places are kept free. (Whoever admits several runs in one transaction takes the exclusive lock
  -- first.) Nearer, or where money is limited, one after the other. The inner block gives the shared
  -- lock back when it fails: two holders that both wanted more would wait for each other for ever.
  if v_organization.monthly_budget_usd is null then
    begin
      perform pg_advisory_xact_lock_shared(v_lock);
      select coalesce(sum(t.root_runs), 0) into v_runs
      from private.execution_totals as t
      where t.organization_id = v_organization.id and t.month = v_month;
      if not is_root
        or v_runs + current_setting('max_connections')::integer
          <= v_organization.max_executions_per_month then
        return;
      end if;
      raise exception using errcode = 'lock_not_available';
    exception when lock_not_available then
      null;
    end;
  end if;

  perform pg_advisory_xact_lock(v_lock);
  select coalesce(sum(t.root_runs), 0), coalesce(sum(t.reserved_usd + t.cost_usd), 0)
  into v_runs, v_usd
  from private.execution_totals as t
  where t.organization_id = v_organization.id and t.month = v_month;
  if is_root and v_runs >= v_organization.max_executions_per_month then
    raise sqlstate 'PT402'
      using message = format('All %s runs of this month are used.',
          v_organization.max_executions_per_month),
        detail = 'execution_quota_exceeded',
        hint = 'The count starts again on the first of the month (UTC); a larger plan has more.';
  end if;
  if v_usd + reserve_usd > v_organization.monthly_budget_usd then
    raise sqlstate 'PT402'
      using message = format('This run may cost up to $%s; $%s of this month''s budget of $%s is left.',
          round(reserve_usd, 4), round(greatest(v_organization.monthly_budget_usd - v_usd, 0), 4),
          v_organization.monthly_budget_usd),
        detail = 'budget_exceeded',
        hint = 'Lower the agent''s max_tokens or max_steps, choose a cheaper model, or let an owner raise the budget.';
  end if;
end
$$;
comment on function private.admit_execution(uuid, boolean, numeric) is
  'Lets one more run of an organization in, or raises 402: the month''s quota of root runs and the month''s budget, exact under concurrency.';

-- ===================================================================================================
-- Steps
-- ===================================================================================================

-- The trace of a run: one row per model call, tool call or decision, nested by parent_step_id.
create table public.execution_steps (
  id uuid not null default private.uuid_v7() primary key,
  execution_id uuid not null references public.executions (id) on delete cascade,
  parent_step_id uuid,
  sequence_number integer not null check (sequence_number > 0),
  attempt integer not null,
  step_name text not null check (step_name <> ''),
  step_type text not null
    check (step_type in ('llm_call', 'tool_call', 'memory_access', 'a2a_call', 'retrieval',
      'decision', 'code', 'human_input')),
  input jsonb,
  output jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz not null default now(),
  completed_at timestamptz,
  latency_ms integer generated always as (
    case when completed_at >= started_at
      then least(extract(epoch from completed_at - started_at) * 1000, 2147483647)
    end::integer) stored,
  model text,
  prompt_tokens integer check (prompt_tokens >= 0),
  cached_prompt_tokens integer check (cached_prompt_tokens >= 0),
  completion_tokens integer check (completion_tokens >= 0),
  cost_usd numeric check (cost_usd >= 0),
  tool_name text,
  tool_status text check (tool_status in ('success', 'error', 'denied')),
  error_message text,
  status text not null generated always as (
    case
      when completed_at is null then 'running'
      when error_message is not null then 'failed'
      else 'completed'
    end) stored
) partition by range (id);
alter table public.execution_steps enable row level security;

-- The steps of a run in order; the foreign key.
create index execution_steps_execution_id_idx
  on public.execution_steps (execution_id, sequence_number);

grant select on public.execution_steps to authenticated;
create policy execution_steps_select_reader on public.execution_steps
  for select to authenticated
  using (exists (select from public.executions as e where e.id = execution_steps.execution_id));
create policy execution_steps_select_scope on public.execution_steps
  as restrictive for select to authenticated
  using ((select private.has_scope('executions:read')));

comment on table public.execution_steps is
  'The trace of a run: its model calls, tool calls and decisions with time, tokens and cost. Order by sequence_number.';
comment on column public.execution_steps.attempt is 'The attempt of the run that it belongs to.';
comment on column public.execution_steps.output is
  'What it gave. usage_is_estimated stands in that of a model call that was cut off: its tokens are the characters of prompt and answer / 3.';
comment on column public.execution_steps.cached_prompt_tokens is 'Those of the prompt tokens that the provider read from its cache.';
comment on column public.execution_steps.cost_usd is 'Null when it cost nothing measurable or the model''s price is unknown.';

select private.partition_by_month('public.execution_steps', 6);

-- A provider bills the prompt and what it said before a call was cut off, and tells nobody how much that
-- was. Not counting it would let whoever cancels in time run past every budget.
create function private.with_estimated_usage(
  result jsonb,
  step public.execution_steps,
  answer_characters bigint
) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return with_estimated_usage.result || jsonb_build_object(
    -- As many characters a token as in reservation_of.
    'prompt_tokens', ceil(coalesce(length(step.input ->> 'messages'), 0) / 3.0)::integer,
    'completion_tokens', ceil(answer_characters / 3.0)::integer,
    'output', coalesce(result -> 'output', '{}') || '{"usage_is_estimated": true}');
end
$$;
comment on function private.with_estimated_usage(jsonb, public.execution_steps, bigint) is
  'The result of a model call that was cut off, with the tokens that its prompt and so many characters of an answer may have been.';

create function private.close_step(step_id uuid, result jsonb) returns public.execution_steps
language plpgsql
set search_path = ''
as $$
declare
  v_step public.execution_steps;
begin
  update public.execution_steps as s
  set completed_at = now(),
    output = result -> 'output',
    model = coalesce(result ->> 'model', s.model),
    prompt_tokens = (result ->> 'prompt_tokens')::integer,
    cached_prompt_tokens = (result ->> 'cached_prompt_tokens')::integer,
    completion_tokens = (result ->> 'completion_tokens')::integer,
    cost_usd = private.model_cost(
      coalesce(result ->> 'model', s.model),
      (result ->> 'prompt_tokens')::integer,
      (result ->> 'cached_prompt_tokens')::integer,
      (result ->> 'completion_tokens')::integer),
    tool_status = result ->> 'tool_status',
    error_message = result ->> 'error_message'
  where s.id = close_step.step_id and s.completed_at is null
  returning * into v_step;
  return v_step;
end
$$;
comment on function private.close_step(uuid, jsonb) is
  'Ends a step with its result and its cost; null when it has ended already. The caller holds the lock on the run''s row and adds tokens and cost to it.';

create function private.tg_executions__close_steps() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_first_id uuid := private.first_id_of_execution(new.id);
  v_step public.execution_steps;
  v_result jsonb := '{"error_message": "The run was interrupted during this step."}';
begin
  for v_step in
    select *
    from public.execution_steps as s
    where s.execution_id = new.id and s.id >= v_first_id and s.completed_at is null
    order by s.sequence_number
  loop
    v_step := private.close_step(v_step.id, case v_step.step_type
      when 'llm_call' then private.with_estimated_usage(v_result, v_step, coalesce((
        select sum(length(e.payload ->> 'text'))
        from public.execution_events as e
        where e.execution_id = new.id
          and e.id >= v_first_id
          and e.kind = 'delta'
          and e.created_at >= v_step.started_at), 0))
      else v_result
    end);
    new.prompt_tokens := new.prompt_tokens + coalesce(v_step.prompt_tokens, 0);
    new.completion_tokens := new.completion_tokens + coalesce(v_step.completion_tokens, 0);
    if v_step.cost_usd is not null then
      new.cost_usd := coalesce(new.cost_usd, 0) + v_step.cost_usd;
    end if;
  end loop;
  return new;
end
$$;
comment on function private.tg_executions__close_steps() is
  'Nothing goes on behind a run that leaves its worker: no bar of its trace grows for ever, and what its open model calls have cost so far is counted, by what watchers saw of the answer.';

create trigger _110_close_steps before update of status on public.executions
  for each row when (old.status = 'running' and new.status <> 'running')
  execute function private.tg_executions__close_steps();

-- ===================================================================================================
-- Logs
-- ===================================================================================================

-- Lines for people, in order.
create table public.execution_logs (
  id uuid not null default private.uuid_v7() primary key,
  execution_id uuid not null references public.executions (id) on delete cascade,
  sequence_number integer not null check (sequence_number > 0),
  level text not null check (level in ('debug', 'info', 'warning', 'error')),
  message text not null,
  created_at timestamptz not null default now()
) partition by range (id);
alter table public.execution_logs enable row level security;

-- The lines of a run in order; the foreign key.
create index execution_logs_execution_id_idx
  on public.execution_logs (execution_id, sequence_number);

grant select on public.execution_logs to authenticated;
create policy execution_logs_select_reader on public.execution_logs
  for select to authenticated
  using (exists (select from public.executions as e where e.id = execution_logs.execution_id));
create policy execution_logs_select_scope on public.execution_logs
  as restrictive for select to authenticated
  using ((select private.has_scope('executions:read')));

comment on table public.execution_logs is 'The log lines of a run. Order by sequence_number.';

select private.partition_by_month('public.execution_logs', 6);

-- ===================================================================================================
-- Events
-- ===================================================================================================

-- What watchers of a run see, numbered, so that those who join late or lost the connection can read
-- what they missed. Live it goes out on the private channel `execution:<id>`.
create table public.execution_events (
  id uuid not null default private.uuid_v7() primary key,
  execution_id uuid not null references public.executions (id) on delete cascade,
  seq bigint not null check (seq > 0),
  kind text not null check (kind in ('delta', 'step', 'status')),
  payload jsonb not null check (jsonb_typeof(payload) = 'object'),
  created_at timestamptz not null default now()
) partition by range (id);
alter table public.execution_events enable row level security;

-- The events of a run from a number on; the foreign key.
create index execution_events_execution_id_idx on public.execution_events (execution_id, seq);

grant select on public.execution_events to authenticated;
create policy execution_events_select_reader on public.execution_events
  for select to authenticated
  using (exists (select from public.executions as e where e.id = execution_events.execution_id));
create policy execution_events_select_scope on public.execution_events
  as restrictive for select to authenticated
  using ((select private.has_scope('executions:read')));

comment on table public.execution_events is
  'Numbered stream of a run for replay: delta (a piece of the answer), step, status. Missed some: seq=gt.<last seen>&order=seq. Kept a month.';

select private.partition_by_month('public.execution_events', 1);

-- Arithmetic on the digits, because every event of every run comes through here: the first 48 bits of a
-- UUIDv7 are its milliseconds.
create function private.first_id_of_execution(execution_id uuid) returns uuid
language plpgsql immutable
set search_path = ''
as $$
declare
  v_milliseconds bigint := ('x' || translate(left(execution_id::text, 13), '-', ''))::bit(48)::bigint;
begin
  return (lpad(to_hex(v_milliseconds - 86400000), 12, '0') || '70008000000000000000')::uuid;
end
$$;
comment on function private.first_id_of_execution(uuid) is
  'No step, line or event of a run has a smaller id, not even when the clock is set back by less than a day: a bound that keeps older months unread.';

create function private.send_event(execution_id uuid, kind text, payload jsonb) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_first_id uuid := private.first_id_of_execution(send_event.execution_id);
  v_seq bigint;
begin
  insert into public.execution_events (execution_id, seq, kind, payload)
  select send_event.execution_id, coalesce(max(e.seq), 0) + 1, send_event.kind, send_event.payload
  from public.execution_events as e
  where e.execution_id = send_event.execution_id and e.id >= v_first_id
  returning seq into v_seq;
  perform realtime.send(
    jsonb_build_object('seq', v_seq) || send_event.payload,
    send_event.kind,
    'execution:' || send_event.execution_id,
    true);
  return v_seq;
end
$$;
comment on function private.send_event(uuid, text, jsonb) is
  'Numbers, stores and broadcasts one event of a run. The caller holds the lock on the run''s row.';

-- Who may listen to a private channel: whoever may read what it is about. It runs as the caller, so
-- the policies of that table decide.
create function private.can_join_channel(topic text) returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
  v_kind text := split_part(can_join_channel.topic, ':', 1);
  v_name text := split_part(can_join_channel.topic, ':', 2);
begin
  if not private.caller_is_active() then
    return false;
  end if;
  if v_kind = 'execution' and v_name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    return exists (select from public.executions as e where e.id = v_name::uuid);
  end if;
  return false;
end
$$;
comment on function private.can_join_channel(text) is 'Whether the caller may listen to a private channel.';
grant execute on function private.can_join_channel(text) to authenticated;

create policy messages_select_reader_of_topic on realtime.messages
  for select to authenticated
  using ((select private.can_join_channel((select realtime.topic()))));

create function private.tg_executions__events() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.send_event(new.id, 'status', jsonb_strip_nulls(jsonb_build_object(
    'status', new.status, 'attempt', new.attempt, 'error_code', new.error_code)));
  return null;
end
$$;
comment on function private.tg_executions__events() is
  'Every change of status is told to the watchers.';

create trigger _400_events after update of status on public.executions
  for each row when (old.status is distinct from new.status)
  execute function private.tg_executions__events();

-- ===================================================================================================
-- Uses of an agent
-- ===================================================================================================

-- A use is a completed run by somebody else, of the agent or of an installed copy: runs by people of the
-- organization that makes it never count.
create function private.tg_executions__count_use() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.add_agent_delta(new.credited_agent_id, 'total_uses', 1);
  perform private.log_agent_event(new.credited_agent_id, 'use', new.user_id);
  return null;
end
$$;
comment on function private.tg_executions__count_use() is 'A completed run counts for the agent that it is credited to, and is an event of it.';

create trigger _500_count_use after update of status on public.executions
  for each row when (
    old.status is distinct from new.status and new.status = 'completed'
    and new.credited_agent_id is not null)
  execute function private.tg_executions__count_use();

-- ===================================================================================================
-- Artifacts
-- ===================================================================================================

-- Files that a run made. The bytes are in the bucket `artifacts`, and go through the Storage API only:
-- SQL that deletes a row there would leave the file. Not partitioned: a file may outlive its run.
create table public.execution_artifacts (
  id uuid primary key default private.uuid_v7(),
  execution_id uuid not null,
  name text not null check (name <> ''),
  type text not null,
  size_bytes bigint not null check (size_bytes >= 0),
  storage_path text not null unique,
  created_at timestamptz not null default now(),
  constraint storage_path_is_organization_then_execution
    check (split_part(storage_path, '/', 2) = execution_id::text)
);
alter table public.execution_artifacts enable row level security;

-- The files of a run.
create index execution_artifacts_execution_id_idx on public.execution_artifacts (execution_id);

grant select on public.execution_artifacts to authenticated;
create policy execution_artifacts_select_reader on public.execution_artifacts
  for select to authenticated
  using (exists (select from public.executions as e where e.id = execution_artifacts.execution_id));
create policy execution_artifacts_select_scope on public.execution_artifacts
  as restrictive for select to authenticated
  using ((select private.has_scope('executions:read')));

comment on table public.execution_artifacts is
  'Files that a run made. Download storage_path from the private bucket artifacts.';
comment on column public.execution_artifacts.type is 'Media type.';
comment on column public.execution_artifacts.storage_path is '<organization id>/<execution id>/<name> in the bucket artifacts.';

insert into storage.buckets (id, name, public, file_size_limit)
values ('artifacts', 'artifacts', false, 52428800)
on conflict (id) do nothing;

-- NOTE: no insert, update or delete policy: only workers write here, as service_role.
create policy storage_artifacts_select on storage.objects
  for select to authenticated
  using (
    bucket_id = 'artifacts'
    and (select private.caller_is_active())
    and exists (select from public.execution_artifacts as a where a.storage_path = objects.name)
  );

-- ===================================================================================================
-- Approvals
-- ===================================================================================================

-- A tool call that waits for a person. The run waits without a worker and without a lease.
create table public.execution_approvals (
  id uuid primary key default private.uuid_v7(),
  execution_id uuid not null,
  tool text not null,
  arguments jsonb not null default '{}',
  edited_arguments jsonb,
  note text,
  status text not null default 'pending'
    constraint approval_status_is_known
    check (status in ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  expires_at timestamptz not null,
  decided_by_id uuid references public.profiles (id),
  decided_at timestamptz,
  created_at timestamptz not null default now(),
  constraint a_decision_names_its_maker
    check ((status in ('approved', 'rejected')) = (num_nonnulls(decided_by_id, decided_at) = 2))
);
alter table public.execution_approvals enable row level security;

-- The approvals of a run.
create index execution_approvals_execution_id_idx on public.execution_approvals (execution_id);
-- Those that nobody decided in time (expire_approvals).
create index execution_approvals_expires_at_idx on public.execution_approvals (expires_at)
  where status = 'pending';
create index execution_approvals_decided_by_id_idx on public.execution_approvals (decided_by_id)
  where decided_by_id is not null;

-- NOTE: decided through decide_approval, which also sends the run on its way.
grant select on public.execution_approvals to authenticated;
create policy execution_approvals_select_reader on public.execution_approvals
  for select to authenticated
  using (exists (select from public.executions as e where e.id = execution_approvals.execution_id));
create policy execution_approvals_select_scope on public.execution_approvals
  as restrictive for select to authenticated
  using ((select private.has_scope('executions:read')));

comment on table public.execution_approvals is
  'Tool calls that wait for a person who may read the run: see decide_approval.';
comment on column public.execution_approvals.edited_arguments is 'What the tool is called with instead, when whoever approved changed it.';

create function private.tg_executions__close_approvals() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.execution_approvals as a
  set status = 'cancelled'
  where a.execution_id = new.id and a.status = 'pending';
  return null;
end
$$;
comment on function private.tg_executions__close_approvals() is 'A run that ends while it waits leaves no question open.';

create trigger _600_close_approvals after update of status on public.executions
  for each row when (old.status = 'waiting' and new.completed_at is not null)
  execute function private.tg_executions__close_approvals();

create function private.lock_ends(execution_ids uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from public.conversations as c
  where c.id in (
    select e.conversation_id from public.executions as e where e.id = any (lock_ends.execution_ids))
  order by c.id
  for no key update;
  perform from public.schedules as s
  where s.id in (
    select r.schedule_id
    from public.schedule_runs as r
    where r.execution_id = any (lock_ends.execution_ids))
  order by s.id
  for no key update;
  perform from public.eval_runs as r
  where r.id in (
    select e.run_id from public.eval_results as e where e.execution_id = any (lock_ends.execution_ids))
  order by r.id
  for no key update;
end
$$;
comment on function private.lock_ends(uuid[]) is
  'Locks what the ends of these runs will change besides them, all of it before the first end: each takes the totals of its organization, and nothing may be waited for after that. The caller holds the locks on the runs.';

create function private.expire_approvals() returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_execution_ids uuid[] := array(
    select e.id
    from public.executions as e
    where e.id in (
      select a.execution_id
      from public.execution_approvals as a
      where a.status = 'pending' and a.expires_at <= now())
    -- As reap_executions, because each end is booked on its organization's totals.
    order by e.organization_id, e.id
    for no key update);
  v_execution_id uuid;
  v_expired integer := 0;
begin
  perform private.lock_ends(v_execution_ids);
  foreach v_execution_id in array v_execution_ids loop
    update public.execution_approvals as a
    set status = 'expired'
    where a.execution_id = v_execution_id and a.status = 'pending' and a.expires_at <= now();
    continue when not found;
    v_expired := v_expired + 1;
    update public.executions as e
    set status = 'failed',
      error_code = 'approval_expired',
      error_message = 'Nobody decided in time.'
    where e.id = v_execution_id and e.status = 'waiting';
  end loop;
  return v_expired;
end
$$;
comment on function private.expire_approvals() is 'Fails the runs whose question nobody answered in time; answers with how many.';

insert into private.upkeep_tasks (name, task, every)
values ('expire approvals', 'private.expire_approvals()', interval '1 minute');

-- ===================================================================================================
-- What workers call
-- ===================================================================================================
-- As the role postgres; nothing of this is granted to the API roles. The workers of this repository run
-- no tools yet: request_approvals and add_artifact are for those that do.

-- plpgsql, although each is one statement: its plans last as long as the connection, SQL functions plan
-- anew at every call, and a claim would be mostly planning.
create function private.next_waiting_organization(after uuid) returns uuid
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select q.organization_id
    from private.execution_queue as q
    where q.fencing_token is null
      and q.available_at <= now()
      and q.organization_id > next_waiting_organization.after
    order by q.organization_id
    limit 1);
end
$$;
comment on function private.next_waiting_organization(uuid) is
  'The next organization, in the order of ids, that has a run to be claimed; null after the last.';

create function private.take_waiting_execution(organization_id uuid) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
  v_execution_id uuid;
begin
  -- Both rows or none: a run that somebody is just cancelling is passed over, not waited for.
  select q.execution_id into v_execution_id
  from private.execution_queue as q
    join public.executions as e on e.id = q.execution_id
  where q.organization_id = take_waiting_execution.organization_id
    and q.fencing_token is null
    and q.available_at <= now()
  order by q.available_at, q.execution_id
  limit 1
  for update of q skip locked
  for no key update of e skip locked;
  return v_execution_id;
end
$$;
comment on function private.take_waiting_execution(uuid) is
  'The oldest run of an organization that can be claimed, locked; null when others hold all of them.';

create function private.claim_execution(worker text, lease_seconds integer default 10)
returns table (
  execution_id uuid,
  fencing_token bigint,
  attempt integer,
  max_attempts integer,
  remaining_ms integer,
  organization_id uuid,
  user_id uuid,
  agent_id uuid,
  agent_version_id uuid,
  team_id uuid,
  workflow_id uuid,
  workflow_version_id uuid,
  session_id uuid,
  conversation_id uuid,
  parent_execution_id uuid,
  trigger_source text,
  input jsonb,
  trace_id text
)
language plpgsql
set search_path = ''
as $$
declare
  v_nil constant uuid := '00000000-0000-0000-0000-000000000000';
  v_last uuid := coalesce(
    (select t.organization_id from private.worker_turns as t where t.worker = claim_execution.worker),
    v_nil);
  v_busy uuid[];
  v_organization_id uuid := v_last;
  v_wrapped boolean := false;
  v_execution_id uuid;
  v_run public.executions;
begin
  -- The organizations with runs in hand, the fewest first; among equals those after the last served.
  v_busy := array(
    select q.organization_id
    from private.execution_queue as q
    where q.fencing_token is not null
    group by q.organization_id
    order by count(*), q.organization_id <= v_last, q.organization_id);

  -- First whoever has nothing in hand, in turn from the last served once round the ring. Each step is
  -- one look into an index, and there are no more steps than organizations with runs in hand: neither
  -- the length of the queue nor the number of organizations makes a claim slow.
  loop
    v_organization_id := private.next_waiting_organization(v_organization_id);
    if v_organization_id is null and not v_wrapped then
      v_wrapped := true;
      v_organization_id := private.next_waiting_organization(v_nil);
    end if;
    exit when v_organization_id is null or (v_wrapped and v_organization_id > v_last);
    continue when v_organization_id = any (v_busy);
    v_execution_id := private.take_waiting_execution(v_organization_id);
    exit when v_execution_id is not null;
  end loop;

  -- Then whoever has the fewest in hand.
  if v_execution_id is null then
    foreach v_organization_id in array v_busy loop
      v_execution_id := private.take_waiting_execution(v_organization_id);
      exit when v_execution_id is not null;
    end loop;
  end if;
  if v_execution_id is null then
    return;
  end if;

  insert into private.worker_turns as t (worker, organization_id)
  values (claim_execution.worker, v_organization_id)
  on conflict on constraint worker_turns_pkey do update
  set organization_id = excluded.organization_id, claimed_at = now();

  update public.executions as e set status = 'running'
  where e.id = v_execution_id
  returning * into v_run;

  return query
    update private.execution_queue as q
    set worker = claim_execution.worker,
      fencing_token = nextval('private.fencing_tokens'),
      lease_expires_at = now() + make_interval(secs => claim_execution.lease_seconds),
      deadline_at = now() + make_interval(secs => v_run.timeout_seconds)
    where q.execution_id = v_execution_id
    returning q.execution_id, q.fencing_token, v_run.attempt, v_run.max_attempts,
      v_run.timeout_seconds * 1000, v_run.organization_id, v_run.user_id, v_run.agent_id, v_run.agent_version_id, v_run.team_id,
      v_run.workflow_id, v_run.workflow_version_id, v_run.session_id, v_run.conversation_id,
      v_run.parent_execution_id, v_run.trigger_source, v_run.input, v_run.trace_id;
end
$$;
comment on function private.claim_execution(text, integer) is
  'Gives a worker the next run under a lease, or no row. Fair: the organization with the fewest runs in hand first, equals in turn. remaining_ms is the time to its deadline: workers'' clocks may differ from the database''s.';

create function private.require_lease(execution_id uuid, fencing_token bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Whoever takes a lease away holds this lock too, so the answer stays true until we commit.
  perform from public.executions as e where e.id = require_lease.execution_id for no key update;
  perform from private.execution_queue as q
  where q.execution_id = require_lease.execution_id
    and q.fencing_token = require_lease.fencing_token;
  if not found then
    raise sqlstate 'PT409' using message = 'This worker no longer holds the run.',
      detail = 'lease_lost', hint = 'Stop working on it: it was cancelled, handed on, or has ended.';
  end if;
end
$$;
comment on function private.require_lease(uuid, bigint) is
  'Locks a run for a worker''s write, or refuses it: cancelled, taken over, or ended meanwhile.';

create function private.renew_lease(
  execution_id uuid,
  fencing_token bigint,
  lease_seconds integer default 10
) returns text
language plpgsql
set search_path = ''
as $$
begin
  update private.execution_queue as q
  set lease_expires_at = now() + make_interval(secs => renew_lease.lease_seconds)
  where q.execution_id = renew_lease.execution_id and q.fencing_token = renew_lease.fencing_token;
  if found then
    return 'held';
  end if;
  return case
    when exists (
      select from public.executions as e
      where e.id = renew_lease.execution_id and e.status = 'cancelled') then 'cancelled'
    else 'lost'
  end;
end
$$;
comment on function private.renew_lease(uuid, bigint, integer) is
  'held: the lease runs on. cancelled, lost: stop.';

create function private.add_log(execution_id uuid, level text, message text) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_first_id uuid := private.first_id_of_execution(add_log.execution_id);
begin
  insert into public.execution_logs (execution_id, sequence_number, level, message)
  select add_log.execution_id, coalesce(max(l.sequence_number), 0) + 1, add_log.level, add_log.message
  from public.execution_logs as l
  where l.execution_id = add_log.execution_id and l.id >= v_first_id;
end
$$;
comment on function private.add_log(uuid, text, text) is
  'Appends a line to the log of a run. The caller holds the lock on the run''s row.';

create function private.log_execution(
  execution_id uuid,
  fencing_token bigint,
  level text,
  message text
) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_lease(log_execution.execution_id, log_execution.fencing_token);
  perform private.add_log(log_execution.execution_id, log_execution.level, log_execution.message);
end
$$;
comment on function private.log_execution(uuid, bigint, text, text) is 'Appends a line to the log of a run: debug, info, warning or error.';

create function private.append_event(
  execution_id uuid,
  fencing_token bigint,
  kind text,
  payload jsonb
) returns bigint
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_lease(append_event.execution_id, append_event.fencing_token);
  return private.send_event(append_event.execution_id, append_event.kind, append_event.payload);
end
$$;
comment on function private.append_event(uuid, bigint, text, jsonb) is
  'Numbers, stores and broadcasts an event of a run; answers with its number.';

create function private.send_step_event(step public.execution_steps) returns void
language sql volatile
set search_path = ''
as $$
  -- Without input and output: watchers read the row when they want those.
  select private.send_event(step.execution_id, 'step', jsonb_strip_nulls(jsonb_build_object(
    'step_id', step.id,
    'parent_step_id', step.parent_step_id,
    'sequence_number', step.sequence_number,
    'attempt', step.attempt,
    'step_name', step.step_name,
    'step_type', step.step_type,
    'status', step.status,
    'started_at', step.started_at,
    'completed_at', step.completed_at,
    'latency_ms', step.latency_ms,
    'model', step.model,
    'prompt_tokens', step.prompt_tokens,
    'completion_tokens', step.completion_tokens,
    'cost_usd', step.cost_usd,
    'tool_name', step.tool_name,
    'tool_status', step.tool_status,
    'error_message', step.error_message)))
$$;
comment on function private.send_step_event(public.execution_steps) is 'Tells watchers of a run that a step began or ended.';

create function private.start_step(execution_id uuid, fencing_token bigint, step jsonb) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_first_id uuid := private.first_id_of_execution(start_step.execution_id);
  v_step public.execution_steps;
begin
  perform private.require_lease(start_step.execution_id, start_step.fencing_token);
  insert into public.execution_steps
    (execution_id, parent_step_id, sequence_number, attempt, step_name, step_type, input, model,
     tool_name)
  select
    e.id,
    (step ->> 'parent_step_id')::uuid,
    1 + coalesce((
      select max(s.sequence_number)
      from public.execution_steps as s
      where s.execution_id = e.id and s.id >= v_first_id), 0),
    e.attempt,
    step ->> 'name',
    step ->> 'type',
    step -> 'input',
    step ->> 'model',
    step ->> 'tool_name'
  from public.executions as e
  where e.id = start_step.execution_id
  returning * into v_step;
  perform private.send_step_event(v_step);
  return v_step.id;
end
$$;
comment on function private.start_step(uuid, bigint, jsonb) is
  'Opens a step: {"name", "type", "parent_step_id", "input", "model", "tool_name"}; answers with its id.';

create function private.finish_step(step_id uuid, fencing_token bigint, result jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_step public.execution_steps;
  v_answer_characters bigint := coalesce(length(result #>> '{output,text}'), 0)
    + coalesce(length(result #>> '{output,reasoning}'), 0);
begin
  select * into strict v_step from public.execution_steps as s where s.id = finish_step.step_id;
  perform private.require_lease(v_step.execution_id, finish_step.fencing_token);

  v_step := private.close_step(v_step.id, case
    when v_step.step_type = 'llm_call'
      and result ? 'error_message'
      and not result ?| '{prompt_tokens,completion_tokens}'
      and v_answer_characters > 0
    then private.with_estimated_usage(result, v_step, v_answer_characters)
    else result
  end);
  -- Ended already, by a retry of this very call: its tokens must not count twice.
  if v_step.id is null then
    return;
  end if;

  update public.executions as e
  set prompt_tokens = e.prompt_tokens + coalesce(v_step.prompt_tokens, 0),
    completion_tokens = e.completion_tokens + coalesce(v_step.completion_tokens, 0),
    cost_usd = case
      when v_step.cost_usd is null then e.cost_usd
      else coalesce(e.cost_usd, 0) + v_step.cost_usd
    end
  where e.id = v_step.execution_id;
  perform private.send_step_event(v_step);
end
$$;
comment on function private.finish_step(uuid, bigint, jsonb) is
  'Closes a step: {"output", "model", "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "tool_status", "error_message"}. Its tokens and cost are added to the run; those of a model call that failed within its answer are estimated.';

create function private.add_artifact(
  execution_id uuid,
  fencing_token bigint,
  name text,
  type text,
  size_bytes bigint,
  storage_path text
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
begin
  perform private.require_lease(add_artifact.execution_id, add_artifact.fencing_token);
  insert into public.execution_artifacts (execution_id, name, type, size_bytes, storage_path)
  values (add_artifact.execution_id, add_artifact.name, add_artifact.type,
    add_artifact.size_bytes, add_artifact.storage_path)
  returning id into v_id;
  return v_id;
end
$$;
comment on function private.add_artifact(uuid, bigint, text, text, bigint, text) is
  'Records a file that was uploaded to the bucket artifacts.';

create function private.request_approvals(
  execution_id uuid,
  fencing_token bigint,
  requests jsonb,
  expires_in_seconds integer default 86400
) returns setof uuid
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_lease(request_approvals.execution_id, request_approvals.fencing_token);
  return query
    insert into public.execution_approvals (execution_id, tool, arguments, expires_at)
    select request_approvals.execution_id, r.tool, coalesce(r.arguments, '{}'),
      now() + make_interval(secs => request_approvals.expires_in_seconds)
    from jsonb_to_recordset(request_approvals.requests) as r (tool text, arguments jsonb)
    returning id;
  update public.executions as e set status = 'waiting' where e.id = request_approvals.execution_id;
end
$$;
comment on function private.request_approvals(uuid, bigint, jsonb, integer) is
  'Puts tool calls before a person, [{"tool", "arguments"}]: the run waits, the lease is gone. Whoever claims it next finds the decisions. Answers with their ids.';

create function private.complete_execution(
  execution_id uuid,
  fencing_token bigint,
  output jsonb,
  resource_usage jsonb default null
) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_lease(complete_execution.execution_id, complete_execution.fencing_token);
  update public.executions as e
  set status = 'completed',
    output = complete_execution.output,
    resource_usage = complete_execution.resource_usage
  where e.id = complete_execution.execution_id;
end
$$;
comment on function private.complete_execution(uuid, bigint, jsonb, jsonb) is 'Ends a run with its output.';

create function private.fail_execution(
  execution_id uuid,
  fencing_token bigint,
  error_code text,
  error_message text,
  retry_in_ms integer default null
) returns text
language plpgsql
set search_path = ''
as $$
declare
  v_run public.executions;
begin
  perform private.require_lease(fail_execution.execution_id, fail_execution.fencing_token);
  select * into v_run from public.executions as e where e.id = fail_execution.execution_id;
  if retry_in_ms is not null and v_run.attempt < v_run.max_attempts then
    perform private.add_log(v_run.id, 'warning', format(
      'Attempt %s of %s failed (%s): %s Trying again in %s s.', v_run.attempt, v_run.max_attempts,
      fail_execution.error_code, fail_execution.error_message, round(retry_in_ms / 1000.0, 1)));
    update public.executions as e set status = 'pending' where e.id = v_run.id;
    update private.execution_queue as q
    set available_at = now() + make_interval(secs => retry_in_ms / 1000.0)
    where q.execution_id = v_run.id;
    return 'pending';
  end if;
  perform private.add_log(v_run.id, 'error', format(
    'Attempt %s of %s failed (%s): %s', v_run.attempt, v_run.max_attempts,
    fail_execution.error_code, fail_execution.error_message));
  update public.executions as e
  set status = 'failed',
    error_code = fail_execution.error_code,
    error_message = fail_execution.error_message
  where e.id = v_run.id;
  return 'failed';
end
$$;
comment on function private.fail_execution(uuid, bigint, text, text, integer) is
  'Ends an attempt. With retry_in_ms, for what may pass by itself, the run waits that long and is tried again while attempts are left (pending); else it has failed.';

create function private.release_execution(execution_id uuid, fencing_token bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.require_lease(release_execution.execution_id, release_execution.fencing_token);
  perform private.add_log(release_execution.execution_id, 'info',
    'The worker is shutting down and handed the run back.');
  -- A restart is nobody's failure: it costs the run none of its attempts.
  update public.executions as e
  set status = 'pending', max_attempts = e.max_attempts + 1
  where e.id = release_execution.execution_id;
end
$$;
comment on function private.release_execution(uuid, bigint) is 'Hands a run back, to be claimed by another worker at once.';

create view private.lost_leases with (security_invoker = true) as
select q.execution_id, q.organization_id, q.worker,
  o.is_overdue
from private.execution_queue as q
  -- Not when the lease had run out before: the worker was lost, and nobody has looked since.
  cross join lateral (
    select q.deadline_at + interval '5 seconds' < now() and q.lease_expires_at >= q.deadline_at as is_overdue
  ) as o
where q.fencing_token is not null and (q.lease_expires_at < now() or o.is_overdue);
comment on view private.lost_leases is
  'Runs whose worker is lost: it renews the lease no more, or renewed it beyond the deadline and never ends (is_overdue).';

create function private.reap_executions() returns integer
language plpgsql
set search_path = ''
as $$
declare
  -- The runs alone: a row of the queue that stayed locked when its run is passed over would keep
  -- whoever holds the run from ending it, while lock_ends() waits for what they hold.
  v_execution_ids uuid[] := array(
    select e.id
    from public.executions as e
    where e.id in (select l.execution_id from private.lost_leases as l limit 100)
    for no key update skip locked);
  v_lost record;
  v_count integer := 0;
begin
  perform private.lock_ends(v_execution_ids);
  -- Asked again, since a worker may have renewed its lease before the run was locked. In the order of
  -- organizations, because each end is booked on its organization's totals.
  for v_lost in
    select l.*, e.attempt, e.max_attempts
    from private.lost_leases as l
      join public.executions as e on e.id = l.execution_id
    where l.execution_id = any (v_execution_ids)
    order by l.organization_id, l.execution_id
    for update of l skip locked
  loop
    v_count := v_count + 1;
    if v_lost.is_overdue then
      -- A worker that renews its lease but never ends, or was lost on the last metre.
      perform private.add_log(v_lost.execution_id, 'error', 'The run took longer than it may.');
      update public.executions as e
      set status = 'failed',
        error_code = 'deadline_exceeded',
        error_message = format('It took longer than %s seconds.', e.timeout_seconds)
      where e.id = v_lost.execution_id;
    elsif v_lost.attempt < v_lost.max_attempts then
      perform private.add_log(v_lost.execution_id, 'warning', format(
        'Attempt %s of %s: worker %s was lost. Trying again.',
        v_lost.attempt, v_lost.max_attempts, v_lost.worker));
      update public.executions as e set status = 'pending' where e.id = v_lost.execution_id;
    else
      perform private.add_log(v_lost.execution_id, 'error', format(
        'Attempt %s of %s: worker %s was lost.',
        v_lost.attempt, v_lost.max_attempts, v_lost.worker));
      update public.executions as e
      set status = 'failed',
        error_code = 'worker_lost',
        error_message = 'Its worker was lost in every attempt.'
      where e.id = v_lost.execution_id;
    end if;
  end loop;
  return v_count;
end
$$;
comment on function private.reap_executions() is
  'Takes runs from lost workers: to be tried again while attempts are left, else failed as worker_lost. Overdue ones fail as deadline_exceeded. Harmless to call by many, as often as wanted.';

create function private.forget_idle_workers() returns void
language sql volatile
set search_path = ''
as $$
  delete from private.worker_turns as t where t.claimed_at < now() - interval '1 day'
$$;
comment on function private.forget_idle_workers() is 'Drops the turns of workers that have claimed nothing for a day.';

insert into private.upkeep_tasks (name, task, every)
values ('forget idle workers', 'private.forget_idle_workers()', interval '1 hour');

-- ===================================================================================================
-- Admission: what every new run goes through, whoever asks for it
-- ===================================================================================================

create function private.configured_integer(
  configuration jsonb,
  key text,
  fallback integer,
  maximum integer
) returns integer
language plpgsql immutable
set search_path = ''
as $$
begin
  return case
    when jsonb_typeof(configuration -> key) = 'number'
      then least(greatest((configuration ->> key)::numeric, 1), maximum)::integer
    else fallback
  end;
end
$$;
comment on function private.configured_integer(jsonb, text, integer, integer) is
  'A whole number from 1 to the maximum out of an agent''s configuration; the fallback where there is none.';

create function private.reservation_of(
  model text,
  prompt_characters bigint,
  max_tokens integer,
  max_steps integer
) returns numeric
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select private.model_cost(
      m.id,
      ceil(reservation_of.prompt_characters / 3.0)::integer,
      0,
      coalesce(reservation_of.max_tokens, m.max_output_tokens) * reservation_of.max_steps)
    from public.models as m
    where m.id = reservation_of.model);
end
$$;
comment on function private.reservation_of(text, bigint, integer, integer) is
  'US dollars to hold back for calls of a model: prompt length / 3 tokens in, max_tokens (the model''s own limit when null) x max_steps out; null when the model has no price.';

create function private.reservation(
  version public.agent_versions,
  input jsonb,
  earlier_characters bigint default 0
) returns numeric
language plpgsql stable
set search_path = ''
as $$
begin
  return private.reservation_of(
    version.model,
    length(version.system_prompt) + coalesce(length(version.user_prompt_template), 0)
      + length(reservation.input::text) + reservation.earlier_characters,
    version.max_tokens,
    case
      when version.tools = '[]' and version.mcp_servers = '[]' then 1
      else private.configured_integer(version.agent_config, 'max_steps', 10, 100)
    end);
end
$$;
comment on function private.reservation(public.agent_versions, jsonb, bigint) is
  'US dollars to hold back for a run of an agent, to which so many characters of its conversation are sent along; without tools there is one step.';

-- As src/worker/run-team.ts asks: who coordinates hands out tasks in three rounds (MOST_ROUNDS there), to
-- each member one in each, and then makes one answer of what they answered.
create function private.leader_reservation(team public.teams, input jsonb) returns numeric
language plpgsql stable
set search_path = ''
as $$
declare
  v_calls integer := case team.type when 'coordinate' then 4 else 1 end;
  -- Who compares reads each answer once; of three rounds the first is read three times, the last once.
  v_readings integer := case team.type when 'route' then 0 when 'collaborate' then 1 else 6 end;
  v_answer_tokens bigint := coalesce((
    select sum(coalesce(v.max_tokens, m.max_output_tokens))
    from public.team_agents as t
      join public.agents as a on a.id = t.agent_id
      join public.agent_versions as v on v.id = a.current_version_id
      left join public.models as m on m.id = v.model
    where t.team_id = team.id), 0);
begin
  return private.reservation_of(
    team.leader_model,
    v_calls * (length(team.leader_prompt) + length(leader_reservation.input::text))
      + v_readings * v_answer_tokens * 3,
    null,
    v_calls);
end
$$;
comment on function private.leader_reservation(public.teams, jsonb) is
  'US dollars to hold back for a team''s leader, its members aside: one step to choose or to compare, four to coordinate, and the reading of what the members answer.';

create function private.parts_of_run(run public.executions)
returns table (kind text, id uuid, parent_id uuid, place bigint)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
begin
  if run.agent_id is not null then
    return query select 'agent', run.agent_id, null::uuid, 1::bigint;
    return;
  end if;
  return query
    with recursive part (kind, id, parent_id, place, definition) as (
      select t.kind, t.id, null::uuid, 1::bigint, t.definition
      from (values
        ('team', run.team_id, null),
        ('workflow', run.workflow_id, (
          select v.definition
          from public.workflow_versions as v
          where v.id = run.workflow_version_id))) as t (kind, id, definition)
      where t.id is not null
      -- Not `union all`: what is nested in two places is opened once, and a circle ends.
      union
      select c.kind, c.id, p.id, c.place,
        case c.kind
          when 'workflow' then (select w.definition from public.workflows as w where w.id = c.id)
        end
      from part as p
        cross join lateral (
          select 'agent' as kind, m.agent_id as id, m.position::bigint as place
          from public.team_agents as m
          where p.kind = 'team' and m.team_id = p.id
          union all
          select r.kind, (n.node -> 'data' ->> r.key)::uuid, n.place
          from jsonb_array_elements(p.definition -> 'nodes') with ordinality as n (node, place)
            cross join (values
              ('agent', 'agent_id'), ('team', 'team_id'), ('workflow', 'workflow_id')) as r (kind, key)
          where n.node -> 'data' ->> r.key is not null
        ) as c
    )
    select p.kind, p.id, p.parent_id, p.place from part as p;
end
$$;
comment on function private.parts_of_run(public.executions) is
  'The agent, team or workflow that a run is of, and everything in it: one row for each member of a team and each node of a workflow. A team or workflow that is nested twice is opened once.';

create function private.require_parts(run public.executions) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  v_part record;
begin
  -- Whoever runs a team or a workflow runs its agents: each must be one that the caller may run.
  perform private.require_agent(a.id, 'run')
  from (
    select distinct p.id from private.parts_of_run(run) as p where p.kind = 'agent' order by p.id
  ) as a;
  for v_part in
    select p.kind, p.id, t.name,
      coalesce(t.deleted_at is null, false) as is_there,
      p.kind = 'workflow' and not t.is_active as is_off,
      p.kind = 'team' and not exists (
        select from public.team_agents as m where m.team_id = p.id) as is_empty
    from private.parts_of_run(run) as p
      left join (
        select t.id, t.name, t.deleted_at, true as is_active from public.teams as t
        union all
        select w.id, w.name, w.deleted_at, w.is_active from public.workflows as w
      ) as t on t.id = p.id
    where p.kind <> 'agent'
  loop
    if not v_part.is_there then
      raise sqlstate 'PT404' using message = format('A %s that this would run is gone.', v_part.kind),
        detail = v_part.kind || '_not_found', hint = 'Restore it, or take it out.';
    elsif v_part.is_off then
      raise sqlstate 'PT409' using message = format('The workflow %s is switched off.', v_part.name),
        detail = 'workflow_not_active', hint = 'Whoever may edit it can activate it again.';
    elsif v_part.is_empty then
      raise sqlstate 'PT409' using message = format('The team %s has no members.', v_part.name),
        detail = 'team_empty', hint = 'Add an agent to it.';
    end if;
  end loop;
end
$$;
comment on function private.require_parts(public.executions) is
  'Refuses a run of which some part is gone, switched off, empty, or an agent that the caller may not run.';

create function private.enqueue_execution(run public.executions) returns public.executions
language plpgsql
set search_path = ''
as $$
declare
  v_run public.executions := enqueue_execution.run;
  v_has_budget boolean := exists (
    select from public.organizations as o
    where o.id = v_run.organization_id and o.monthly_budget_usd is not null);
  v_earlier_characters bigint := 0;
  v_call record;
begin
  if v_run.conversation_id is not null then
    v_earlier_characters := coalesce((
      select sum(length(t.content))
      from private.conversation_turns(v_run.id) as t
      where t.execution_id <> v_run.id), 0);
  end if;
  v_run.reserved_usd := 0;
  for v_call in
    with part as (select p.kind, p.id, p.parent_id from private.parts_of_run(v_run) as p)
    select a.name, a.status, v.id is not null as is_published, v.model,
      private.reservation(v, v_run.input, v_earlier_characters)
        -- As leader_reservation: a task in each of three rounds.
        * case when c.id is null then 1 else 3 end as usd
    from part as p
      join public.agents as a on a.id = p.id
      left join public.teams as c on c.id = p.parent_id and c.type = 'coordinate'
      left join public.agent_versions as v
        on v.id = coalesce(v_run.agent_version_id, a.current_version_id)
    where p.kind = 'agent'
    union all
    select t.name, 'active', true, t.leader_model, private.leader_reservation(t, v_run.input)
    from part as p
      join public.teams as t on t.id = p.id
    where p.kind = 'team'
  loop
    if v_call.status in ('paused', 'archived') then
      raise sqlstate 'PT409' using message = format('%s is %s.', v_call.name, v_call.status),
        detail = 'agent_not_active', hint = 'Whoever may edit the agent can activate it again.';
    elsif not v_call.is_published then
      raise sqlstate 'PT409'
        using message = format('%s has no published version yet.', v_call.name),
          detail = 'agent_not_published', hint = 'Publish a version of the agent.';
    elsif v_call.usd is null and v_has_budget
      and v_call.model not like 'openai-compatible/%' then
      raise sqlstate 'PT409'
        using message = format('The price of %s is not known, and the organization has a budget.', v_call.model),
          detail = 'model_price_unknown',
          hint = 'Choose a model from the list of models, or let the operator add its price.';
    end if;
    v_run.reserved_usd := v_run.reserved_usd + coalesce(v_call.usd, 0);
  end loop;

  -- Last, because from here to the commit others of the organization may wait.
  perform private.admit_execution(
    v_run.organization_id, v_run.parent_execution_id is null, v_run.reserved_usd);
  insert into public.executions
    (id, organization_id, user_id, agent_id, agent_version_id, team_id, workflow_id,
     workflow_version_id, trigger_source, session_id, conversation_id, parent_execution_id,
     retry_of_id, input, timeout_seconds, reserved_usd, trace_id, credited_agent_id)
  values (
    coalesce(v_run.id, private.uuid_v7()),
    v_run.organization_id,
    v_run.user_id,
    v_run.agent_id,
    v_run.agent_version_id,
    v_run.team_id,
    v_run.workflow_id,
    v_run.workflow_version_id,
    v_run.trigger_source,
    v_run.session_id,
    v_run.conversation_id,
    v_run.parent_execution_id,
    v_run.retry_of_id,
    v_run.input,
    -- Several agents, one after the other, get an hour.
    coalesce(
      (select private.configured_integer(v.agent_config, 'timeout_seconds', 600, 86400)
       from public.agent_versions as v
       where v.id = v_run.agent_version_id),
      3600),
    v_run.reserved_usd,
    coalesce(v_run.trace_id, replace(gen_random_uuid()::text, '-', '')),
    private.credited_agent_id(v_run.agent_id, v_run.user_id))
  returning * into v_run;
  return v_run;
end
$$;
comment on function private.enqueue_execution(public.executions) is
  'Admits one run (active agents, quota, budget) and puts it into the queue. It reserves the sum over its agents, one for each member of a team (three where a leader coordinates) and each node of a workflow, and the leaders of its teams. In a conversation, what the run answers is there before it. Who calls it has authenticated, authorised and validated.';

create function private.act_as(user_id uuid, trigger_source text) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config(
    'request.jwt.claims',
    jsonb_build_object(
      'sub', act_as.user_id, 'role', 'authenticated', 'agentry_trigger', act_as.trigger_source)::text,
    true);
end
$$;
comment on function private.act_as(uuid, text) is
  'For what the platform does in a person''s name: until the end of the transaction, or until somebody sets the claims again, the caller is that person, and runs say what triggered them.';

create function private.trigger_source() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return case
    when private.request_api_key() is not null then 'api'
    else coalesce(auth.jwt() ->> 'agentry_trigger', 'user')
  end;
end
$$;
comment on function private.trigger_source() is 'What a run that the caller starts names as its trigger.';

-- ===================================================================================================
-- Idempotency
-- ===================================================================================================

-- A caller that repeats a request with the same key gets the first answer, for 24 hours.
create table private.idempotency_keys (
  organization_id uuid not null references public.organizations (id) on delete cascade,
  user_id uuid not null references public.profiles (id),
  function text not null,
  key text not null,
  request_hash bytea not null,
  execution_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id, function, key)
);
-- The foreign key.
create index idempotency_keys_user_id_idx on private.idempotency_keys (user_id);
-- forget_idempotency_keys.
create index idempotency_keys_created_at_idx on private.idempotency_keys (created_at);
comment on table private.idempotency_keys is 'Which run a request with an idempotency key led to.';

create function private.first_execution(
  organization_id uuid,
  user_id uuid,
  function text,
  key text,
  request jsonb,
  execution_id uuid
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_hash bytea := sha256(convert_to(request::text, 'UTF8'));
  v_first private.idempotency_keys;
begin
  if length(key) not between 1 and 255 then
    raise sqlstate 'PT400' using message = 'An idempotency key has 1 to 255 characters.',
      detail = 'idempotency_key_invalid', hint = 'Send a UUID made for this request.';
  end if;
  -- A second request with the key waits here until the first has committed or failed.
  insert into private.idempotency_keys as k
  values (first_execution.organization_id, first_execution.user_id, first_execution.function,
    first_execution.key, v_hash, first_execution.execution_id)
  on conflict on constraint idempotency_keys_pkey do update
  set request_hash = excluded.request_hash,
    execution_id = excluded.execution_id,
    created_at = now()
  where k.created_at < now() - interval '24 hours';
  if found then
    return null;
  end if;
  select * into strict v_first
  from private.idempotency_keys as k
  where k.organization_id = first_execution.organization_id
    and k.user_id = first_execution.user_id
    and k.function = first_execution.function
    and k.key = first_execution.key;
  if v_first.request_hash <> v_hash then
    raise sqlstate 'PT409' using message = 'This idempotency key was used for another request.',
      detail = 'idempotency_key_reused', hint = 'Use a new key for every request that differs.';
  end if;
  return v_first.execution_id;
end
$$;
comment on function private.first_execution(uuid, uuid, text, text, jsonb, uuid) is
  'The run that this key led to before, or null after noting that it now leads to the run given; 409 when it was another request.';

create function private.forget_idempotency_keys() returns void
language sql volatile
set search_path = ''
as $$
  delete from private.idempotency_keys as k where k.created_at < now() - interval '24 hours'
$$;
comment on function private.forget_idempotency_keys() is 'Drops idempotency keys after 24 hours.';

insert into private.upkeep_tasks (name, task, every)
values ('forget idempotency keys', 'private.forget_idempotency_keys()', interval '1 hour');

-- ===================================================================================================
-- What people call
-- ===================================================================================================

create function private.require_input(input jsonb) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(require_input.input) is distinct from 'object'
    or exists (
      select from jsonb_each(require_input.input) as i (name, value)
      where i.name not in ('message', 'parameters')
        or jsonb_typeof(i.value) <> case i.name when 'message' then 'string' else 'object' end) then
    raise sqlstate 'PT400' using message = 'The input is not of the form that agents take.',
      detail = 'input_invalid',
      hint = 'Send {"message": "...", "parameters": {"name": value}}; both may be left out.';
  end if;
  if octet_length(require_input.input::text) > 1048576 then
    raise sqlstate 'PT413' using message = 'The input is larger than 1 MB.',
      detail = 'input_too_large', hint = 'Shorten it, or store it as a file that the agent reads.';
  end if;
end
$$;
comment on function private.require_input(jsonb) is 'Refuses what is not of the form of a run''s input.';

create function private.run_agent(
  agent_id uuid,
  input jsonb,
  version_id uuid,
  draft boolean,
  session_id uuid,
  idempotency_key text
) returns public.executions
language plpgsql security definer
set search_path = ''
as $$
declare
  v_agent public.agents;
  v_version_id uuid;
  v_version public.agent_versions;
  v_run public.executions;
  v_first_id uuid;
begin
  perform private.require_scope('agents:run');
  v_agent := private.require_agent(
    run_agent.agent_id, case when run_agent.draft then 'edit' else 'run' end);

  if run_agent.idempotency_key is not null then
    v_run.id := private.uuid_v7();
    v_first_id := private.first_execution(
      v_agent.organization_id, auth.uid(), 'run_agent', run_agent.idempotency_key,
      jsonb_build_array(run_agent.agent_id, run_agent.input, run_agent.version_id, run_agent.draft,
        run_agent.session_id),
      v_run.id);
    if v_first_id is not null then
      select * into strict v_run from public.executions as e where e.id = v_first_id;
      return v_run;
    end if;
  end if;

  if run_agent.draft and run_agent.version_id is not null then
    raise sqlstate 'PT400' using message = 'A run takes the draft or a version, not both.',
      detail = 'input_invalid', hint = 'Leave out draft or version_id.';
  end if;
  perform private.require_input(run_agent.input);
  v_version_id := case
    when run_agent.draft then private.freeze_draft(v_agent.id)
    else coalesce(run_agent.version_id, v_agent.current_version_id)
  end;
  select * into v_version
  from public.agent_versions as v
  where v.id = v_version_id
    and v.agent_id = v_agent.id
    -- What was frozen for the run of a draft is for editors.
    and (v.is_published or run_agent.draft or private.can_edit_agent(v_agent.id));
  if not found then
    if run_agent.version_id is not null then
      raise sqlstate 'PT404' using message = 'There is no such version of this agent.',
        detail = 'version_not_found', hint = 'Leave version_id out to run the current version.';
    end if;
    raise sqlstate 'PT409' using message = 'This agent has no published version yet.',
      detail = 'agent_not_published', hint = 'Publish a version, or run the draft.';
  end if;

  v_run.organization_id := v_agent.organization_id;
  v_run.user_id := auth.uid();
  v_run.agent_id := v_agent.id;
  v_run.agent_version_id := v_version.id;
  v_run.trigger_source := private.trigger_source();
  v_run.session_id := run_agent.session_id;
  v_run.input := run_agent.input || jsonb_build_object(
    'parameters',
    private.resolve_parameters(v_version.parameters, run_agent.input -> 'parameters'));
  return private.enqueue_execution(v_run);
end
$$;
comment on function private.run_agent(uuid, jsonb, uuid, boolean, uuid, text) is 'Behind public.run_agent.';
grant execute on function private.run_agent(uuid, jsonb, uuid, boolean, uuid, text) to authenticated;

create function public.run_agent(
  agent_id uuid,
  input jsonb default '{}',
  version_id uuid default null,
  draft boolean default false,
  session_id uuid default null,
  idempotency_key text default null
) returns public.executions
language sql volatile
set search_path = ''
as $$
  select * from private.run_agent(agent_id, input, version_id, draft, session_id, idempotency_key)
$$;
comment on function public.run_agent(uuid, jsonb, uuid, boolean, uuid, text) is
E'Starts a run of an agent and answers with it.\n'
'input is {"message": "...", "parameters": {"name": value}}. It runs the current version, the one given, or, for editors, the draft. The same idempotency_key within 24 hours answers with the same run. Follow it on the private channel execution:<id>, or by reading executions.';
grant execute on function public.run_agent(uuid, jsonb, uuid, boolean, uuid, text) to authenticated;

create function private.require_runner(organization_id uuid, kind text) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  v_role public.org_role := private.my_role(require_runner.organization_id);
begin
  perform private.require_user();
  if v_role is null then
    raise sqlstate 'PT404' using message = format('There is no such %s.', kind),
      detail = kind || '_not_found', hint = 'It may be deleted, or belong to another organization.';
  elsif v_role < 'member' then
    raise sqlstate 'PT403' using message = format('Viewers do not run a %s.', kind),
      detail = 'not_allowed', hint = 'Ask an admin of the organization for the role member.';
  end if;
end
$$;
comment on function private.require_runner(uuid, text) is
  'Refuses callers who may not run a team or workflow of the organization; <kind>_not_found to strangers, and when there is no row.';

create function private.run_team(team_id uuid, input jsonb, idempotency_key text)
returns public.executions
language plpgsql security definer
set search_path = ''
as $$
declare
  v_team public.teams;
  v_run public.executions;
  v_first_id uuid;
begin
  perform private.require_scope('orchestration:run');
  select * into v_team
  from public.teams as t
  where t.id = run_team.team_id and t.deleted_at is null;
  perform private.require_runner(v_team.organization_id, 'team');

  if run_team.idempotency_key is not null then
    v_run.id := private.uuid_v7();
    v_first_id := private.first_execution(
      v_team.organization_id, auth.uid(), 'run_team', run_team.idempotency_key,
      jsonb_build_array(run_team.team_id, run_team.input), v_run.id);
    if v_first_id is not null then
      select * into strict v_run from public.executions as e where e.id = v_first_id;
      return v_run;
    end if;
  end if;

  perform private.require_input(run_team.input);
  v_run.organization_id := v_team.organization_id;
  v_run.user_id := auth.uid();
  v_run.team_id := v_team.id;
  v_run.trigger_source := private.trigger_source();
  v_run.input := run_team.input;
  perform private.require_parts(v_run);
  return private.enqueue_execution(v_run);
end
$$;
comment on function private.run_team(uuid, jsonb, text) is 'Behind public.run_team.';
grant execute on function private.run_team(uuid, jsonb, text) to authenticated;

create function public.run_team(
  team_id uuid,
  input jsonb default '{}',
  idempotency_key text default null
) returns public.executions
language sql volatile
set search_path = ''
as $$
  select * from private.run_team(team_id, input, idempotency_key)
$$;
comment on function public.run_team(uuid, jsonb, text) is
E'Starts a run of a team and answers with it.\n'
'input is {"message": "...", "parameters": {"name": value}}; each member takes the parameters that it has. Members run in their current versions, and you must be allowed to run each of them. It reserves what the leader and all members may cost, where the leader coordinates a task for each member in each of three rounds.';
grant execute on function public.run_team(uuid, jsonb, text) to authenticated;

create function private.run_workflow(workflow_id uuid, input jsonb, idempotency_key text)
returns public.executions
language plpgsql security definer
set search_path = ''
as $$
declare
  v_workflow public.workflows;
  v_run public.executions;
  v_first_id uuid;
begin
  perform private.require_scope('orchestration:run');
  select * into v_workflow
  from public.workflows as w
  where w.id = run_workflow.workflow_id and w.deleted_at is null;
  perform private.require_runner(v_workflow.organization_id, 'workflow');

  if run_workflow.idempotency_key is not null then
    v_run.id := private.uuid_v7();
    v_first_id := private.first_execution(
      v_workflow.organization_id, auth.uid(), 'run_workflow', run_workflow.idempotency_key,
      jsonb_build_array(run_workflow.workflow_id, run_workflow.input), v_run.id);
    if v_first_id is not null then
      select * into strict v_run from public.executions as e where e.id = v_first_id;
      return v_run;
    end if;
  end if;

  perform private.require_input(run_workflow.input);
  v_run.organization_id := v_workflow.organization_id;
  v_run.user_id := auth.uid();
  v_run.workflow_id := v_workflow.id;
  select v.id into strict v_run.workflow_version_id
  from public.workflow_versions as v
  where v.workflow_id = v_workflow.id and v.version = v_workflow.version;
  v_run.trigger_source := private.trigger_source();
  v_run.input := run_workflow.input;
  perform private.require_parts(v_run);
  return private.enqueue_execution(v_run);
end
$$;
comment on function private.run_workflow(uuid, jsonb, text) is 'Behind public.run_workflow.';
grant execute on function private.run_workflow(uuid, jsonb, text) to authenticated;

create function public.run_workflow(
  workflow_id uuid,
  input jsonb default '{}',
  idempotency_key text default null
) returns public.executions
language sql volatile
set search_path = ''
as $$
  select * from private.run_workflow(workflow_id, input, idempotency_key)
$$;
comment on function public.run_workflow(uuid, jsonb, text) is
E'Starts a run of a workflow, as it is now, and answers with it.\n'
'input is {"message": "...", "parameters": {"name": value}}; each agent takes the parameters that it has. Agents run in their current versions, and you must be allowed to run each of them. It reserves what each agent node may cost once, and each team what run_team reserves.';
grant execute on function public.run_workflow(uuid, jsonb, text) to authenticated;

create function private.can_read_execution(execution public.executions) returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_role public.org_role := private.my_role(execution.organization_id);
begin
  -- The rule of executions_select_reader again, because a definer function reads past policies.
  return (execution.user_id = v_user_id and (private.has_scope('personal') or v_role is not null))
    or (execution.conversation_id is null
      and coalesce(
        v_role >= 'admin'
        or (v_role >= 'member' and (
          exists (
            select from public.agents as a
            where a.id = execution.agent_id and a.created_by_id = v_user_id and a.deleted_at is null)
          or exists (
            select from public.teams as t
            where t.id = execution.team_id and t.created_by_id = v_user_id and t.deleted_at is null)
          or exists (
            select from public.workflows as w
            where w.id = execution.workflow_id and w.created_by_id = v_user_id
              and w.deleted_at is null))),
        false));
end
$$;
comment on function private.can_read_execution(public.executions) is
  'Whether the caller may read a run. Whoever may read it may also stop it, repeat it and answer its questions.';

create function private.readable_execution(execution_id uuid) returns public.executions
language plpgsql stable
set search_path = ''
as $$
declare
  v_run public.executions;
begin
  perform private.require_user();
  perform private.require_scope('executions:read');
  select * into v_run
  from public.executions as e
  where e.id = readable_execution.execution_id and private.can_read_execution(e);
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such run.',
      detail = 'execution_not_found',
      hint = 'Check the id; you see your own runs and those of what you created.';
  end if;
  if v_run.conversation_id is not null then
    perform private.require_scope('conversations:read');
  end if;
  return v_run;
end
$$;
comment on function private.readable_execution(uuid) is
  'The run, if the caller may read it, else 404. Who gets it back from a function needs the scopes that reading it takes.';

create function private.cancel_execution(execution_id uuid) returns public.executions
language plpgsql security definer
set search_path = ''
as $$
declare
  v_run public.executions;
begin
  perform private.require_scope('executions:write');
  perform private.readable_execution(cancel_execution.execution_id);
  -- Finished meanwhile: it comes back as it is.
  update public.executions as e set status = 'cancelled'
  where e.id = cancel_execution.execution_id and e.completed_at is null;
  select * into strict v_run from public.executions as e where e.id = cancel_execution.execution_id;
  return v_run;
end
$$;
comment on function private.cancel_execution(uuid) is 'Behind public.cancel_execution.';
grant execute on function private.cancel_execution(uuid) to authenticated;

create function public.cancel_execution(execution_id uuid) returns public.executions
language sql volatile
set search_path = ''
as $$
  select * from private.cancel_execution(execution_id)
$$;
comment on function public.cancel_execution(uuid) is
E'Ends a run at once and answers with it.\n'
'A finished run comes back unchanged. For whoever may read the run.';
grant execute on function public.cancel_execution(uuid) to authenticated;

create function private.retry_execution(execution_id uuid) returns public.executions
language plpgsql security definer
set search_path = ''
as $$
declare
  v_old public.executions;
  v_new public.executions;
begin
  v_old := private.readable_execution(retry_execution.execution_id);
  perform private.require_scope(case
    when v_old.conversation_id is not null then 'conversations:run'
    when v_old.agent_id is not null then 'agents:run'
    else 'orchestration:run'
  end);
  if v_old.completed_at is null then
    raise sqlstate 'PT409' using message = format('This run is still %s.', v_old.status),
      detail = 'execution_not_finished', hint = 'Wait for its end, or cancel it.';
  end if;
  if v_old.agent_id is null then
    perform private.require_runner(v_old.organization_id, v_old.target_type);
  elsif exists (
    select from public.agent_versions as v where v.id = v_old.agent_version_id and not v.is_published
  ) then
    perform private.require_agent(v_old.agent_id, 'edit');
  end if;

  v_new.organization_id := v_old.organization_id;
  v_new.user_id := auth.uid();
  v_new.agent_id := v_old.agent_id;
  v_new.agent_version_id := v_old.agent_version_id;
  v_new.team_id := v_old.team_id;
  v_new.workflow_id := v_old.workflow_id;
  v_new.workflow_version_id := v_old.workflow_version_id;
  v_new.trigger_source := private.trigger_source();
  v_new.session_id := v_old.session_id;
  v_new.conversation_id := v_old.conversation_id;
  v_new.retry_of_id := v_old.id;
  v_new.input := v_old.input;
  perform private.require_parts(v_new);
  if v_old.conversation_id is not null then
    return private.answer_again(v_new);
  end if;
  return private.enqueue_execution(v_new);
end
$$;
comment on function private.retry_execution(uuid) is 'Behind public.retry_execution.';
grant execute on function private.retry_execution(uuid) to authenticated;

create function public.retry_execution(execution_id uuid) returns public.executions
language sql volatile
set search_path = ''
as $$
  select * from private.retry_execution(execution_id)
$$;
comment on function public.retry_execution(uuid) is
E'Repeats a finished run as a new one: same version, same input.\n'
'It is yours and counts against the quota like any other. In a conversation, the messages are answered again, when nothing else is being answered.';
grant execute on function public.retry_execution(uuid) to authenticated;

create function private.decide_approval(
  approval_id uuid,
  approve boolean,
  edited_arguments jsonb,
  note text
) returns public.execution_approvals
language plpgsql security definer
set search_path = ''
as $$
declare
  v_approval public.execution_approvals;
begin
  perform private.require_user();
  perform private.require_scope('executions:write');
  select a.* into v_approval
  from public.execution_approvals as a
    join public.executions as e on e.id = a.execution_id
  where a.id = decide_approval.approval_id and private.can_read_execution(e);
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such question.',
      detail = 'approval_not_found', hint = 'Check the id; the run may not be yours to see.';
  end if;
  perform private.readable_execution(v_approval.execution_id);

  perform from public.executions as e where e.id = v_approval.execution_id for no key update;
  update public.execution_approvals as a
  set status = case when decide_approval.approve then 'approved' else 'rejected' end,
    edited_arguments = case when decide_approval.approve then decide_approval.edited_arguments end,
    note = decide_approval.note,
    decided_by_id = auth.uid(),
    decided_at = now()
  where a.id = decide_approval.approval_id and a.status = 'pending' and a.expires_at > now()
  returning * into v_approval;
  if not found then
    raise sqlstate 'PT409' using message = 'This question is closed.',
      detail = 'approval_closed', hint = 'Read it again to see the decision.';
  end if;
  -- It asked everything at once, so it goes on when everything is answered.
  update public.executions as e set status = 'pending'
  where e.id = v_approval.execution_id
    and e.status = 'waiting'
    and not exists (
      select from public.execution_approvals as a
      where a.execution_id = e.id and a.status = 'pending');
  return v_approval;
end
$$;
comment on function private.decide_approval(uuid, boolean, jsonb, text) is 'Behind public.decide_approval.';
grant execute on function private.decide_approval(uuid, boolean, jsonb, text) to authenticated;

create function public.decide_approval(
  approval_id uuid,
  approve boolean,
  edited_arguments jsonb default null,
  note text default null
) returns public.execution_approvals
language sql volatile
set search_path = ''
as $$
  select * from private.decide_approval(approval_id, approve, edited_arguments, note)
$$;
comment on function public.decide_approval(uuid, boolean, jsonb, text) is
E'Approves or rejects a tool call that a run waits for.\n'
'edited_arguments replace the tool''s arguments. For whoever may read the run, once. The run goes on when all its questions are answered.';
grant execute on function public.decide_approval(uuid, boolean, jsonb, text) to authenticated;

-- ===================================================================================================
-- Conversations: each message gets a run at once, so that quota and budget are asked when it is sent.
-- One of them answers at a time; the others wait in the queue, available at infinity.
-- ===================================================================================================

create function private.require_conversation(conversation_id uuid) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  perform from public.conversations as c where c.id = require_conversation.conversation_id;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such conversation.',
      detail = 'conversation_not_found', hint = 'It may be deleted; you see your own only.';
  end if;
end
$$;
comment on function private.require_conversation(uuid) is
  'Refuses what is no conversation, or no longer; null is none.';

create function private.require_attachments(conversation public.conversations, attachments jsonb)
returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  v_folder text := conversation.organization_id || '/' || conversation.id || '/';
  v_known jsonb;
begin
  if jsonb_typeof(require_attachments.attachments) is distinct from 'array'
    or jsonb_array_length(require_attachments.attachments) > 10
    or exists (
      select from jsonb_array_elements(require_attachments.attachments) as a (attachment)
      where jsonb_typeof(a.attachment) <> 'object'
        or jsonb_typeof(a.attachment -> 'path') is distinct from 'string')
  then
    raise sqlstate 'PT400' using message = 'Attachments are a list of at most 10 files.',
      detail = 'attachment_invalid', hint = 'Send [{"path": "..."}], as uploaded to the bucket attachments.';
  end if;
  -- What the message keeps of a file is what Storage knows, not what the sender says.
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'path', o.name,
      'name', substr(o.name, length(v_folder) + 1),
      'type', o.metadata ->> 'mimetype',
      'size_bytes', (o.metadata ->> 'size')::bigint)
    order by a.place), '[]')
  into v_known
  from jsonb_array_elements(require_attachments.attachments) with ordinality as a (attachment, place)
    join storage.objects as o
      on o.bucket_id = 'attachments' and o.name = a.attachment ->> 'path'
  where starts_with(o.name, v_folder);
  if jsonb_array_length(v_known) < jsonb_array_length(require_attachments.attachments) then
    raise sqlstate 'PT400' using message = 'One of the attached files is not there.',
      detail = 'attachment_invalid',
      hint = format('Upload it to the bucket attachments under %s first.', v_folder);
  end if;
  return v_known;
end
$$;
comment on function private.require_attachments(public.conversations, jsonb) is
  'The attachments of a message as they are kept; refuses files that are not in the conversation''s folder.';

create function private.send_message(
  conversation_id uuid,
  content text,
  attachments jsonb,
  strategy text
) returns public.messages
language plpgsql security definer
set search_path = ''
as $$
declare
  v_conversation public.conversations;
  v_attachments jsonb;
  v_interrupted uuid[];
  v_run public.executions;
  v_message public.messages;
begin
  perform private.require_scope('conversations:run');
  select * into v_conversation
  from public.conversations as c
  where c.id = send_message.conversation_id and c.user_id = private.require_user();
  perform private.require_conversation(v_conversation.id);
  perform private.require_agent(v_conversation.agent_id, 'run');

  if send_message.strategy is null
    or send_message.strategy not in ('enqueue', 'reject', 'interrupt') then
    raise sqlstate 'PT400' using message = 'There is no such strategy.',
      detail = 'strategy_unknown', hint = 'Use enqueue, reject or interrupt.';
  end if;
  v_attachments := private.require_attachments(v_conversation, send_message.attachments);
  if coalesce(send_message.content, '') !~ '\S' and v_attachments = '[]' then
    raise sqlstate 'PT400' using message = 'The message is empty.',
      detail = 'message_empty', hint = 'Write something, or attach a file.';
  end if;

  if send_message.strategy = 'interrupt' then
    v_interrupted := array(
      select e.id
      from public.executions as e
      where e.conversation_id = v_conversation.id and e.status in ('pending', 'running', 'waiting')
      order by e.id
      for no key update);
  end if;
  perform from public.conversations as c where c.id = v_conversation.id for no key update;
  -- It may have been deleted while we waited.
  perform private.require_conversation(v_conversation.id);
  if send_message.strategy = 'reject' and private.is_answering(v_conversation.id) then
    raise sqlstate 'PT409' using message = 'The agent is still answering.',
      detail = 'conversation_busy', hint = 'Wait for the answer, or send with enqueue or interrupt.';
  end if;

  v_run.organization_id := v_conversation.organization_id;
  v_run.user_id := v_conversation.user_id;
  v_run.agent_id := v_conversation.agent_id;
  v_run.agent_version_id := v_conversation.agent_version_id;
  v_run.session_id := v_conversation.id;
  v_run.conversation_id := v_conversation.id;
  v_run.trigger_source := private.trigger_source();
  v_run.input := jsonb_build_object(
    'message', coalesce(send_message.content, ''),
    'parameters', v_conversation.parameters);
  perform private.require_input(v_run.input);
  v_run.id := private.uuid_v7();
  insert into public.messages (conversation_id, sender_type, content, attachments, execution_id)
  values (
    v_conversation.id, 'user', coalesce(send_message.content, ''), v_attachments, v_run.id)
  returning * into v_message;
  perform private.enqueue_execution(v_run);
  -- Last, so that the first to end finds the new message next in line.
  update public.executions as e set status = 'cancelled' where e.id = any (v_interrupted);
  return v_message;
end
$$;
comment on function private.send_message(uuid, text, jsonb, text) is 'Behind public.send_message.';
grant execute on function private.send_message(uuid, text, jsonb, text) to authenticated;

create function public.send_message(
  conversation_id uuid,
  content text,
  attachments jsonb default '[]',
  strategy text default 'enqueue'
) returns public.messages
language sql volatile
set search_path = ''
as $$
  select * from private.send_message(conversation_id, content, attachments, strategy)
$$;
comment on function public.send_message(uuid, text, jsonb, text) is
E'Says something to the agent of a conversation and answers with the message.\n'
'Its execution_id is the run that answers; follow it on execution:<id>, and the answer stands in messages when it completes. While the agent is still answering: enqueue waits for its turn, reject refuses (conversation_busy), interrupt cancels what is being answered and what waits. attachments are [{"path": "<organization id>/<conversation id>/<name>"}], uploaded to the bucket attachments before. Errors: conversation_not_found, conversation_busy, message_empty, attachment_invalid, strategy_unknown, and those of run_agent.';
grant execute on function public.send_message(uuid, text, jsonb, text) to authenticated;

create function private.is_answering(conversation_id uuid) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return exists (
    select from public.executions as e
    where e.conversation_id = is_answering.conversation_id
      and e.status in ('pending', 'running', 'waiting'));
end
$$;
comment on function private.is_answering(uuid) is
  'Whether a run of a conversation goes on or waits for its turn.';

create function private.answer_again(run public.executions) returns public.executions
language plpgsql
set search_path = ''
as $$
declare
  v_run public.executions := answer_again.run;
begin
  perform from public.conversations as c where c.id = run.conversation_id for no key update;
  perform private.require_conversation(run.conversation_id);
  if private.is_answering(run.conversation_id) then
    raise sqlstate 'PT409' using message = 'The agent is still answering.',
      detail = 'conversation_busy', hint = 'Wait for the answer, or cancel its run.';
  end if;
  v_run.id := private.uuid_v7();
  update public.messages as m
  set execution_id = v_run.id
  where m.execution_id = v_run.retry_of_id and m.sender_type = 'user';
  if not found then
    raise sqlstate 'PT409' using message = 'This answer was repeated already.',
      detail = 'execution_repeated', hint = 'Repeat the latest run of the message.';
  end if;
  return private.enqueue_execution(v_run);
end
$$;
comment on function private.answer_again(public.executions) is
  'Queues another run for the messages that an earlier one answered.';

create function private.tg_executions__answer() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_run public.executions := case when tg_op = 'DELETE' then old else new end;
begin
  perform from public.conversations as c where c.id = v_run.conversation_id for no key update;
  -- Deleted meanwhile: nobody waits for the answer any more.
  if not found then
    return null;
  end if;
  if v_run.status = 'completed' then
    insert into public.messages (conversation_id, sender_type, content, execution_id)
    values (v_run.conversation_id, 'agent', coalesce(v_run.output ->> 'text', ''), v_run.id);
  end if;
  -- In the order of the messages, which a clock that is set back does not change.
  update private.execution_queue as q
  set available_at = now()
  where q.available_at = 'infinity'
    and q.execution_id = (
      select e.id
      from public.executions as e
        join public.messages as m on m.execution_id = e.id and m.sender_type = 'user'
      where e.conversation_id = v_run.conversation_id
        and e.status in ('pending', 'running', 'waiting')
      order by m.sequence_number
      limit 1);
  if found then
    perform pg_notify('agentry_work', '');
  end if;
  return null;
end
$$;
comment on function private.tg_executions__answer() is
  'A run that completes in a conversation says its answer there; whatever its end, the next message has its turn.';

create trigger _160_answer after update of status on public.executions
  for each row when (
    old.completed_at is null and new.completed_at is not null and new.conversation_id is not null)
  execute function private.tg_executions__answer();
create trigger _160_answer_on_delete after delete on public.executions
  for each row when (old.completed_at is null and old.conversation_id is not null)
  execute function private.tg_executions__answer();

create function private.tg_conversations__cancel_runs() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- One that others hold is passed over: it may be ending, and would wait for us. Its end finds no
  -- conversation, or cancel_orphaned_runs() ends it.
  update public.executions as e
  set status = 'cancelled'
  where e.id in (
    select l.id
    from public.executions as l
    where l.conversation_id = old.id and l.status in ('pending', 'running', 'waiting')
    order by l.id
    for no key update skip locked);
  return null;
end
$$;
comment on function private.tg_conversations__cancel_runs() is
  'A conversation that is deleted needs no more answers.';
create trigger _500_cancel_runs after delete on public.conversations
  for each row execute function private.tg_conversations__cancel_runs();

create function private.cancel_orphaned_runs() returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_execution_ids uuid[] := array(
    select e.id
    from public.executions as e
    where e.conversation_id is not null
      and e.status in ('pending', 'running', 'waiting')
      and not exists (select from public.conversations as c where c.id = e.conversation_id)
    -- As reap_executions, because each end is booked on its organization's totals.
    order by e.organization_id, e.id
    limit 100
    for no key update skip locked);
  v_execution_id uuid;
begin
  foreach v_execution_id in array v_execution_ids loop
    update public.executions as e set status = 'cancelled' where e.id = v_execution_id;
  end loop;
  return cardinality(v_execution_ids);
end
$$;
comment on function private.cancel_orphaned_runs() is
  'Upkeep: cancels runs that outlived their conversation because others held them when it was deleted. What waits for its turn would wait for ever, and hold back money.';

insert into private.upkeep_tasks (name, task, every)
values ('cancel orphaned runs', 'private.cancel_orphaned_runs()', interval '1 minute');

create function private.conversation_turns(execution_id uuid, max_messages integer default 200)
returns table (execution_id uuid, sender_type public.message_sender, content text, attachments jsonb)
language sql stable
set search_path = ''
as $$
  with turn as (
    -- What a run answers. An answer whose question another run has answered since is no turn.
    select m.execution_id, min(m.sequence_number) as place
    from public.messages as m
    where m.conversation_id = (
        select o.conversation_id
        from public.messages as o
        where o.execution_id = conversation_turns.execution_id
        limit 1)
      and m.sender_type = 'user'
    group by m.execution_id
  ), recent as (
    select m.*, t.place
    from turn as t
      join public.messages as m on m.execution_id = t.execution_id
    where t.place <= (
      select own.place from turn as own where own.execution_id = conversation_turns.execution_id)
    order by t.place desc, m.sequence_number desc
    limit max_messages
  )
  select r.execution_id, r.sender_type, r.content, r.attachments
  from recent as r
  order by r.place, r.sequence_number
$$;
comment on function private.conversation_turns(uuid, integer) is
  'For workers, and for what a run reserves: the latest messages of a conversation up to those that a run answers, which come last. Each answer follows its question, whatever was said in between; messages that still wait are left out.';

-- ===================================================================================================
-- Usage: what admins learn of all runs of their organization, those in conversations included
-- ===================================================================================================

create function private.execution_usage() returns table (
  id uuid,
  organization_id uuid,
  user_id uuid,
  target_type text,
  target_id uuid,
  trigger_source text,
  status text,
  error_code text,
  created_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  latency_ms integer,
  prompt_tokens integer,
  completion_tokens integer,
  total_tokens integer,
  cost_usd numeric
)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  if private.has_scope('usage:read') then
    return query
      select e.id, e.organization_id, e.user_id, e.target_type, e.target_id, e.trigger_source,
        e.status, e.error_code, e.created_at, e.started_at, e.completed_at, e.latency_ms,
        e.prompt_tokens, e.completion_tokens, e.total_tokens, e.cost_usd
      from public.executions as e
      where e.organization_id = any (array(select private.my_organization_ids('admin')));
  end if;
end
$$;
comment on function private.execution_usage() is
  'Behind public.execution_usage: goes past the policies of runs, and leaves out every word.';
grant execute on function private.execution_usage() to authenticated;

create view public.execution_usage with (security_invoker = true) as
select * from private.execution_usage();
grant select on public.execution_usage to authenticated;
comment on view public.execution_usage is
  E'Status, time, tokens and cost of every run of the organizations that you administer, conversations included.\nNever what was said. With an API key it takes usage:read.';

-- ===================================================================================================
-- Schedules carried out
-- ===================================================================================================

create function private.pause_schedule(schedule public.schedules, reason text) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_payload jsonb := jsonb_build_object(
    'schedule_id', schedule.id, 'organization_id', schedule.organization_id, 'name', schedule.name,
    'reason', pause_schedule.reason);
begin
  update public.schedules as s set enabled = false where s.id = schedule.id;
  if pause_schedule.reason = 'creator_gone' then
    perform private.notify_user(m.user_id, 'schedule.paused', v_payload)
    from public.organization_members as m
    where m.organization_id = schedule.organization_id and m.role >= 'admin';
  else
    perform private.notify_user(schedule.created_by_id, 'schedule.paused', v_payload);
  end if;
end
$$;
comment on function private.pause_schedule(public.schedules, text) is
  'Switches a schedule off and tells its creator; the admins when the creator is gone (creator_gone).';

create function private.count_schedule_result(schedule_id uuid, is_failure boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_schedule public.schedules;
begin
  update public.schedules as s
  set consecutive_failures = case when is_failure then s.consecutive_failures + 1 else 0 end
  where s.id = count_schedule_result.schedule_id and (is_failure or s.consecutive_failures > 0)
  returning * into v_schedule;
  if v_schedule.enabled and v_schedule.consecutive_failures >= 10 then
    perform private.pause_schedule(v_schedule, 'failures');
  end if;
end
$$;
comment on function private.count_schedule_result(uuid, boolean) is
  'Counts failures in a row; the tenth pauses the schedule.';

create function private.tg_executions__schedule_result() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.count_schedule_result(r.schedule_id, new.status = 'failed')
  from public.schedule_runs as r
  where r.execution_id = new.id;
  return null;
end
$$;
comment on function private.tg_executions__schedule_result() is
  'How a run of a schedule ended counts for the schedule; a cancelled one says nothing.';

create trigger _170_schedule_result after update of status on public.executions
  for each row when (
    old.completed_at is null and new.status in ('completed', 'failed')
    and new.trigger_source = 'schedule')
  execute function private.tg_executions__schedule_result();

create function private.fire_schedule(schedule public.schedules) returns public.schedule_runs
language plpgsql
set search_path = ''
as $$
declare
  v_claims text := current_setting('request.jwt.claims', true);
  v_fired public.schedule_runs;
begin
  v_fired.schedule_id := schedule.id;
  v_fired.due_at := schedule.next_run_at;
  v_fired.created_at := now();
  if schedule.overlap = 'skip' and exists (
    select
    from (
      select r.execution_id
      from public.schedule_runs as r
      where r.schedule_id = schedule.id and r.outcome = 'started'
      order by r.due_at desc
      limit 1) as last
      join public.executions as e on e.id = last.execution_id
    where e.completed_at is null
  ) then
    v_fired.outcome := 'skipped';
    return v_fired;
  end if;

  -- Whoever admits several runs in one transaction holds the lock before the first.
  perform pg_advisory_xact_lock(private.admission_lock(schedule.organization_id));
  begin
    perform private.act_as(schedule.created_by_id, 'schedule');
    v_fired.execution_id := case
      when schedule.agent_id is not null then (
        select e.id from private.run_agent(schedule.agent_id, schedule.input, null, false, null, null) as e)
      when schedule.team_id is not null then (
        select e.id from private.run_team(schedule.team_id, schedule.input, null) as e)
      else (
        select e.id from private.run_workflow(schedule.workflow_id, schedule.input, null) as e)
    end;
    v_fired.outcome := 'started';
    perform set_config('request.jwt.claims', coalesce(v_claims, ''), true);
  exception
    -- Nobody's fault: all of it is tried again a second later.
    when transaction_rollback or lock_not_available then
      raise;
    -- Undone with everything else in here, the claims included.
    when others then
      get stacked diagnostics v_fired.error_code = pg_exception_detail,
        v_fired.error_message = message_text;
      v_fired.error_code := case when sqlstate like 'PT%' then v_fired.error_code else 'internal_error' end;
      v_fired.execution_id := null;
      v_fired.outcome := 'refused';
  end;
  return v_fired;
end
$$;
comment on function private.fire_schedule(public.schedules) is
  'Starts what a schedule runs, in its creator''s name and under the same rules, and answers with what became of the slot.';

create function private.fire_due_schedules() returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_schedule public.schedules;
  v_fired public.schedule_runs;
  v_count integer := 0;
begin
  -- A run in the future is a clock that was set back; what was planned by it would come too late.
  update public.schedules as s
  set last_run_at = now(), next_run_at = private.next_run_at(s, now())
  where s.id in (
    select a.id
    from public.schedules as a
    where a.enabled and a.last_run_at > now() + interval '1 minute'
    for no key update skip locked);

  for v_schedule in
    select due.*
    from (
      select s.*
      from public.schedules as s
      where s.enabled and s.next_run_at <= now()
      order by s.next_run_at
      limit 100
      for no key update skip locked
    ) as due
    -- As everybody who books on the totals of several organizations.
    order by due.organization_id, due.id
  loop
    -- From now on: slots that were missed together are carried out as one.
    update public.schedules as s
    set last_run_at = now(), next_run_at = private.next_run_at(v_schedule, now())
    where s.id = v_schedule.id;
    -- Carried out before the clock was set back, or of an organization that may be restored.
    continue when exists (
        select from public.schedule_runs as r
        where r.schedule_id = v_schedule.id and r.due_at = v_schedule.next_run_at)
      or exists (
        select from public.organizations as o
        where o.id = v_schedule.organization_id and o.deleted_at is not null);
    if not exists (
      select
      from public.organization_members as m
        join public.profiles as p on p.id = m.user_id and p.is_active
      where m.organization_id = v_schedule.organization_id
        and m.user_id = v_schedule.created_by_id
    ) then
      perform private.pause_schedule(v_schedule, 'creator_gone');
      continue;
    end if;

    v_fired := private.fire_schedule(v_schedule);
    insert into public.schedule_runs values (v_fired.*);
    if v_fired.outcome = 'refused' then
      perform private.count_schedule_result(v_schedule.id, true);
    end if;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function private.fire_due_schedules() is
  'Upkeep: carries out up to 100 slots that are due, each once, whoever calls; answers with how many.';

insert into private.upkeep_tasks (name, task, every)
values ('fire due schedules', 'private.fire_due_schedules()', interval '1 second');

-- ===================================================================================================
-- Computed fields
-- ===================================================================================================

create function public.agent(execution public.executions) returns setof public.agents
language sql stable rows 1
set search_path = ''
as $$
  select * from public.agents as a where a.id = execution.agent_id
$$;
comment on function public.agent(public.executions) is
E'Embeds the agent that a run ran, while it exists.\n'
'/executions?select=status,agent(name)';
grant execute on function public.agent(public.executions) to authenticated, service_role;

create function public.agent_version(execution public.executions) returns setof public.agent_versions
language sql stable rows 1
set search_path = ''
as $$
  select * from public.agent_versions as v where v.id = execution.agent_version_id
$$;
comment on function public.agent_version(public.executions) is
E'Embeds the version that a run ran.\n'
'/executions?select=status,agent_version(version)';
grant execute on function public.agent_version(public.executions) to authenticated, service_role;

create function public.team(execution public.executions) returns setof public.teams
language sql stable rows 1
set search_path = ''
as $$
  select * from public.teams as t where t.id = execution.team_id
$$;
comment on function public.team(public.executions) is
E'Embeds the team that a run ran, while it exists.\n'
'/executions?select=status,team(name)';
grant execute on function public.team(public.executions) to authenticated, service_role;

create function public.workflow(execution public.executions) returns setof public.workflows
language sql stable rows 1
set search_path = ''
as $$
  select * from public.workflows as w where w.id = execution.workflow_id
$$;
comment on function public.workflow(public.executions) is
E'Embeds the workflow that a run ran, while it exists.\n'
'/executions?select=status,workflow(name)';
grant execute on function public.workflow(public.executions) to authenticated, service_role;

create function public.execution(message public.messages) returns setof public.executions
language sql stable rows 1
set search_path = ''
as $$
  select * from public.executions as e where e.id = message.execution_id
$$;
comment on function public.execution(public.messages) is
E'Embeds the run that answers a message, or that said it, while it is kept.\n'
'/messages?select=content,execution(status,error_code)';
grant execute on function public.execution(public.messages) to authenticated, service_role;

create function public.tool_calls(execution public.executions) returns jsonb
language sql stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'step_id', s.id,
      'name', s.tool_name,
      'arguments', s.input,
      'result', s.output,
      'status', s.tool_status,
      'latency_ms', s.latency_ms)
    order by s.sequence_number), '[]')
  from public.execution_steps as s
  where s.execution_id = execution.id
    and s.step_type = 'tool_call'
$$;
comment on function public.tool_calls(public.executions) is
E'The tools that a run called, from its steps.\n'
'/executions?select=status,tool_calls';
grant execute on function public.tool_calls(public.executions) to authenticated, service_role;

create function private.runtime_status(agent_id uuid, status text) returns text
language sql stable security definer
set search_path = ''
as $$
  select case
    when exists (
      select from public.executions as e
      where e.agent_id = runtime_status.agent_id and e.status in ('pending', 'running', 'waiting'))
      then 'running'
    when runtime_status.status in ('paused', 'archived') then 'stopped'
    when (
      select e.status
      from public.executions as e
      where e.agent_id = runtime_status.agent_id and e.status in ('completed', 'failed', 'cancelled')
      order by e.id desc
      limit 1) = 'failed' then 'error'
    else 'created'
  end
$$;
comment on function private.runtime_status(uuid, text) is 'Behind public.runtime_status: counts everybody''s runs, tells nobody whose.';
grant execute on function private.runtime_status(uuid, text) to anon, authenticated, service_role;

create function public.runtime_status(agent public.agents) returns text
language sql stable
set search_path = ''
as $$
  -- Looked up, so that nobody learns about an agent that they cannot see by naming its id. One that is
  -- being inserted is not there yet.
  select case
    when exists (select from public.agents as a where a.id = agent.id)
      then private.runtime_status(agent.id, agent.status)
    else 'created'
  end
$$;
comment on function public.runtime_status(public.agents) is
E'What an agent does right now: running, stopped, error or created.\n'
'running: a run of it is live. stopped: it is paused or archived. error: its last finished run failed. /agents?select=name,runtime_status';
grant execute on function public.runtime_status(public.agents) to anon, authenticated, service_role;

insert into private.personal_data (section, relation, user_column)
values ('executions', 'public.executions', 'user_id');

-- ===================================================================================================
-- Months that go
-- ===================================================================================================

create function private.archive_executions(partition regclass) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_child text;
begin
  -- What a run did long after it was asked for stands in a month that stays, and would hold this one.
  -- Approvals have no months, and say nothing without their run.
  foreach v_child in array array[
    'execution_steps', 'execution_logs', 'execution_events', 'execution_approvals'] loop
    execute format(
      'delete from public.%I as c using %s as e where c.execution_id = e.id',
      v_child, archive_executions.partition);
  end loop;
  execute format($sql$
    select private.archive_agent_count(e.credited_agent_id, 'total_uses', count(*))
    from %s as e
    where e.credited_agent_id is not null and e.status = 'completed'
    group by e.credited_agent_id
  $sql$, archive_executions.partition);
  execute format($sql$
    select private.archive_execution_totals(
      e.organization_id,
      date_trunc('month', e.created_at at time zone 'UTC')::date,
      count(*) filter (where e.parent_execution_id is null),
      coalesce(sum(e.cost_usd) filter (where e.completed_at is not null), 0),
      coalesce(sum(e.total_tokens) filter (where e.completed_at is not null), 0))
    from %s as e
    group by e.organization_id, date_trunc('month', e.created_at at time zone 'UTC')
  $sql$, archive_executions.partition);
end
$$;
comment on function private.archive_executions(regclass) is 'Before a month of runs is dropped: keeps their part of the counters, and removes what would still point at them.';

create function private.check_execution_counts() returns table (
  counter text,
  id uuid,
  stored numeric,
  counted numeric
)
language sql stable
set search_path = ''
as $$
  with stored as (
    select t.organization_id, t.month, sum(t.root_runs) as root_runs,
      sum(t.reserved_usd) as reserved_usd, sum(t.cost_usd) as cost_usd, sum(t.tokens) as tokens
    from private.execution_totals as t
    group by t.organization_id, t.month
  ), gone_and_living as (
    select a.organization_id, a.month, a.root_runs, 0::numeric as reserved_usd, a.cost_usd,
      a.tokens
    from private.execution_totals_archive as a
    union all
    select e.organization_id, date_trunc('month', e.created_at at time zone 'UTC')::date,
      (e.parent_execution_id is null)::integer, e.reserved_usd,
      case when e.completed_at is not null then coalesce(e.cost_usd, 0) else 0 end,
      case when e.completed_at is not null then e.total_tokens else 0 end
    from public.executions as e
    where exists (select from public.organizations as o where o.id = e.organization_id)
  ), counted as (
    select g.organization_id, g.month, sum(g.root_runs) as root_runs,
      sum(g.reserved_usd) as reserved_usd, sum(g.cost_usd) as cost_usd, sum(g.tokens) as tokens
    from gone_and_living as g
    group by g.organization_id, g.month
  )
  select v.counter || ' ' || to_char(month, 'YYYY-MM'), organization_id, v.stored, v.counted
  from stored as s
    full join counted as c using (organization_id, month)
    cross join lateral (values
      ('root_runs', coalesce(s.root_runs, 0), coalesce(c.root_runs, 0)),
      ('reserved_usd', coalesce(s.reserved_usd, 0), coalesce(c.reserved_usd, 0)),
      ('cost_usd', coalesce(s.cost_usd, 0), coalesce(c.cost_usd, 0)),
      ('tokens', coalesce(s.tokens, 0), coalesce(c.tokens, 0))) as v (counter, stored, counted)
  where v.stored <> v.counted
  union all
  select 'total_uses', a.id, n.total_uses, u.uses
  from public.agents as a
    left join (
      select e.credited_agent_id, count(*) as living
      from public.executions as e
      where e.credited_agent_id is not null and e.status = 'completed'
      group by e.credited_agent_id
    ) as l on l.credited_agent_id = a.id
    left join private.counter_archive as k on k.agent_id = a.id and k.counter = 'total_uses'
    cross join lateral private.agent_counts(a.id) as n
    cross join lateral (select coalesce(l.living, 0) + coalesce(k.count, 0) as uses) as u
  where n.total_uses <> u.uses
$$;
comment on function private.check_execution_counts() is 'For private.recount().';
insert into private.counter_checks (name, check_function)
values ('executions', 'private.check_execution_counts()');

select private.partition_by_month('public.executions', 12, 'private.archive_executions(regclass)');

-- migrate:down
