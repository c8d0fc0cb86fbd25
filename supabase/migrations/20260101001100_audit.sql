-- migrate:up

-- Audit: who changed what. One generic trigger writes audit_logs; a sealer chains the rows by hashes
-- within a second, so that what is changed, removed or moved afterwards is found by verify_audit_log().

-- ---------------------------------------------------------------------------------------------------
-- audit_logs: insert-only for everybody. No foreign keys: a row outlives what it tells of.
-- ---------------------------------------------------------------------------------------------------
create table public.audit_logs (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  user_id uuid,
  action text not null,
  resource_type text not null,
  resource_id uuid,
  old_values jsonb,
  new_values jsonb,
  ip_address inet,
  user_agent text,
  request_id text,
  created_at timestamptz not null default now()
) partition by range (id);
alter table public.audit_logs enable row level security;

-- An organization's log, newest first.
create index audit_logs_list_idx on public.audit_logs (organization_id, id desc);
-- The trail of one resource, of one person, of one kind of action.
create index audit_logs_resource_idx on public.audit_logs (organization_id, resource_type, resource_id, id desc);
create index audit_logs_user_id_idx on public.audit_logs (organization_id, user_id, id desc);
create index audit_logs_action_idx on public.audit_logs (organization_id, action, id desc);

create function private.tg_audit_logs__insert_only() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE'
    and new.ip_address is null and new.user_agent is null
    and (to_jsonb(new) - array['ip_address', 'user_agent']) = (to_jsonb(old) - array['ip_address', 'user_agent'])
  then
    return new;
  end if;
  raise sqlstate 'PT409' using
    message = 'The audit log is never changed.',
    detail = 'audit_log_immutable',
    hint = 'Only addresses and user agents are forgotten, after 90 days.';
end
$$;
comment on function private.tg_audit_logs__insert_only() is
  'Before update, delete or truncate, for every role: refused, except forgetting ip_address and user_agent.';
create trigger _100_insert_only before update or delete on public.audit_logs
  for each row execute function private.tg_audit_logs__insert_only();
create trigger _110_insert_only before truncate on public.audit_logs
  for each statement execute function private.tg_audit_logs__insert_only();

-- NOTE: written by private.audit() alone.
grant select on public.audit_logs to authenticated;
revoke insert, update, delete on public.audit_logs from service_role;

create policy audit_logs_select_admin on public.audit_logs for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy audit_logs_select_scope on public.audit_logs as restrictive for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.audit_logs is
  E'Who changed what in an organization.\nAdmins read. Insert-only: verify_audit_log() finds what was tampered with. Kept for 7 years; addresses and user agents for 90 days.';
comment on column public.audit_logs.user_id is 'Null: the platform itself, or an operator.';
comment on column public.audit_logs.action is '<resource>.<created|updated|deleted|restored>, or a word of its own such as session.revoked.';
comment on column public.audit_logs.old_values is 'What the changed columns held before (of a share, all); texts over 2,000 characters as their length and SHA-256.';
comment on column public.audit_logs.new_values is 'What they hold now.';
comment on column public.audit_logs.request_id is 'The x-request-id of the request that did it.';

-- ---------------------------------------------------------------------------------------------------
-- audit_seals: the chain. Sealing within the writing transaction would make an organization's writers
-- queue (a tenth of the write rate was left), so rows wait in private.audit_unsealed for the sealer.
-- ---------------------------------------------------------------------------------------------------
create table private.audit_unsealed (
  audit_log_id uuid primary key,
  organization_id uuid not null
);
comment on table private.audit_unsealed is 'Rows of audit_logs that the sealer has still to chain.';

create table public.audit_seals (
  organization_id uuid not null,
  seq bigint not null
    constraint seq_is_positive check (seq > 0),
  audit_log_id uuid not null,
  row_hash bytea not null,
  hash bytea not null,
  is_anchor boolean not null default false,
  sealed_at timestamptz not null default now(),
  primary key (organization_id, seq)
);
alter table public.audit_seals enable row level security;

-- The seals of a month that goes.
create index audit_seals_audit_log_id_idx on public.audit_seals (audit_log_id);

-- NOTE: written by the sealer alone.
grant select on public.audit_seals to authenticated;
revoke insert, update, delete on public.audit_seals from service_role;

create policy audit_seals_select_admin on public.audit_seals for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy audit_seals_select_scope on public.audit_seals as restrictive for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.audit_seals is
  E'The hash chain over an organization''s audit log.\nKeep the newest seal somewhere else: rows cut from the end show only against an exported head.';
comment on column public.audit_seals.row_hash is 'SHA-256 over the row without its address and user agent.';
comment on column public.audit_seals.hash is 'SHA-256 over the hash of the seal before and row_hash.';
comment on column public.audit_seals.is_anchor is 'Its row was dropped with its month; the chain goes on from here. Of a month that is still kept, it is not believed.';

-- A view, so that a query over a whole log need not call a function for each row.
create view private.audit_row_hashes as
select l.id, l.organization_id,
  sha256(convert_to((to_jsonb(l) - array['ip_address', 'user_agent'])::text, 'UTF8')) as row_hash
from public.audit_logs as l;
comment on view private.audit_row_hashes is
  'SHA-256 over what a row will always hold. It writes times in the session''s time zone: who asks sets UTC.';

create function private.seal_audit_logs() returns integer
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_log private.audit_row_hashes;
  v_head public.audit_seals;
  v_sealed integer := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('private.seal_audit_logs', 0)) then
    return 0;
  end if;
  for v_log in
    with waiting as (
      delete from private.audit_unsealed as u
      where u.audit_log_id in (
        select w.audit_log_id from private.audit_unsealed as w order by w.audit_log_id limit 10000)
      returning u.audit_log_id
    )
    select l.* from waiting as w join private.audit_row_hashes as l on l.id = w.audit_log_id
    order by l.organization_id, l.id
  loop
    if v_head.organization_id is distinct from v_log.organization_id then
      select * into v_head
      from public.audit_seals as s
      where s.organization_id = v_log.organization_id
      order by s.seq desc
      limit 1;
    end if;
    insert into public.audit_seals (organization_id, seq, audit_log_id, row_hash, hash)
    values (
      v_log.organization_id, coalesce(v_head.seq, 0) + 1, v_log.id, v_log.row_hash,
      sha256(coalesce(v_head.hash, '') || v_log.row_hash))
    returning * into v_head;
    v_sealed := v_sealed + 1;
  end loop;
  return v_sealed;
end
$$;
comment on function private.seal_audit_logs() is
  'Upkeep: chains the rows that wait, at most 10,000 at a time; answers with how many. One sealer at a time.';

create function private.anchor_audit_seals(partition regclass) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'update public.audit_seals as s set is_anchor = true where s.audit_log_id in (select l.id from %s as l)', partition);
  delete from public.audit_seals as s
  using (
    select k.organization_id,
      coalesce(min(k.seq) filter (where not k.is_anchor), max(k.seq) + 1) - 1 as last_anchor
    from public.audit_seals as k
    group by k.organization_id
  ) as chain
  where s.organization_id = chain.organization_id and s.seq < chain.last_anchor;
end
$$;
comment on function private.anchor_audit_seals(regclass) is
  'Before a month of audit_logs is dropped: its seals become anchors, and those that only anchors follow up to the last go.';

select private.partition_by_month('public.audit_logs', 84, 'private.anchor_audit_seals(regclass)');

create function private.forget_audit_addresses() returns void
language sql
set search_path = ''
as $$
  update public.audit_logs as l
  set ip_address = null, user_agent = null
  where l.id < private.uuid_v7_floor(now() - interval '90 days')
    and (l.ip_address is not null or l.user_agent is not null)
$$;
comment on function private.forget_audit_addresses() is 'Upkeep: addresses and user agents are kept for 90 days.';

insert into private.upkeep_tasks (name, task, every)
values
  ('seal audit logs', 'private.seal_audit_logs()', interval '500 milliseconds'),
  ('forget audit addresses', 'private.forget_audit_addresses()', interval '1 day');

create function private.verify_audit_log(organization_id uuid)
returns table (seq bigint, audit_log_id uuid, problem text)
language plpgsql stable security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  -- The rows of earlier months may be gone. An anchor of a later one is a seal like any other.
  v_kept_from uuid := (
    select private.uuid_v7_floor(
      date_trunc('month', now()) - make_interval(months => p.months_kept))
    from private.partition_policies as p
    where p.parent = 'public.audit_logs'::regclass);
begin
  perform private.refuse_api_key();
  perform private.require_role(verify_audit_log.organization_id, 'admin');
  return query
    with chain as (
      select s.*,
        s.is_anchor and s.audit_log_id < v_kept_from as is_gone,
        lag(s.seq) over (order by s.seq) as seq_before,
        lag(s.hash) over (order by s.seq) as hash_before
      from public.audit_seals as s
      where s.organization_id = verify_audit_log.organization_id
    ), checked as (
      select c.seq, c.audit_log_id, c.seq_before,
        case
          when c.seq <> coalesce(c.seq_before + 1, case when c.is_gone then c.seq else 1 end)
            then 'missing'
          when (c.seq_before is not null or not c.is_gone)
            and c.hash <> sha256(coalesce(c.hash_before, '') || c.row_hash)
            then 'moved'
          when c.is_gone then null
          when l.id is null then 'removed'
          when l.organization_id <> c.organization_id then 'moved'
          when l.row_hash <> c.row_hash then 'changed'
        end as problem
      from chain as c
        left join private.audit_row_hashes as l on l.id = c.audit_log_id
    )
    select
      case c.problem when 'missing' then coalesce(c.seq_before, 0) + 1 else c.seq end,
      case when c.problem <> 'missing' then c.audit_log_id end,
      replace(c.problem, 'missing', 'removed')
    from checked as c
    where c.problem is not null
    order by c.seq
    limit 1;
end
$$;
grant execute on function private.verify_audit_log(uuid) to authenticated;

create function public.verify_audit_log(organization_id uuid)
returns table (seq bigint, audit_log_id uuid, problem text)
language sql stable
set search_path = ''
as $$
  select v.seq, v.audit_log_id, v.problem from private.verify_audit_log(organization_id) as v
$$;
comment on function public.verify_audit_log(uuid) is
  E'The first row of an organization''s audit log that was tampered with; no row when it is whole.\nproblem is changed, removed or moved. Rows cut from the end show only against an exported head: compare the newest of audit_seals. Admins. Errors: not_with_api_key, organization_not_found, not_allowed.';
grant execute on function public.verify_audit_log(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Writing
-- ---------------------------------------------------------------------------------------------------

create function private.audit(
  organization_id uuid,
  action text,
  resource_type text,
  resource_id uuid,
  old_values jsonb default null,
  new_values jsonb default null
) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_headers jsonb := nullif(current_setting('request.headers', true), '');
  v_id uuid;
begin
  insert into public.audit_logs
    (organization_id, user_id, action, resource_type, resource_id, old_values, new_values,
      ip_address, user_agent, request_id)
  values (
    audit.organization_id, auth.uid(), audit.action, audit.resource_type, audit.resource_id,
    audit.old_values, audit.new_values,
    private.client_ip(), left(v_headers ->> 'user-agent', 500),
    left(v_headers ->> 'x-request-id', 200))
  returning id into v_id;
  insert into private.audit_unsealed (audit_log_id, organization_id) values (v_id, audit.organization_id);
end
$$;
comment on function private.audit(uuid, text, text, uuid, jsonb, jsonb) is
  'Writes one row of the audit log, with the caller and the request as they are now. Never pass a secret.';

create function private.audit_values(row_values jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select jsonb_object_agg(
    v.key,
    case
      when jsonb_typeof(v.value) in ('string', 'object', 'array') and length(v.value::text) > 2000 then
        jsonb_build_object(
          'length', length(v.value #>> '{}'), 'sha256', encode(sha256(convert_to(v.value #>> '{}', 'UTF8')), 'hex'))
      else v.value
    end)
  from jsonb_each(row_values) as v
$$;
comment on function private.audit_values(jsonb) is 'Columns as the audit log keeps them: long ones as their length and SHA-256.';

create function private.tg_audit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_type text := tg_argv[0];
  v_noise text[] := array['updated_at', 'created_at'] || tg_argv[2:];
  v_old jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - v_noise end;
  v_new jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - v_noise end;
  v_row jsonb := coalesce(v_new, v_old);
  v_verb text := case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end;
begin
  if tg_op = 'UPDATE' then
    if v_old = v_new then
      return null;
    elsif v_old ->> 'deleted_at' is null and v_new ->> 'deleted_at' is not null then
      v_verb := 'deleted';
    elsif v_old ->> 'deleted_at' is not null and v_new ->> 'deleted_at' is null then
      v_verb := 'restored';
    end if;
    select jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, v_new -> o.key)
    into v_old, v_new
    from jsonb_each(v_old) as o
    where o.value is distinct from v_new -> o.key;
  end if;
  -- A row of a tenant only: what belongs to nobody's organization is the platform's own affair.
  if v_row ->> tg_argv[1] is not null then
    perform private.audit(
      (v_row ->> tg_argv[1])::uuid, v_type || '.' || v_verb, v_type,
      coalesce(v_row ->> 'id', v_row ->> 'user_id')::uuid,
      private.audit_values(v_old), private.audit_values(v_new));
  end if;
  return null;
end
$$;
comment on function private.tg_audit() is
  'After insert, update or delete: (resource type, column with the organization, columns that are no news ...).';

-- What is audited: who belongs to an organization, which keys, tokens and webhooks open it, to whom its
-- agents are lent, the things that it makes and sells, and what it pays. Not the parts of them: the
-- parameters, variables, tools and servers of an agent's draft are told of when they are published, all
-- in one version, and a workflow keeps versions of its own. Runs and counters are records themselves;
-- conversations are nobody's business but their user's.
create trigger _900_audit after insert or update or delete on public.organizations
  for each row execute function private.tg_audit('organization', 'id');
create trigger _900_audit after insert or update or delete on public.organization_members
  for each row execute function private.tg_audit('member', 'organization_id');
create trigger _900_audit after insert or update or delete on public.organization_invitations
  for each row execute function private.tg_audit('invitation', 'organization_id');
create trigger _900_audit after insert or update or delete on public.api_keys
  for each row execute function private.tg_audit('api_key', 'organization_id', 'last_used_at');
create trigger _900_audit after insert or update or delete on public.settings
  for each row execute function private.tg_audit('settings', 'organization_id');
create trigger _900_audit after insert or update or delete on public.agents
  for each row execute function private.tg_audit('agent', 'organization_id');
create trigger _900_audit after insert on public.agent_versions
  for each row when (new.is_published)
  execute function private.tg_audit('agent_version', 'organization_id');
create trigger _900_audit after insert or update or delete on public.tools
  for each row execute function private.tg_audit('tool', 'organization_id');
create trigger _900_audit
  after insert or delete or update of status, live_revision_id, is_featured, review_notes
  on public.marketplace_listings
  for each row execute function private.tg_audit('listing', 'organization_id', 'search',
    'rating_sort', 'average_rating', 'is_verified', 'install_sort', 'trending_score', 'is_live');
create trigger _900_audit after insert or update or delete on public.listing_revisions
  for each row execute function private.tg_audit('listing_revision', 'organization_id');
create trigger _900_audit after insert or update or delete on public.marketplace_installs
  for each row execute function private.tg_audit('install', 'organization_id');
create trigger _900_audit after insert or update or delete on public.purchases
  for each row execute function private.tg_audit('purchase', 'organization_id');
create trigger _900_audit after insert or update or delete on public.teams
  for each row execute function private.tg_audit('team', 'organization_id');
create trigger _900_audit after insert or update or delete on public.workflows
  for each row execute function private.tg_audit('workflow', 'organization_id');
create trigger _900_audit after insert or update or delete on public.schedules
  for each row execute function private.tg_audit(
    'schedule', 'organization_id', 'last_run_at', 'next_run_at', 'consecutive_failures');
create trigger _900_audit after insert or update or delete on public.tokens
  for each row execute function private.tg_audit('token', 'organization_id');
create trigger _900_audit after insert or update or delete on public.integrations
  for each row execute function private.tg_audit('integration', 'organization_id', 'last_used_at');
create trigger _900_audit after insert or update or delete on public.webhooks
  for each row execute function private.tg_audit('webhook', 'organization_id', 'total_deliveries',
    'successful_deliveries', 'failed_deliveries', 'last_delivery_at', 'last_delivery_status', 'failing_since');
create trigger _900_audit after insert or update or delete on public.subscriptions
  for each row execute function private.tg_audit('subscription', 'organization_id');
create trigger _900_audit after insert or update or delete on public.invoices
  for each row execute function private.tg_audit('invoice', 'organization_id');
create trigger _900_audit after insert or update or delete on public.eval_suites
  for each row execute function private.tg_audit('eval_suite', 'organization_id');

-- A share has no organization and no id of its own: it stands in the trail of its agent, whole, so that an
-- entry names the person. One that goes with its agent has the agent's entry.
create function private.tg_agent_shares__audit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_noise text[] := array['updated_at', 'created_at'];
begin
  perform private.audit(
    a.organization_id,
    'share.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
    'share', a.id, to_jsonb(old) - v_noise, to_jsonb(new) - v_noise)
  from public.agents as a
  where a.id = coalesce(new.agent_id, old.agent_id);
  return null;
end
$$;
comment on function private.tg_agent_shares__audit() is
  'After insert, update or delete: to whom an agent was lent, in the log of its organization.';
create trigger _900_audit after insert or delete or update of permission on public.agent_shares
  for each row execute function private.tg_agent_shares__audit();

-- Signing a session out from elsewhere is worth a line; ordinary signing out, which Auth does without a
-- caller, and the end of the whole account are not.
create function private.tg_sessions__audit_revocation() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.audit(o.id, 'session.revoked', 'session', old.id)
  from public.organizations as o
    join public.organization_members as m on m.organization_id = o.id
  where m.user_id = old.user_id and m.role = 'owner' and o.is_personal
    and exists (select from auth.users as u where u.id = old.user_id);
  return null;
end
$$;
comment on function private.tg_sessions__audit_revocation() is
  'After a caller of the API ended a session: a line in the log of the person''s own organization.';
create trigger _900_audit after delete on auth.sessions
  for each row when (auth.uid() is not null)
  execute function private.tg_sessions__audit_revocation();

-- migrate:down
