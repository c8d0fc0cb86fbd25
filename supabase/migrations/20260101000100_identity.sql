-- migrate:up

-- Identity and tenancy: who is calling, for which organization, with which rights.
--
--   people         profiles; passwords, identities and sessions stay in Supabase Auth (schema `auth`)
--   organizations  organizations, organization_members, organization_invitations
--   machines       api_keys, resolved for every request by private.before_request()
--   news           notifications
--
-- Every later context builds on the functions of the first section. Two registries let later contexts
-- take part without a change here: private.personal_data (export_my_data) and private.deletable_kinds
-- (list_deleted and the purge).

create type public.org_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type public.org_role is
  'What a member may do, in rising order, so that `role >= ''admin''` means what it says.';

-- ---------------------------------------------------------------------------------------------------
-- Who is calling
--
-- A request with an API key acts as the key's user. private.before_request() puts what narrows it into
-- the claims as `agentry_key`: {"id", "organization_id", "scopes"}. It can only take rights away, and
-- before_request() refuses tokens that bring it themselves, so nobody gains by forging it.
--
-- All of it in plpgsql, whose plans last as long as the pooled connection: a SQL function plans anew for
-- every statement that calls it, and policies call these in every one (has_scope 10 us instead of 54,
-- before_request 41 instead of 89).
-- ---------------------------------------------------------------------------------------------------

create function private.request_api_key() returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return auth.jwt() -> 'agentry_key';
end
$$;
comment on function private.request_api_key() is
  'The API key of this request as {"id", "organization_id", "scopes"}; null when it carries none.';
grant execute on function private.request_api_key() to anon, authenticated, service_role;

create function private.client_ip() returns inet
language plpgsql stable
set search_path = ''
as $$
declare
  v_headers jsonb := nullif(current_setting('request.headers', true), '');
  v_address text := trim(case
    -- The gateway writes it anew.
    when current_setting('agentry.gateway_counts', true) = 'on' then v_headers ->> 'x-forwarded-for'
    -- Elsewhere clients may begin it with what they like: only what the last proxy added is true.
    else coalesce(
      v_headers ->> 'cf-connecting-ip', split_part(v_headers ->> 'x-forwarded-for', ',', -1))
  end);
begin
  return case when pg_input_is_valid(v_address, 'inet') then v_address::inet end;
end
$$;
comment on function private.client_ip() is
  'The address that this request came from; null when nobody says.';

create function private.my_organization_ids(minimum public.org_role) returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_key_organization_id uuid := private.request_api_key() ->> 'organization_id';
begin
  return query
    select m.organization_id
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
    where m.user_id = auth.uid()
      and m.role >= my_organization_ids.minimum
      and o.deleted_at is null
      and (v_key_organization_id is null or m.organization_id = v_key_organization_id);
end
$$;
comment on function private.my_organization_ids(public.org_role) is
  'The caller''s living organizations with at least this role; under an API key, the key''s alone. For policies: organization_id = any(array(select private.my_organization_ids(''viewer''))).';
grant execute on function private.my_organization_ids(public.org_role)
  to anon, authenticated, service_role;

create function private.my_role(organization_id uuid) returns public.org_role
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_key_organization_id uuid := private.request_api_key() ->> 'organization_id';
begin
  return (
    select m.role
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
    where m.organization_id = my_role.organization_id
      and m.user_id = auth.uid()
      and o.deleted_at is null
      and (v_key_organization_id is null or m.organization_id = v_key_organization_id)
  );
end
$$;
comment on function private.my_role(uuid) is
  'The caller''s role in a living organization; null for strangers, and for API keys of another organization.';
grant execute on function private.my_role(uuid) to anon, authenticated, service_role;

create function private.has_scope(scope text) returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
  v_key jsonb := private.request_api_key();
begin
  return v_key is null or coalesce(v_key -> 'scopes' ? has_scope.scope, false);
end
$$;
comment on function private.has_scope(text) is
  'Whether an API key''s scopes allow this; true when the request carries no key. No key has the scope ''personal''.';
grant execute on function private.has_scope(text) to anon, authenticated, service_role;

create function private.is_superuser() returns boolean
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return private.request_api_key() is null
    and exists (
      select from public.profiles as p where p.id = auth.uid() and p.is_superuser and p.is_active);
end
$$;
comment on function private.is_superuser() is
  'Whether the caller moderates the platform. Never true under an API key: keys act in one organization.';
grant execute on function private.is_superuser() to anon, authenticated, service_role;

create function private.caller_refusal() returns text
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_is_deactivated boolean;
  v_has_session boolean;
begin
  -- A key was looked up, its user included, when before_request() put it here.
  if private.request_api_key() is not null then
    return null;
  end if;
  select
    not p.is_active and p.deleted_at is null,
    exists (
      select
      from auth.sessions as s
      where s.id = (auth.jwt() ->> 'session_id')::uuid
        and s.user_id = p.id
        and (s.not_after is null or s.not_after > now()))
  into v_is_deactivated, v_has_session
  from public.profiles as p
  where p.id = auth.uid();

  return case
    when v_is_deactivated then 'account_deactivated'
    when v_has_session then null
    else 'session_ended'
  end;
end
$$;
comment on function private.caller_refusal() is
  'Why a signed-in caller is refused, as an error code; null when nothing speaks against the caller. A valid token outlives its session: this asks the tables.';
grant execute on function private.caller_refusal() to authenticated;

create function private.caller_is_active() returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return private.caller_refusal() is null;
end
$$;
comment on function private.caller_is_active() is
  'For the policies of Storage and Realtime, which no pre-request function guards: the account is active and the session lives.';
grant execute on function private.caller_is_active() to authenticated;

create function private.require_user() returns uuid
language plpgsql stable
set search_path = ''
as $$
begin
  if auth.uid() is null then
    raise sqlstate 'PT401' using
      message = 'You are not signed in.',
      detail = 'not_signed_in',
      hint = 'Sign in, or send an API key in the header x-api-key.';
  end if;
  return auth.uid();
end
$$;
comment on function private.require_user() is 'The caller''s id; refuses callers who are not signed in.';
grant execute on function private.require_user() to anon, authenticated, service_role;

create function private.require_role(organization_id uuid, minimum public.org_role) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  v_role public.org_role := private.my_role(require_role.organization_id);
begin
  perform private.require_user();
  if v_role is null then
    raise sqlstate 'PT404' using
      message = 'There is no such organization, or you are not a member of it.',
      detail = 'organization_not_found',
      hint = 'Check the id, or ask an admin of the organization for an invitation.';
  end if;
  if v_role < require_role.minimum then
    raise sqlstate 'PT403' using
      message = format('This takes the role %s; yours is %s.', require_role.minimum, v_role),
      detail = 'not_allowed',
      hint = 'Ask an admin or owner of the organization.';
  end if;
end
$$;
comment on function private.require_role(uuid, public.org_role) is
  'Refuses strangers as if the organization did not exist, and members below the role.';
grant execute on function private.require_role(uuid, public.org_role)
  to anon, authenticated, service_role;

create function private.require_scope(scope text) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if not private.has_scope(require_scope.scope) then
    raise sqlstate 'PT403' using
      message = format('This API key lacks the scope %s.', require_scope.scope),
      detail = 'scope_missing',
      hint = 'Make a key that has this scope.';
  end if;
end
$$;
comment on function private.require_scope(text) is
  'Refuses API keys without the scope. For definer functions, which the scope policies do not reach.';
grant execute on function private.require_scope(text) to anon, authenticated, service_role;

create function private.refuse_api_key() returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if private.request_api_key() is not null then
    raise sqlstate 'PT403' using
      message = 'API keys cannot do this: it belongs to a person.',
      detail = 'not_with_api_key',
      hint = 'Sign in and do it as yourself.';
  end if;
end
$$;
comment on function private.refuse_api_key() is
  'Refuses API keys altogether: accounts, members, keys, tokens, billing and the audit log belong to people.';
grant execute on function private.refuse_api_key() to anon, authenticated, service_role;

create function private.random_token() returns text
language sql volatile
set search_path = ''
as $$
  select translate(encode(extensions.gen_random_bytes(30), 'base64'), '+/', '-_')
$$;
comment on function private.random_token() is
  '240 random bits as 40 URL-safe characters: API keys, invitations, signing secrets.';

-- ---------------------------------------------------------------------------------------------------
-- profiles: the public face of an auth.users row, with the same id.
--
-- There is no foreign key to auth.users: an account may go, while what others depend on (agents,
-- reviews, history) keeps its author. Its trigger anonymises the profile instead.
-- ---------------------------------------------------------------------------------------------------
create table public.profiles (
  id uuid primary key,
  username text not null,
  full_name text,
  avatar_url text,
  bio text,
  company text,
  is_active boolean not null default true,
  is_superuser boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint username_is_taken unique (username),
  -- The tilde of 'deleted~<id>' keeps the living from posing as somebody who left.
  constraint username_is_lowercase_letters_digits_hyphens check (
    username ~ '^[a-z0-9]+([-_][a-z0-9]+)*$' or deleted_at is not null),
  constraint username_has_at_most_40_characters check (
    length(username) <= 40 or deleted_at is not null),
  constraint full_name_has_at_most_120_characters check (length(full_name) <= 120),
  constraint avatar_url_is_a_web_address check (
    avatar_url ~* '^https?://' and length(avatar_url) <= 2048),
  constraint bio_has_at_most_2000_characters check (length(bio) <= 2000),
  constraint company_has_at_most_120_characters check (length(company) <= 120),
  constraint deleted_profile_is_inactive check (deleted_at is null or not is_active)
);
alter table public.profiles enable row level security;

create function private.tg_profiles__apply_activity() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- A hundred years: Auth servers read a timestamp here and stumble over 'infinity'.
  update auth.users as u
  set banned_until = case when new.is_active then null else now() + interval '100 years' end
  where u.id = new.id;
  if not new.is_active then
    delete from auth.sessions as s where s.user_id = new.id;
  end if;
  return null;
end
$$;
comment on function private.tg_profiles__apply_activity() is
  'Editing is_active is all that a moderator does: deactivating bans in Auth and ends every session, activating lifts the ban.';

create trigger _100_set_updated_at before update on public.profiles
  for each row execute function private.tg_set_updated_at();
create trigger _200_apply_activity after update of is_active on public.profiles
  for each row when (old.is_active is distinct from new.is_active)
  execute function private.tg_profiles__apply_activity();

-- NOTE: no insert and no delete: a profile comes and goes with its account. is_active and is_superuser
-- belong to the operator, who edits them as service_role in Studio.
grant select on public.profiles to anon, authenticated;
grant update (username, full_name, avatar_url, bio, company) on public.profiles to authenticated;

create policy profiles_select_anyone on public.profiles
  for select to anon, authenticated
  using (true);
create policy profiles_select_scope on public.profiles as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy profiles_update_own on public.profiles
  for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));
create policy profiles_update_scope on public.profiles as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));

comment on table public.profiles is
  E'The public face of every account.\nAnyone reads; owners edit their own. An account that was deleted leaves an anonymous profile, so that what others depend on keeps its author.';
comment on column public.profiles.id is 'The id of the account in auth.users.';
comment on column public.profiles.username is 'Unique; lowercase letters, digits, single hyphens or underscores.';
comment on column public.profiles.is_active is 'False: deactivated by the operator; signed out everywhere and refused from then on.';
comment on column public.profiles.is_superuser is 'Moderates the platform: reviews listings, decides reports.';
comment on column public.profiles.deleted_at is 'When the account was deleted; the profile is anonymous since.';

-- ---------------------------------------------------------------------------------------------------
-- organizations: the tenant. Everything that people make belongs to one; sign-up makes a personal one.
-- ---------------------------------------------------------------------------------------------------
create table public.organizations (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  slug text not null,
  logo_url text,
  is_personal boolean not null default false,
  settings jsonb not null default '{}',
  plan text not null default 'free',
  max_agents integer not null default 10,
  max_executions_per_month integer not null default 1000,
  max_team_members integer not null default 5,
  monthly_budget_usd numeric(12, 2),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint name_has_1_to_120_characters check (length(name) between 1 and 120 and name = trim(name)),
  constraint slug_is_lowercase_letters_digits_hyphens check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  constraint slug_has_at_most_100_characters check (length(slug) <= 100),
  constraint logo_url_is_a_web_address check (logo_url ~* '^https?://' and length(logo_url) <= 2048),
  constraint settings_is_an_object check (jsonb_typeof(settings) = 'object'),
  constraint max_agents_is_not_negative check (max_agents >= 0),
  constraint max_executions_per_month_is_not_negative check (max_executions_per_month >= 0),
  constraint max_team_members_is_positive check (max_team_members > 0),
  constraint monthly_budget_is_not_negative check (monthly_budget_usd >= 0)
);
alter table public.organizations enable row level security;

-- Unique among the living, so that a deleted organization does not hold its address.
create unique index organizations_slug_is_taken on public.organizations (slug)
  where deleted_at is null;
-- The purge, and an owner's list of deleted organizations.
create index organizations_deleted_at_idx on public.organizations (deleted_at)
  where deleted_at is not null;

create function private.tg_organizations__guard_budget() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Only direct writes of API callers run as `authenticated`; operators and definer functions pass.
  if current_user = 'authenticated' then
    perform private.require_role(new.id, 'owner');
  end if;
  return new;
end
$$;
comment on function private.tg_organizations__guard_budget() is
  'Admins may edit an organization, but only an owner its budget: a policy cannot compare old and new.';

create trigger _100_set_updated_at before update on public.organizations
  for each row execute function private.tg_set_updated_at();
create trigger _200_guard_budget before update of monthly_budget_usd on public.organizations
  for each row when (old.monthly_budget_usd is distinct from new.monthly_budget_usd)
  execute function private.tg_organizations__guard_budget();

-- NOTE: no insert and no delete: create_organization() also makes its owner, delete_organization() can
-- be undone. plan and the limits follow the subscription.
grant select on public.organizations to authenticated;
grant update (name, slug, logo_url, settings, monthly_budget_usd) on public.organizations
  to authenticated;

create policy organizations_select_member on public.organizations
  for select to authenticated
  using (id = any(array(select private.my_organization_ids('viewer'))));
create policy organizations_select_scope on public.organizations as restrictive
  for select to authenticated
  using ((select private.has_scope('organization:read')));
create policy organizations_update_admin on public.organizations
  for update to authenticated
  using (id = any(array(select private.my_organization_ids('admin'))))
  with check (id = any(array(select private.my_organization_ids('admin'))));
create policy organizations_update_scope on public.organizations as restrictive
  for update to authenticated
  using ((select private.has_scope('organization:write')));

comment on table public.organizations is
  E'Tenants: everything that people make belongs to one organization.\nMembers read, admins edit name, slug, logo and settings, an owner the budget. Made by create_organization, deleted by delete_organization.';
comment on column public.organizations.slug is 'Its address; unique among organizations that are not deleted.';
comment on column public.organizations.is_personal is 'Made at sign-up; goes with the account of its one owner, so it cannot be deleted by itself. Transferring the ownership ends that.';
comment on column public.organizations.settings is 'Free-form preferences of the organization, an object.';
comment on column public.organizations.plan is 'The plan it is on; sets the limits.';
comment on column public.organizations.max_agents is 'Quota of agents.';
comment on column public.organizations.max_executions_per_month is 'Quota of executions a calendar month (UTC).';
comment on column public.organizations.max_team_members is 'Quota of seats: members and open invitations.';
comment on column public.organizations.monthly_budget_usd is 'Runs that would exceed it are refused; null is no limit. Only an owner changes it.';
comment on column public.organizations.deleted_at is 'Hidden since then, purged 30 days later; restore_organization undoes it.';

-- ---------------------------------------------------------------------------------------------------
-- organization_members: who belongs to an organization, and as what.
--
-- There is always an owner, and only an owner makes or unmakes one. Seats are counted together with
-- open invitations. Changes of either are decided one after another, under a lock on the organization's
-- row (`no key update`, which does not block inserts that refer to it). Everybody locks in one order,
-- so that nobody deadlocks: memberships, then the organization, then invitations.
-- ---------------------------------------------------------------------------------------------------
create table public.organization_members (
  organization_id uuid not null references public.organizations on delete cascade,
  user_id uuid not null references public.profiles on delete cascade,
  role public.org_role not null default 'member',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, user_id)
);
alter table public.organization_members enable row level security;

-- "Which organizations am I in": every policy asks it, answered from the index alone.
create index organization_members_user_id_idx on public.organization_members (user_id)
  include (organization_id, role);

create function private.require_seat(organization_id uuid) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  v_seats integer;
  v_taken integer;
begin
  select o.max_team_members
  into v_seats
  from public.organizations as o
  where o.id = require_seat.organization_id
  for no key update;

  v_taken := (
    select count(*)
    from public.organization_members as m
    where m.organization_id = require_seat.organization_id
  ) + (
    select count(*)
    from public.organization_invitations as i
    where i.organization_id = require_seat.organization_id
      and i.accepted_at is null
      and i.revoked_at is null
      and i.expires_at > now()
  );
  if v_taken >= v_seats then
    raise sqlstate 'PT402' using
      message = format('All %s seats of this organization are taken.', v_seats),
      detail = 'member_quota_exceeded',
      hint = 'Remove a member, revoke an open invitation, or move to a larger plan.';
  end if;
end
$$;
comment on function private.require_seat(uuid) is
  'Refuses one more member or invitation than the organization has seats; holds its row until the transaction ends.';

create function private.tg_take_seat() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.require_seat(new.organization_id);
  return new;
end
$$;
comment on function private.tg_take_seat() is
  'A new member or invitation takes a seat, or is refused.';

create function private.tg_organization_members__keep_owner() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and new.role = 'owner' then
    return new;
  end if;

  -- A deleted or purged organization needs no owner.
  perform from public.organizations as o
  where o.id = old.organization_id and o.deleted_at is null
  for no key update;
  if found then
    -- Two owners who demote each other at once: the second finds, under the lock, that it is none any
    -- more. Acting on oneself is leaving or stepping down.
    if auth.uid() <> old.user_id then
      perform private.require_role(old.organization_id, 'owner');
    end if;
    perform from public.organization_members as m
    where m.organization_id = old.organization_id
      and m.user_id <> old.user_id
      and m.role = 'owner';
    if not found then
      raise sqlstate 'PT409' using
        message = 'An organization always has an owner, and this is the last one.',
        detail = 'last_owner',
        hint = 'Transfer the ownership to another member first, or delete the organization.';
    end if;
  end if;

  return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function private.tg_organization_members__keep_owner() is
  'The last owner cannot be demoted or removed, whoever tries and however many at once.';

create function private.tg_organization_members__keep_personal() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if exists (
      select from public.organizations as o where o.id = new.organization_id and o.is_personal)
    and exists (
      select from public.organization_members as m
      where m.organization_id = new.organization_id
        and m.user_id <> new.user_id
        and m.role = 'owner')
  then
    raise sqlstate 'PT409' using
      message = 'A personal organization has one owner.',
      detail = 'personal_organization',
      hint = 'Transfer the ownership: then it is personal no more, and may have several owners.';
  end if;
  return new;
end
$$;
comment on function private.tg_organization_members__keep_personal() is
  'A personal organization goes with its person''s account: were there a second owner, the person could leave it behind, and nobody could delete it.';

create function private.tg_organization_members__revoke_invitations() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.organization_invitations as i
  set revoked_at = now()
  where i.organization_id = old.organization_id
    and i.invited_by_id = old.user_id
    and i.accepted_at is null
    and i.revoked_at is null
    -- An admin still invites, but no owner.
    and (tg_op = 'DELETE' or new.role < 'admin' or i.role > new.role);
  return null;
end
$$;
comment on function private.tg_organization_members__revoke_invitations() is
  'Whoever may not invite any more, or not so high, leaves no open invitation behind as a way back.';

create trigger _100_set_updated_at before update on public.organization_members
  for each row execute function private.tg_set_updated_at();
create trigger _200_take_seat before insert on public.organization_members
  for each row execute function private.tg_take_seat();
create trigger _300_keep_owner before update of role or delete on public.organization_members
  for each row when (old.role = 'owner')
  execute function private.tg_organization_members__keep_owner();
create trigger _310_keep_personal before insert or update of role on public.organization_members
  for each row when (new.role = 'owner')
  execute function private.tg_organization_members__keep_personal();
create trigger _400_revoke_invitations_on_removal after delete on public.organization_members
  for each row when (old.role >= 'admin')
  execute function private.tg_organization_members__revoke_invitations();
create trigger _410_revoke_invitations_on_demotion after update of role on public.organization_members
  for each row when (old.role >= 'admin' and new.role < old.role)
  execute function private.tg_organization_members__revoke_invitations();

-- NOTE: no insert: one becomes a member by accepting an invitation.
grant select, delete on public.organization_members to authenticated;
grant update (role) on public.organization_members to authenticated;

create policy organization_members_select_member on public.organization_members
  for select to authenticated
  using (organization_id = any(array(select private.my_organization_ids('viewer'))));
create policy organization_members_select_scope on public.organization_members as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));
create policy organization_members_update_admin on public.organization_members
  for update to authenticated
  using (
    organization_id = any(array(select private.my_organization_ids('owner')))
    or role < 'owner'
      and organization_id = any(array(select private.my_organization_ids('admin'))))
  with check (
    organization_id = any(array(select private.my_organization_ids('owner')))
    or role < 'owner'
      and organization_id = any(array(select private.my_organization_ids('admin'))));
create policy organization_members_update_scope on public.organization_members as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));
create policy organization_members_delete_admin on public.organization_members
  for delete to authenticated
  using (
    organization_id = any(array(select private.my_organization_ids('owner')))
    or role < 'owner'
      and organization_id = any(array(select private.my_organization_ids('admin'))));
create policy organization_members_delete_scope on public.organization_members as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.organization_members is
  E'Who belongs to an organization, and as what.\nMembers read. Admins change roles (update role) and remove people (delete), only an owner makes or removes an owner, and the last owner stays; a personal organization has no second one. New members come by invitation.';
comment on column public.organization_members.role is
  'viewer reads, member also creates and runs, admin also manages, owner also decides about owners, plan and budget.';

-- ---------------------------------------------------------------------------------------------------
-- organization_invitations: a seat held for an e-mail address for a week.
-- The token is shown once, to the admin who invites; only its hash is kept, out of reach of the API.
-- ---------------------------------------------------------------------------------------------------
create table public.organization_invitations (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations on delete cascade,
  email text not null,
  role public.org_role not null default 'member',
  expires_at timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz,
  revoked_at timestamptz,
  invited_by_id uuid references public.profiles on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint email_is_lowercase check (email = lower(email)),
  constraint email_is_an_address check (email ~ '^[^@\s]+@[^@\s]+$' and length(email) <= 254),
  constraint invitation_is_accepted_or_revoked check (accepted_at is null or revoked_at is null)
);
alter table public.organization_invitations enable row level security;

-- One open invitation an address; also the seat count of an organization.
create unique index organization_invitations_open_idx
  on public.organization_invitations (organization_id, email)
  where accepted_at is null and revoked_at is null;
-- The list of an organization, newest first.
create index organization_invitations_organization_id_idx
  on public.organization_invitations (organization_id, created_at desc, id);
-- What a member who is removed had invited.
create index organization_invitations_invited_by_id_idx
  on public.organization_invitations (invited_by_id);
-- What is left of an address when its account is deleted.
create index organization_invitations_email_idx on public.organization_invitations (email);

create trigger _100_set_updated_at before update on public.organization_invitations
  for each row execute function private.tg_set_updated_at();
create trigger _200_take_seat before insert on public.organization_invitations
  for each row execute function private.tg_take_seat();

-- NOTE: no insert, update or delete: invite_member(), resend_invitation(), revoke_invitation() and
-- accept_invitation() keep seats, tokens and states together.
grant select on public.organization_invitations to authenticated;

create policy organization_invitations_select_admin on public.organization_invitations
  for select to authenticated
  using (organization_id = any(array(select private.my_organization_ids('admin'))));
create policy organization_invitations_select_scope on public.organization_invitations as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.organization_invitations is
  E'Invitations into an organization; an open one holds a seat.\nAdmins read. Managed by invite_member, resend_invitation and revoke_invitation; the invited person calls accept_invitation.';
comment on column public.organization_invitations.email is 'Who is invited; only a verified account with this address can accept.';
comment on column public.organization_invitations.expires_at is 'A week after it was sent last; then it holds no seat any more.';

create table private.organization_invitation_tokens (
  invitation_id uuid primary key references public.organization_invitations on delete cascade,
  token_hash bytea not null unique
);
comment on table private.organization_invitation_tokens is
  'SHA-256 of each invitation''s current token.';

-- ---------------------------------------------------------------------------------------------------
-- api_keys: a program that acts as its user, in one organization, within its scopes.
-- The key refers to the membership: whoever leaves an organization takes their keys along.
-- ---------------------------------------------------------------------------------------------------
create function private.are_scopes(scopes text[]) returns boolean
language sql immutable
set search_path = ''
as $$
  select cardinality(are_scopes.scopes) > 0
    and not exists (
      select
      from unnest(are_scopes.scopes) as scope
      where scope is null
        or split_part(scope, ':', 1) <> all (array[
          'agents', 'catalog', 'conversations', 'orchestration', 'executions', 'evaluation', 'memory',
          'organization', 'usage'])
        or split_part(scope, ':', 2) <> all (array['read', 'write', 'run'])
        or scope like '%:%:%')
$$;
comment on function private.are_scopes(text[]) is
  'Whether these are scopes that an API key may have, at least one.';
grant execute on function private.are_scopes(text[]) to service_role;

create table public.api_keys (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null references public.profiles on delete cascade,
  organization_id uuid not null,
  name text not null,
  key_prefix text not null,
  scopes text[] not null,
  rate_limit integer not null default 100,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  foreign key (organization_id, user_id) references public.organization_members on delete cascade,
  constraint name_has_1_to_120_characters check (length(name) between 1 and 120 and name = trim(name)),
  constraint key_prefix_has_12_characters check (length(key_prefix) = 12),
  constraint scopes_are_known check (private.are_scopes(scopes)),
  constraint rate_limit_is_1_to_10000 check (rate_limit between 1 and 10000)
);
alter table public.api_keys enable row level security;

-- The foreign key, and an organization's keys for its admins.
create index api_keys_organization_id_user_id_idx on public.api_keys (organization_id, user_id);
-- One's own keys, newest first.
create index api_keys_user_id_idx on public.api_keys (user_id, id desc);

-- NOTE: no insert, update or delete: create_api_key() alone shows a key, revoke_api_key() ends it, and
-- what was granted to a key does not change afterwards.
grant select on public.api_keys to authenticated;

create policy api_keys_select_own_or_admin on public.api_keys
  for select to authenticated
  using (
    user_id = (select auth.uid())
      and organization_id = any(array(select private.my_organization_ids('member')))
    or organization_id = any(array(select private.my_organization_ids('admin'))));
create policy api_keys_select_scope on public.api_keys as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.api_keys is
  E'Keys for programs, sent in the header x-api-key.\nA key acts as its user, in its organization only, within its scopes. Made by create_api_key, which shows it once; ended by revoke_api_key. Members read their own, admins all of the organization.';
comment on column public.api_keys.key_prefix is 'The first 12 characters of the key, to recognise it by.';
comment on column public.api_keys.scopes is '`<resource>:<read|write|run>`; resources: agents, catalog, conversations, orchestration, executions, evaluation, memory, organization, usage.';
comment on column public.api_keys.rate_limit is 'Requests a minute.';
comment on column public.api_keys.last_used_at is 'To the minute.';

create table private.api_key_hashes (
  api_key_id uuid primary key references public.api_keys on delete cascade,
  key_hash bytea not null unique
);
comment on table private.api_key_hashes is
  'SHA-256 of each API key: 240 random bits need no salt, and no slow hash on every request.';

-- ---------------------------------------------------------------------------------------------------
-- notifications: what a person should know, from any context, by private.notify_user().
-- ---------------------------------------------------------------------------------------------------
create table public.notifications (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null references public.profiles on delete cascade,
  kind text not null,
  payload jsonb not null default '{}',
  read_at timestamptz,
  created_at timestamptz not null default now(),
  constraint kind_is_snake_case_with_dots check (kind ~ '^[a-z][a-z_]*(\.[a-z_]+)*$'),
  constraint payload_is_an_object check (jsonb_typeof(payload) = 'object')
);
alter table public.notifications enable row level security;

-- One's notifications, newest first.
create index notifications_user_id_idx on public.notifications (user_id, id desc);
-- The count of unread ones.
create index notifications_unread_idx on public.notifications (user_id) where read_at is null;

-- NOTE: no insert: notices come from the platform alone. Only read_at changes.
grant select, delete on public.notifications to authenticated;
grant update (read_at) on public.notifications to authenticated;

create policy notifications_select_own on public.notifications
  for select to authenticated
  using (user_id = (select auth.uid()));
create policy notifications_select_scope on public.notifications as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));
create policy notifications_update_own on public.notifications
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy notifications_update_scope on public.notifications as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));
create policy notifications_delete_own on public.notifications
  for delete to authenticated
  using (user_id = (select auth.uid()));
create policy notifications_delete_scope on public.notifications as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.notifications is
  E'What a person should know.\nOwn rows only: read, mark as read (update read_at), delete.';
comment on column public.notifications.kind is 'What happened, e.g. organization.ownership_received; decides the shape of payload.';
comment on column public.notifications.payload is 'Ids and names that the text needs.';
comment on column public.notifications.read_at is 'Null is unread.';

create function private.notify_user(user_id uuid, kind text, payload jsonb default '{}') returns void
language sql volatile security definer
set search_path = ''
as $$
  insert into public.notifications (user_id, kind, payload)
  select p.id, notify_user.kind, notify_user.payload
  from public.profiles as p
  where p.id = notify_user.user_id and p.deleted_at is null
$$;
comment on function private.notify_user(uuid, text, jsonb) is
  'Leaves a notice for a person; nothing happens when the account is gone. For definer functions and triggers.';

-- ---------------------------------------------------------------------------------------------------
-- Accounts come and go in Supabase Auth; the triggers on auth.users follow. They run inside Auth's own
-- statements, so nothing that a person types at sign-up may make them fail.
-- ---------------------------------------------------------------------------------------------------

create function private.with_random_suffix(label text, max_length integer) returns text
language sql volatile
set search_path = ''
as $$
  select concat_ws(
    '-',
    nullif(rtrim(left(with_random_suffix.label, with_random_suffix.max_length - 7), '-'), ''),
    left(gen_random_uuid()::text, 6))
$$;
comment on function private.with_random_suffix(text, integer) is
  'A slug that is most likely free, for one that is taken.';

create function private.add_organization(
  name text,
  is_personal boolean,
  owner_id uuid
) returns public.organizations
language plpgsql volatile
set search_path = ''
as $$
declare
  v_slug text := coalesce(nullif(private.slugify(add_organization.name), ''), 'organization');
  v_organization public.organizations;
begin
  loop
    insert into public.organizations (name, slug, is_personal)
    values (add_organization.name, v_slug, add_organization.is_personal)
    on conflict (slug) where deleted_at is null do nothing
    returning * into v_organization;
    exit when found;
    v_slug := private.with_random_suffix(private.slugify(add_organization.name), 100);
  end loop;
  insert into public.organization_members (organization_id, user_id, role)
  values (v_organization.id, add_organization.owner_id, 'owner');
  return v_organization;
end
$$;
comment on function private.add_organization(text, boolean, uuid) is
  'An organization with its owner, under the first free slug made from its name.';

create function private.add_person(user_id uuid, email text, metadata jsonb) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
  -- Sign-up forms send username and full_name; OAuth providers user_name or preferred_username, name,
  -- avatar_url or picture.
  v_username text := private.slugify(coalesce(
    metadata ->> 'username', metadata ->> 'user_name', metadata ->> 'preferred_username',
    split_part(email, '@', 1)));
  v_full_name text := left(nullif(trim(coalesce(
    metadata ->> 'full_name', metadata ->> 'name')), ''), 120);
  v_avatar_url text := coalesce(metadata ->> 'avatar_url', metadata ->> 'picture');
  v_profile public.profiles;
begin
  v_username := coalesce(nullif(rtrim(left(v_username, 40), '-'), ''), 'user');
  loop
    insert into public.profiles (id, username, full_name, avatar_url)
    values (
      add_person.user_id,
      v_username,
      v_full_name,
      case when v_avatar_url ~* '^https?://' and length(v_avatar_url) <= 2048 then v_avatar_url end)
    on conflict (username) do nothing
    returning * into v_profile;
    exit when found;
    v_username := private.with_random_suffix(v_username, 40);
  end loop;
  perform private.add_organization(
    coalesce(trim(v_profile.full_name), v_profile.username), true, v_profile.id);
end
$$;
comment on function private.add_person(uuid, text, jsonb) is
  'The profile, with a username of its own, and the personal organization of a new account.';

create function private.tg_users__add_person() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.add_person(new.id, new.email, new.raw_user_meta_data);
  return null;
end
$$;
comment on function private.tg_users__add_person() is
  'A new account gets its profile and personal organization in the same transaction.';

create function private.hand_over(organization_id uuid, user_id uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  -- It no longer goes with the account that it was made for.
  update public.organizations as o
  set is_personal = false
  where o.id = hand_over.organization_id and o.is_personal;
  update public.organization_members as m
  set role = 'owner'
  where m.organization_id = hand_over.organization_id
    and m.user_id = hand_over.user_id
    and m.role < 'owner';
  if found then
    perform private.notify_user(
      hand_over.user_id,
      'organization.ownership_received',
      jsonb_build_object('organization_id', hand_over.organization_id));
  end if;
end
$$;
comment on function private.hand_over(uuid, uuid) is 'Makes a member an owner, with notice.';

create function private.lock_memberships(user_id uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform from public.organization_members as m
  where m.user_id = lock_memberships.user_id
  order by m.organization_id
  for no key update;
  perform from public.organizations as o
    join public.organization_members as m on m.organization_id = o.id
  where m.user_id = lock_memberships.user_id and m.role = 'owner'
  order by o.id
  for no key update of o;
end
$$;
comment on function private.lock_memberships(uuid) is
  'Holds a person''s memberships and the organizations that they own, so that nobody else changes who owns them meanwhile.';

create function private.tg_users__retire_person() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_organization public.organizations;
  v_heir_id uuid;
begin
  perform private.lock_memberships(old.id);
  for v_organization in
    select o.*
    from public.organizations as o
      join public.organization_members as m on m.organization_id = o.id
    where m.user_id = old.id
      and m.role = 'owner'
      and o.deleted_at is null
    order by o.id
  loop
    -- The longest-serving of the highest role among those who stay.
    select m.user_id
    into v_heir_id
    from public.organization_members as m
    where m.organization_id = v_organization.id and m.user_id <> old.id
    order by m.role desc, m.created_at, m.user_id
    limit 1;
    if not found then
      update public.organizations as o set deleted_at = now() where o.id = v_organization.id;
    else
      perform private.hand_over(v_organization.id, v_heir_id);
    end if;
  end loop;

  delete from public.organization_members as m where m.user_id = old.id;
  -- Whoever never proved that the address is theirs cannot cancel what was sent to its owner.
  delete from public.organization_invitations as i
  where i.email = lower(old.email) and old.email_confirmed_at is not null;
  delete from public.notifications as n where n.user_id = old.id;
  update public.profiles as p
  set username = 'deleted~' || p.id,
    full_name = null,
    avatar_url = null,
    bio = null,
    company = null,
    is_active = false,
    is_superuser = false,
    deleted_at = now()
  where p.id = old.id;
  return null;
end
$$;
comment on function private.tg_users__retire_person() is
  'An account is gone, by whatever hand: its profile turns anonymous, its memberships and keys end, what it owned alone is deleted, and what it owned with others passes to the next in rank.';

create trigger _100_add_person after insert on auth.users
  for each row execute function private.tg_users__add_person();
create trigger _200_retire_person after delete on auth.users
  for each row when (old.deleted_at is null)
  execute function private.tg_users__retire_person();
-- Auth's soft deletion keeps the row.
create trigger _210_retire_person_softly after update of deleted_at on auth.users
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_users__retire_person();

-- A project that had accounts before this migration.
do $$
begin
  perform private.add_person(u.id, u.email, u.raw_user_meta_data)
  from auth.users as u
  where u.deleted_at is null;
end
$$;

-- ---------------------------------------------------------------------------------------------------
-- Requests with API keys are counted by the minute: for the rate limit, for last_used_at and for the
-- usage of the organization.
--
-- With the gateway in front (it sets agentry.gateway_counts) each request is counted before it runs,
-- exactly. Without one, on hosted Supabase, before_request() counts: a request that may write counts
-- itself, a read-only one is announced on the channel agentry_api_request and counted by a worker, and
-- one that fails is not counted; the limit is then close, not exact.
-- ---------------------------------------------------------------------------------------------------

-- A crash loses at most the minutes that are not folded yet. `shard` keeps requests that count inside
-- their own, longer transactions from waiting for each other.
create unlogged table private.api_request_counts (
  api_key_id uuid not null,
  minute timestamptz not null,
  shard smallint not null,
  organization_id uuid not null,
  requests integer not null,
  primary key (api_key_id, minute, shard)
) with (fillfactor = 50);
comment on table private.api_request_counts is
  'Requests by API key and minute, until they are folded. No foreign keys: a key that is deleted was used all the same.';

create table private.api_call_counts (
  organization_id uuid not null,
  day date not null,
  api_key_id uuid not null,
  calls bigint not null,
  primary key (organization_id, day, api_key_id)
);
comment on table private.api_call_counts is
  'Requests by organization, day (UTC) and API key: what the organization''s usage adds up.';

create function private.add_api_request(
  api_key_id uuid,
  shard smallint,
  rate_limit integer default null
) returns boolean
language plpgsql volatile
set search_path = ''
as $$
declare
  v_requests integer;
begin
  insert into private.api_request_counts as c (api_key_id, minute, shard, organization_id, requests)
  select k.id, date_trunc('minute', now()), add_api_request.shard, k.organization_id, 1
  from public.api_keys as k
  where k.id = add_api_request.api_key_id
  on conflict on constraint api_request_counts_pkey do update
  set requests = c.requests + 1
  where add_api_request.rate_limit is null or c.requests < add_api_request.rate_limit
  returning c.requests into v_requests;

  if v_requests = 1 then
    -- Once a minute; whoever holds the row is just doing the same.
    update public.api_keys as k
    set last_used_at = now()
    where k.id = (
      select locked.id
      from public.api_keys as locked
      where locked.id = add_api_request.api_key_id
      for no key update skip locked);
  end if;
  return v_requests is not null;
end
$$;
comment on function private.add_api_request(uuid, smallint, integer) is
  'Counts one request; false, and not counted, when its shard has reached the limit.';

create function private.seconds_to_next_minute() returns integer
language sql stable
set search_path = ''
as $$
  select ceil(60 - extract(second from now()))::integer
$$;
comment on function private.seconds_to_next_minute() is
  'What Retry-After says: limits are per clock minute.';

create function private.count_api_request(prefix text, hash bytea)
  returns table (allowed boolean, retry_after integer)
language plpgsql volatile
set search_path = ''
as $$
declare
  v_key public.api_keys;
begin
  select k.*
  into v_key
  from private.api_key_hashes as h
    join public.api_keys as k on k.id = h.api_key_id
  where h.key_hash = count_api_request.hash and k.key_prefix = count_api_request.prefix;
  if not found or private.add_api_request(v_key.id, 0::smallint, v_key.rate_limit) then
    return query select true, 0;
  else
    return query select false, private.seconds_to_next_minute();
  end if;
end
$$;
comment on function private.count_api_request(text, bytea) is
  'For the gateway, before each request with an API key: its first 12 characters and its SHA-256. An unknown key passes uncounted; before_request() refuses it.';

create function private.record_api_request(api_key_id uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform private.add_api_request(record_api_request.api_key_id, 0::smallint);
end
$$;
comment on function private.record_api_request(uuid) is
  'For a worker that listens on agentry_api_request: the payload is the id of the key.';

create function private.fold_api_requests() returns void
language sql volatile
set search_path = ''
as $$
  with past as (
    -- A request that is still running may add to the minute it began in.
    delete from private.api_request_counts as c
    where c.minute < now() - interval '5 minutes'
    returning c.organization_id, (c.minute at time zone 'UTC')::date as day, c.api_key_id, c.requests
  )
  insert into private.api_call_counts as c (organization_id, day, api_key_id, calls)
  select past.organization_id, past.day, past.api_key_id, sum(past.requests)
  from past
  group by past.organization_id, past.day, past.api_key_id
  on conflict (organization_id, day, api_key_id) do update
  set calls = c.calls + excluded.calls
$$;
comment on function private.fold_api_requests() is
  'Upkeep: moves the counts of past minutes into private.api_call_counts.';

insert into private.upkeep_tasks (name, task, every)
values ('fold API requests', 'private.fold_api_requests()', interval '1 minute');

-- ---------------------------------------------------------------------------------------------------
-- Before each request: PostgREST calls private.before_request() in the request's transaction, as the
-- role of its token. It authenticates, nothing more; what the caller may do, the tables decide.
-- ---------------------------------------------------------------------------------------------------

create function private.authenticate_api_key(key text) returns jsonb
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_key public.api_keys;
begin
  -- The membership is the key's foreign key; the account and the organization are asked here.
  select k.*
  into v_key
  from private.api_key_hashes as h
    join public.api_keys as k on k.id = h.api_key_id
    join public.organizations as o on o.id = k.organization_id and o.deleted_at is null
    join public.profiles as p on p.id = k.user_id and p.is_active
  where h.key_hash = sha256(convert_to(authenticate_api_key.key, 'UTF8'));
  if not found then
    raise sqlstate 'PT401' using
      message = 'This API key is not valid.',
      detail = 'api_key_invalid',
      hint = 'Check the header x-api-key; make a new key if this one is lost.';
  elsif v_key.revoked_at is not null then
    raise sqlstate 'PT401' using
      message = 'This API key was revoked.',
      detail = 'api_key_revoked',
      hint = 'Make a new key.';
  elsif v_key.expires_at <= now() then
    raise sqlstate 'PT401' using
      message = 'This API key has expired.',
      detail = 'api_key_expired',
      hint = 'Make a new key.';
  end if;

  if current_setting('agentry.gateway_counts', true) is distinct from 'on' then
    if v_key.rate_limit <= (
      select sum(c.requests)
      from private.api_request_counts as c
      where c.api_key_id = v_key.id and c.minute = date_trunc('minute', now()))
    then
      raise sqlstate 'PGRST' using
        message = jsonb_build_object(
          'code', 'PT429',
          'message', format('This API key may send %s requests a minute.', v_key.rate_limit),
          'details', 'rate_limited',
          'hint', 'Wait as long as the header Retry-After says.')::text,
        detail = jsonb_build_object(
          'status', 429,
          'headers', jsonb_build_object('Retry-After', private.seconds_to_next_minute()::text))::text;
    elsif current_setting('transaction_read_only') = 'on' then
      perform pg_notify('agentry_api_request', v_key.id::text);
    else
      perform private.add_api_request(v_key.id, (1 + pg_backend_pid() % 16)::smallint);
    end if;
  end if;

  return jsonb_build_object(
    'sub', v_key.user_id,
    'role', 'authenticated',
    'agentry_key', jsonb_build_object(
      'id', v_key.id,
      'organization_id', v_key.organization_id,
      'scopes', v_key.scopes));
end
$$;
comment on function private.authenticate_api_key(text) is
  'The claims under which a request with this API key runs; refuses keys that are unknown, revoked, expired or used up, and those of deactivated people and deleted organizations.';
grant execute on function private.authenticate_api_key(text) to anon;

create function private.before_request() returns void
language plpgsql volatile
set search_path = ''
as $$
declare
  v_headers json := coalesce(nullif(current_setting('request.headers', true), ''), '{}');
  v_key text := v_headers ->> 'x-api-key';
  v_role text := coalesce(auth.role(), 'anon');
  v_refusal text;
begin
  -- The planner's estimates ignore row-level security: they would tell other tenants' row counts. Of
  -- several Prefer headers PostgREST shows the last one here; the gateway joins them before.
  if exists (
    select
    from json_each_text(v_headers) as h
    where h.key = 'prefer' and h.value ~* 'count=(planned|estimated)')
  then
    raise sqlstate 'PT400' using
      message = 'Estimated counts are not offered.',
      detail = 'count_not_offered',
      hint = 'Ask for count=exact.';
  end if;

  if v_key is not null then
    if v_role <> 'anon' then
      raise sqlstate 'PT400' using
        message = 'This request carries both an API key and a user''s token.',
        detail = 'two_credentials',
        hint = 'Send either x-api-key or Authorization.';
    end if;
    perform
      set_config('request.jwt.claims', private.authenticate_api_key(v_key)::text, true),
      set_config('role', 'authenticated', true);
  elsif v_role = 'authenticated' then
    -- Only this function says that a request came with a key.
    v_refusal := case
      when private.request_api_key() is not null then 'session_ended'
      else private.caller_refusal()
    end;
    if v_refusal = 'account_deactivated' then
      raise sqlstate 'PT403' using
        message = 'This account has been deactivated.',
        detail = v_refusal,
        hint = 'Write to the operator of this platform.';
    elsif v_refusal is not null then
      raise sqlstate 'PT401' using
        message = 'This session has ended.',
        detail = v_refusal,
        hint = 'Sign in again.';
    end if;
  end if;
end
$$;
comment on function private.before_request() is
  'PostgREST''s pre-request function: refuses ended sessions, deactivated accounts and estimated counts, and lets an API key act as its user. Invoker, because a definer function may not set the role.';
grant execute on function private.before_request() to anon, authenticated, service_role;

alter role authenticator set pgrst.db_pre_request = 'private.before_request';
notify pgrst, 'reload config';

-- ---------------------------------------------------------------------------------------------------
-- Organizations and their members
-- ---------------------------------------------------------------------------------------------------

create function private.create_organization(name text, slug text) returns public.organizations
language plpgsql volatile security definer
set search_path = ''
as $$
-- `on conflict` takes bare column names, which are arguments' names, too.
#variable_conflict use_column
declare
  v_user_id uuid := private.require_user();
  v_name text := trim(create_organization.name);
  v_organization public.organizations;
begin
  perform private.refuse_api_key();
  if v_name is null or length(v_name) not between 1 and 120 then
    raise sqlstate 'PT400' using
      message = 'An organization needs a name of 1 to 120 characters.',
      detail = 'name_invalid',
      hint = 'Choose another name.';
  end if;
  if create_organization.slug is null then
    return private.add_organization(v_name, false, v_user_id);
  end if;

  if create_organization.slug !~ '^[a-z0-9]+(-[a-z0-9]+)*$' or length(create_organization.slug) > 100 then
    raise sqlstate 'PT400' using
      message = 'A slug has 1 to 100 lowercase letters, digits and single hyphens.',
      detail = 'slug_invalid',
      hint = 'Choose another slug, or leave it out and get one made from the name.';
  end if;
  insert into public.organizations (name, slug)
  values (v_name, create_organization.slug)
  on conflict (slug) where deleted_at is null do nothing
  returning * into v_organization;
  if not found then
    raise sqlstate 'PT409' using
      message = format('The slug %s is taken.', create_organization.slug),
      detail = 'slug_taken',
      hint = 'Choose another slug, or leave it out and get one made from the name.';
  end if;
  insert into public.organization_members (organization_id, user_id, role)
  values (v_organization.id, v_user_id, 'owner');
  return v_organization;
end
$$;
grant execute on function private.create_organization(text, text) to authenticated;

create function public.create_organization(name text, slug text default null)
  returns public.organizations
language sql volatile
set search_path = ''
as $$
  select private.create_organization(create_organization.name, create_organization.slug)
$$;
comment on function public.create_organization(text, text) is
  E'Create an organization with yourself as its owner.\nWithout a slug it gets one made from its name. Errors: name_invalid, slug_invalid, slug_taken.';
grant execute on function public.create_organization(text, text) to authenticated;

create function private.transfer_ownership(organization_id uuid, user_id uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  perform private.refuse_api_key();
  perform from public.organization_members as m
  where m.organization_id = transfer_ownership.organization_id
    and m.user_id in (auth.uid(), transfer_ownership.user_id)
  order by m.user_id
  for no key update;
  perform from public.organizations as o
  where o.id = transfer_ownership.organization_id
  for no key update;
  perform private.require_role(transfer_ownership.organization_id, 'owner');
  if transfer_ownership.user_id = auth.uid() then
    return;
  end if;
  perform from public.organization_members as m
  where m.organization_id = transfer_ownership.organization_id
    and m.user_id = transfer_ownership.user_id;
  if not found then
    raise sqlstate 'PT404' using
      message = 'The new owner is not a member of this organization.',
      detail = 'member_not_found',
      hint = 'Invite them first.';
  end if;
  perform private.hand_over(transfer_ownership.organization_id, transfer_ownership.user_id);
  update public.organization_members as m
  set role = 'admin'
  where m.organization_id = transfer_ownership.organization_id and m.user_id = auth.uid();
end
$$;
grant execute on function private.transfer_ownership(uuid, uuid) to authenticated;

create function public.transfer_ownership(organization_id uuid, user_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select private.transfer_ownership(transfer_ownership.organization_id, transfer_ownership.user_id)
$$;
comment on function public.transfer_ownership(uuid, uuid) is
  E'Make another member the owner and yourself an admin.\nOwners only. The new owner gets a notice. Errors: organization_not_found, not_allowed, member_not_found.';
grant execute on function public.transfer_ownership(uuid, uuid) to authenticated;

create function private.leave_organization(organization_id uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  perform private.refuse_api_key();
  perform private.require_role(leave_organization.organization_id, 'viewer');
  delete from public.organization_members as m
  where m.organization_id = leave_organization.organization_id and m.user_id = auth.uid();
end
$$;
grant execute on function private.leave_organization(uuid) to authenticated;

create function public.leave_organization(organization_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select private.leave_organization(leave_organization.organization_id)
$$;
comment on function public.leave_organization(uuid) is
  E'Leave an organization, with your API keys in it.\nThe last owner cannot. Errors: organization_not_found, last_owner.';
grant execute on function public.leave_organization(uuid) to authenticated;

create function private.delete_organization(organization_id uuid) returns public.organizations
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_organization public.organizations;
begin
  perform private.refuse_api_key();
  perform private.require_role(delete_organization.organization_id, 'owner');
  update public.organizations as o
  set deleted_at = now()
  where o.id = delete_organization.organization_id and not o.is_personal
  returning * into v_organization;
  if not found then
    raise sqlstate 'PT409' using
      message = 'A personal organization goes with its account.',
      detail = 'personal_organization',
      hint = 'Delete your account, or transfer the ownership to another member.';
  end if;
  return v_organization;
end
$$;
grant execute on function private.delete_organization(uuid) to authenticated;

create function public.delete_organization(organization_id uuid) returns public.organizations
language sql volatile
set search_path = ''
as $$
  select private.delete_organization(delete_organization.organization_id)
$$;
comment on function public.delete_organization(uuid) is
  E'Delete an organization and everything in it.\nOwners only. It is hidden at once and purged 30 days later; until then restore_organization brings it back. Errors: organization_not_found, not_allowed, personal_organization.';
grant execute on function public.delete_organization(uuid) to authenticated;

create function private.restore_organization(organization_id uuid) returns public.organizations
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_organization public.organizations;
begin
  perform private.refuse_api_key();
  select o.*
  into v_organization
  from public.organizations as o
    join public.organization_members as m on m.organization_id = o.id
  where o.id = restore_organization.organization_id
    and o.deleted_at is not null
    and m.user_id = v_user_id
    and m.role = 'owner'
  for no key update of o;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no deleted organization of yours with this id.',
      detail = 'organization_not_found',
      hint = 'list_deleted() shows what can be restored.';
  end if;
  begin
    update public.organizations as o
    set deleted_at = null
    where o.id = v_organization.id
    returning * into v_organization;
  exception when unique_violation then
    -- Its slug has been given to another one meanwhile.
    update public.organizations as o
    set deleted_at = null,
      slug = private.with_random_suffix(o.slug, 100)
    where o.id = v_organization.id
    returning * into v_organization;
  end;
  return v_organization;
end
$$;
grant execute on function private.restore_organization(uuid) to authenticated;

create function public.restore_organization(organization_id uuid) returns public.organizations
language sql volatile
set search_path = ''
as $$
  select private.restore_organization(restore_organization.organization_id)
$$;
comment on function public.restore_organization(uuid) is
  E'Bring a deleted organization back.\nOwners only, within 30 days. It gets a new slug when its own is taken by now. Errors: organization_not_found.';
grant execute on function public.restore_organization(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Invitations
-- ---------------------------------------------------------------------------------------------------

create function private.set_invitation_token(invitation_id uuid) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
  v_token text := private.random_token();
begin
  insert into private.organization_invitation_tokens (invitation_id, token_hash)
  values (set_invitation_token.invitation_id, sha256(convert_to(v_token, 'UTF8')))
  on conflict on constraint organization_invitation_tokens_pkey do update
  set token_hash = excluded.token_hash;
  return v_token;
end
$$;
comment on function private.set_invitation_token(uuid) is
  'A new token for an invitation; the one before no longer works.';

create function private.invite_member(organization_id uuid, email text, role public.org_role)
  returns table (id uuid, token text)
language plpgsql volatile security definer
set search_path = ''
as $$
-- `on conflict` takes bare column names, which are arguments' names, too.
#variable_conflict use_column
declare
  v_email text := lower(trim(invite_member.email));
begin
  perform private.refuse_api_key();
  -- Whoever takes the caller's role away at this moment finds the invitation and revokes it, or has
  -- done so before the role is asked for.
  perform from public.organization_members as m
  where m.organization_id = invite_member.organization_id and m.user_id = auth.uid()
  for share;
  perform from public.organizations as o
  where o.id = invite_member.organization_id
  for no key update;
  perform private.require_role(
    invite_member.organization_id,
    case when invite_member.role = 'owner' then 'owner' else 'admin' end::public.org_role);
  if invite_member.role = 'owner' and exists (
    select from public.organizations as o where o.id = invite_member.organization_id and o.is_personal)
  then
    raise sqlstate 'PT409' using
      message = 'A personal organization has one owner.',
      detail = 'personal_organization',
      hint = 'Invite them as an admin, and transfer the ownership if they are to have it.';
  end if;
  if v_email is null or v_email !~ '^[^@\s]+@[^@\s]+$' or length(v_email) > 254 then
    raise sqlstate 'PT400' using
      message = 'This is not an e-mail address.',
      detail = 'email_invalid',
      hint = 'Check the address.';
  end if;
  perform from public.organization_members as m
    join auth.users as u on u.id = m.user_id
  where m.organization_id = invite_member.organization_id and lower(u.email) = v_email;
  if found then
    raise sqlstate 'PT409' using
      message = format('%s is a member already.', v_email),
      detail = 'already_member',
      hint = 'Change their role in the list of members.';
  end if;

  -- An expired invitation makes room for a new one.
  update public.organization_invitations as i
  set revoked_at = now()
  where i.organization_id = invite_member.organization_id
    and i.email = v_email
    and i.accepted_at is null
    and i.revoked_at is null
    and i.expires_at <= now();
  insert into public.organization_invitations as i (organization_id, email, role, invited_by_id)
  values (invite_member.organization_id, v_email, invite_member.role, auth.uid())
  on conflict (organization_id, email) where accepted_at is null and revoked_at is null do nothing
  returning i.id into invite_member.id;
  if not found then
    raise sqlstate 'PT409' using
      message = format('%s is invited already.', v_email),
      detail = 'already_invited',
      hint = 'Resend the open invitation, or revoke it first.';
  end if;
  invite_member.token := private.set_invitation_token(invite_member.id);
  return next;
end
$$;
grant execute on function private.invite_member(uuid, text, public.org_role) to authenticated;

create function public.invite_member(organization_id uuid, email text, role public.org_role)
  returns table (id uuid, token text)
language sql volatile
set search_path = ''
as $$
  select i.id, i.token
  from private.invite_member(
    invite_member.organization_id, invite_member.email, invite_member.role) as i
$$;
comment on function public.invite_member(uuid, text, public.org_role) is
  E'Invite somebody by e-mail address; the answer shows the token once.\nAdmins; only an owner invites an owner. The invitation holds a seat for a week. Errors: organization_not_found, not_allowed, personal_organization, email_invalid, already_member, already_invited, member_quota_exceeded.';
grant execute on function public.invite_member(uuid, text, public.org_role) to authenticated;

create function private.managed_invitation(invitation_id uuid)
  returns public.organization_invitations
language plpgsql volatile
set search_path = ''
as $$
declare
  v_invitation public.organization_invitations;
begin
  perform private.refuse_api_key();
  select i.*
  into v_invitation
  from public.organization_invitations as i
  where i.id = managed_invitation.invitation_id;
  if private.my_role(v_invitation.organization_id) is null then
    raise sqlstate 'PT404' using
      message = 'There is no such invitation.',
      detail = 'invitation_not_found',
      hint = 'Check the id in the list of invitations.';
  end if;

  perform from public.organizations as o
  where o.id = v_invitation.organization_id
  for no key update;
  perform private.require_role(
    v_invitation.organization_id,
    case when v_invitation.role = 'owner' then 'owner' else 'admin' end::public.org_role);
  select i.*
  into v_invitation
  from public.organization_invitations as i
  where i.id = managed_invitation.invitation_id
  for no key update;
  if v_invitation.accepted_at is not null then
    raise sqlstate 'PT410' using
      message = 'This invitation was accepted already.',
      detail = 'invitation_used',
      hint = 'Manage the person in the list of members.';
  end if;
  return v_invitation;
end
$$;
comment on function private.managed_invitation(uuid) is
  'An invitation that the caller may manage and that is not accepted yet, locked.';

create function private.resend_invitation(invitation_id uuid) returns table (id uuid, token text)
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_invitation public.organization_invitations :=
    private.managed_invitation(resend_invitation.invitation_id);
begin
  if v_invitation.revoked_at is not null then
    raise sqlstate 'PT410' using
      message = 'This invitation was revoked.',
      detail = 'invitation_revoked',
      hint = 'Invite them anew.';
  end if;
  if v_invitation.expires_at <= now() then
    perform private.require_seat(v_invitation.organization_id);
  end if;
  update public.organization_invitations as i
  set expires_at = now() + interval '7 days'
  where i.id = v_invitation.id;
  return query select v_invitation.id, private.set_invitation_token(v_invitation.id);
end
$$;
grant execute on function private.resend_invitation(uuid) to authenticated;

create function public.resend_invitation(invitation_id uuid) returns table (id uuid, token text)
language sql volatile
set search_path = ''
as $$
  select i.id, i.token
  from private.resend_invitation(resend_invitation.invitation_id) as i
$$;
comment on function public.resend_invitation(uuid) is
  E'Give an invitation another week and a new token, shown once; the old one stops working.\nAdmins. Errors: invitation_not_found, not_allowed, invitation_used, invitation_revoked, member_quota_exceeded.';
grant execute on function public.resend_invitation(uuid) to authenticated;

create function private.revoke_invitation(invitation_id uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_invitation public.organization_invitations :=
    private.managed_invitation(revoke_invitation.invitation_id);
begin
  update public.organization_invitations as i
  set revoked_at = now()
  where i.id = v_invitation.id and i.revoked_at is null;
end
$$;
grant execute on function private.revoke_invitation(uuid) to authenticated;

create function public.revoke_invitation(invitation_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select private.revoke_invitation(revoke_invitation.invitation_id)
$$;
comment on function public.revoke_invitation(uuid) is
  E'Take an invitation back; its seat is free again.\nAdmins. Revoking twice changes nothing. Errors: invitation_not_found, not_allowed, invitation_used.';
grant execute on function public.revoke_invitation(uuid) to authenticated;

create function private.accept_invitation(token text) returns public.organization_members
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_invitation public.organization_invitations;
  v_member public.organization_members;
begin
  perform private.refuse_api_key();
  select i.*
  into v_invitation
  from private.organization_invitation_tokens as t
    join public.organization_invitations as i on i.id = t.invitation_id
    join public.organizations as o on o.id = i.organization_id and o.deleted_at is null
  where t.token_hash = sha256(convert_to(accept_invitation.token, 'UTF8'));
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such invitation.',
      detail = 'invitation_not_found',
      hint = 'Use the newest link that you were sent, or ask for another one.';
  end if;
  perform from auth.users as u
  where u.id = v_user_id
    and lower(u.email) = v_invitation.email
    and u.email_confirmed_at is not null;
  if not found then
    raise sqlstate 'PT403' using
      message = 'This invitation is for another e-mail address, or yours is not verified yet.',
      detail = 'invitation_not_yours',
      hint = 'Sign in with the invited address and confirm it, or ask for an invitation to yours.';
  end if;

  perform from public.organizations as o
  where o.id = v_invitation.organization_id
  for no key update;
  select i.*
  into v_invitation
  from public.organization_invitations as i
  where i.id = v_invitation.id
  for no key update;
  if v_invitation.accepted_at is not null then
    raise sqlstate 'PT410' using
      message = 'This invitation was accepted already.',
      detail = 'invitation_used',
      hint = 'Ask for a new one if you have left since.';
  elsif v_invitation.revoked_at is not null then
    raise sqlstate 'PT410' using
      message = 'This invitation was revoked.',
      detail = 'invitation_revoked',
      hint = 'Ask an admin of the organization for a new one.';
  elsif v_invitation.expires_at <= now() then
    raise sqlstate 'PT410' using
      message = 'This invitation has expired.',
      detail = 'invitation_expired',
      hint = 'Ask an admin of the organization to send it again.';
  end if;

  -- First the seat that it held is free, then the member takes it.
  update public.organization_invitations as i set accepted_at = now() where i.id = v_invitation.id;
  insert into public.organization_members (organization_id, user_id, role)
  values (v_invitation.organization_id, v_user_id, v_invitation.role)
  on conflict on constraint organization_members_pkey do nothing
  returning * into v_member;
  if not found then
    raise sqlstate 'PT409' using
      message = 'You are a member of this organization already.',
      detail = 'already_member',
      hint = 'Nothing is left to do.';
  end if;
  perform private.notify_user(
    v_invitation.invited_by_id,
    'organization.invitation_accepted',
    jsonb_build_object('organization_id', v_member.organization_id, 'user_id', v_member.user_id));
  return v_member;
end
$$;
grant execute on function private.accept_invitation(text) to authenticated;

create function public.accept_invitation(token text) returns public.organization_members
language sql volatile
set search_path = ''
as $$
  select private.accept_invitation(accept_invitation.token)
$$;
comment on function public.accept_invitation(text) is
  E'Join the organization that a token invites to.\nTakes an account with the invited, verified e-mail address. Errors: invitation_not_found, invitation_not_yours, invitation_used, invitation_revoked, invitation_expired, already_member, member_quota_exceeded.';
grant execute on function public.accept_invitation(text) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- API keys
-- ---------------------------------------------------------------------------------------------------

create function private.create_api_key(
  organization_id uuid,
  name text,
  scopes text[],
  rate_limit integer,
  expires_at timestamptz
) returns table (id uuid, key text)
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_name text := trim(create_api_key.name);
begin
  perform private.refuse_api_key();
  perform private.require_role(create_api_key.organization_id, 'member');
  if v_name is null or length(v_name) not between 1 and 120 then
    raise sqlstate 'PT400' using
      message = 'An API key needs a name of 1 to 120 characters.',
      detail = 'name_invalid',
      hint = 'Choose another name.';
  elsif private.are_scopes(create_api_key.scopes) is not true then
    raise sqlstate 'PT400' using
      message = 'One of these scopes does not exist, or there is none.',
      detail = 'scopes_invalid',
      hint = 'A scope is <resource>:<read|write|run>, for example agents:read.';
  elsif create_api_key.rate_limit between 1 and 10000 is not true then
    raise sqlstate 'PT400' using
      message = 'A rate limit is 1 to 10000 requests a minute.',
      detail = 'rate_limit_invalid',
      hint = 'Choose another limit.';
  elsif create_api_key.expires_at <= now() then
    raise sqlstate 'PT400' using
      message = 'This expiry lies in the past.',
      detail = 'expiry_invalid',
      hint = 'Choose a later time, or none.';
  end if;

  create_api_key.key := 'agk_' || private.random_token();
  insert into public.api_keys as k
    (organization_id, user_id, name, key_prefix, scopes, rate_limit, expires_at)
  values (
    create_api_key.organization_id, auth.uid(), v_name, left(create_api_key.key, 12),
    create_api_key.scopes, create_api_key.rate_limit, create_api_key.expires_at)
  returning k.id into create_api_key.id;
  insert into private.api_key_hashes (api_key_id, key_hash)
  values (create_api_key.id, sha256(convert_to(create_api_key.key, 'UTF8')));
  return next;
end
$$;
grant execute on function private.create_api_key(uuid, text, text[], integer, timestamptz)
  to authenticated;

create function public.create_api_key(
  organization_id uuid,
  name text,
  scopes text[],
  rate_limit integer default 100,
  expires_at timestamptz default null
) returns table (id uuid, key text)
language sql volatile
set search_path = ''
as $$
  select k.id, k.key
  from private.create_api_key(
    create_api_key.organization_id, create_api_key.name, create_api_key.scopes,
    create_api_key.rate_limit, create_api_key.expires_at) as k
$$;
comment on function public.create_api_key(uuid, text, text[], integer, timestamptz) is
  E'Make an API key for a program of yours; the answer shows it once.\nMembers. It acts as you, in this organization only, within its scopes: `<resource>:<read|write|run>` of agents, catalog, conversations, orchestration, executions, evaluation, memory, organization, usage. Errors: organization_not_found, not_allowed, name_invalid, scopes_invalid, rate_limit_invalid, expiry_invalid.';
grant execute on function public.create_api_key(uuid, text, text[], integer, timestamptz)
  to authenticated;

create function private.revoke_api_key(api_key_id uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  perform private.require_user();
  perform private.refuse_api_key();
  update public.api_keys as k
  set revoked_at = coalesce(k.revoked_at, now())
  where k.id = revoke_api_key.api_key_id
    and (
      k.user_id = auth.uid()
      or k.organization_id = any(array(select private.my_organization_ids('admin'))));
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such API key among those that you may revoke.',
      detail = 'api_key_not_found',
      hint = 'Check the id in the list of keys.';
  end if;
end
$$;
grant execute on function private.revoke_api_key(uuid) to authenticated;

create function public.revoke_api_key(api_key_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select private.revoke_api_key(revoke_api_key.api_key_id)
$$;
comment on function public.revoke_api_key(uuid) is
  E'End an API key: its next request is refused.\nOne''s own, or as an admin any of the organization. Revoking twice changes nothing. Errors: api_key_not_found.';
grant execute on function public.revoke_api_key(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- One's own account. It lives in Supabase Auth, whose tables the API does not show.
-- ---------------------------------------------------------------------------------------------------

create function private.my_account() returns table (
  id uuid,
  email text,
  email_verified_at timestamptz,
  last_login_at timestamptz,
  mfa_enabled boolean,
  identities jsonb
)
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
begin
  perform private.refuse_api_key();
  -- Not every Auth server offers a second factor; where one does not, the table is missing.
  mfa_enabled := false;
  if to_regclass('auth.mfa_factors') is not null then
    execute 'select exists (
      select from auth.mfa_factors as f where f.user_id = $1 and f.status = ''verified'')'
    into mfa_enabled using v_user_id;
  end if;
  return query
    select u.id, u.email::text, u.email_confirmed_at, u.last_sign_in_at, my_account.mfa_enabled,
      coalesce(
        (
          select jsonb_agg(
            jsonb_build_object(
              'provider', i.provider,
              'provider_id', i.provider_id,
              'created_at', i.created_at,
              'last_sign_in_at', i.last_sign_in_at)
            order by i.created_at, i.provider)
          from auth.identities as i
          where i.user_id = u.id
        ),
        '[]')
    from auth.users as u
    where u.id = v_user_id;
end
$$;
grant execute on function private.my_account() to authenticated;

create function public.my_account() returns table (
  id uuid,
  email text,
  email_verified_at timestamptz,
  last_login_at timestamptz,
  mfa_enabled boolean,
  identities jsonb
)
language sql stable
set search_path = ''
as $$
  select a.id, a.email, a.email_verified_at, a.last_login_at, a.mfa_enabled, a.identities
  from private.my_account() as a
$$;
comment on function public.my_account() is
  E'What only you know of your account.\nidentities: the ways to sign in, as [{"provider", "provider_id", "created_at", "last_sign_in_at"}]. Errors: not_signed_in, not_with_api_key.';
grant execute on function public.my_account() to authenticated;

create function private.describe_user_agent(user_agent text)
  returns table (device_name text, device_type text)
language sql immutable
set search_path = ''
as $$
  -- The order matters: Edge and Opera also say Chrome, Chrome also says Safari, Android also says
  -- Linux, and iPads and iPhones also say Mac OS X.
  select
    coalesce(nullif(concat_ws(' on ', browser, system), ''), 'Unknown device'),
    case
      when agent ~ 'ipad|tablet' or agent ~ 'android' and agent !~ 'mobile' then 'tablet'
      when agent ~ 'iphone|mobile' then 'mobile'
      when system is not null then 'desktop'
      else 'other'
    end
  from (
    select
      agent,
      case
        when agent ~ 'edg(e|a|ios)?/' then 'Edge'
        when agent ~ 'opr/|opera' then 'Opera'
        when agent ~ 'firefox/|fxios/' then 'Firefox'
        when agent ~ 'chrome/|crios/' then 'Chrome'
        when agent ~ 'safari/' then 'Safari'
        when agent ~ 'curl/' then 'curl'
        when agent ~ 'node' then 'Node.js'
      end as browser,
      case
        when agent ~ 'iphone' then 'iPhone'
        when agent ~ 'ipad' then 'iPad'
        when agent ~ 'android' then 'Android'
        when agent ~ 'windows' then 'Windows'
        when agent ~ 'mac os x|macintosh' then 'macOS'
        when agent ~ 'cros ' then 'ChromeOS'
        when agent ~ 'linux' then 'Linux'
      end as system
    from lower(describe_user_agent.user_agent) as agent
  ) as device
$$;
comment on function private.describe_user_agent(text) is
  'A name such as "Firefox on Linux", and desktop, mobile, tablet or other, from what a browser says of itself.';

create function private.my_sessions() returns table (
  id uuid,
  device_name text,
  device_type text,
  ip_address inet,
  user_agent text,
  created_at timestamptz,
  expires_at timestamptz,
  is_current boolean
)
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
begin
  perform private.refuse_api_key();
  return query
    select s.id, d.device_name, d.device_type, s.ip, s.user_agent, s.created_at, s.not_after,
      s.id::text is not distinct from auth.jwt() ->> 'session_id'
    from auth.sessions as s
      cross join private.describe_user_agent(s.user_agent) as d
    where s.user_id = v_user_id
      and (s.not_after is null or s.not_after > now())
    order by s.created_at desc, s.id;
end
$$;
grant execute on function private.my_sessions() to authenticated;

create function public.my_sessions() returns table (
  id uuid,
  device_name text,
  device_type text,
  ip_address inet,
  user_agent text,
  created_at timestamptz,
  expires_at timestamptz,
  is_current boolean
)
language sql stable
set search_path = ''
as $$
  select
    s.id, s.device_name, s.device_type, s.ip_address, s.user_agent, s.created_at, s.expires_at,
    s.is_current
  from private.my_sessions() as s
$$;
comment on function public.my_sessions() is
  E'Where you are signed in, newest first.\nThe device is told from the user agent, where the Auth server keeps one; expires_at is null when a session lasts until it is ended. Errors: not_signed_in, not_with_api_key.';
grant execute on function public.my_sessions() to authenticated;

create function private.revoke_session(session_id uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
begin
  perform private.refuse_api_key();
  -- Its refresh tokens go with it, and before_request() refuses its access token at once.
  delete from auth.sessions as s
  where s.id = revoke_session.session_id and s.user_id = v_user_id;
  if not found then
    raise sqlstate 'PT404' using
      message = 'You have no such session.',
      detail = 'session_not_found',
      hint = 'It may have ended already: my_sessions() lists those that live.';
  end if;
end
$$;
grant execute on function private.revoke_session(uuid) to authenticated;

create function public.revoke_session(session_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select private.revoke_session(revoke_session.session_id)
$$;
comment on function public.revoke_session(uuid) is
  E'Sign out one of your sessions, wherever it is.\nErrors: session_not_found, not_signed_in, not_with_api_key.';
grant execute on function public.revoke_session(uuid) to authenticated;

create table private.personal_data (
  section text primary key,
  relation regclass not null,
  user_column name not null,
  while_member boolean not null default false
);
comment on table private.personal_data is
  'What export_my_data() hands out: the rows of each relation whose user_column is the caller. Contexts add their own tables, or views where the way to the person is longer.';
comment on column private.personal_data.while_member is
  'Made for an organization (organization_id), and handed out while the caller still works in it: whoever was removed gets nothing that others write there now.';

insert into private.personal_data (section, relation, user_column)
values
  ('profile', 'public.profiles', 'id'),
  ('memberships', 'public.organization_members', 'user_id'),
  ('invitations_sent', 'public.organization_invitations', 'invited_by_id'),
  ('api_keys', 'public.api_keys', 'user_id'),
  ('notifications', 'public.notifications', 'user_id');

create function private.export_my_data() returns jsonb
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_export jsonb;
  v_source private.personal_data;
  v_rows jsonb;
begin
  perform private.refuse_api_key();
  v_export := jsonb_build_object(
    'exported_at', now(),
    'account', (select to_jsonb(a) from private.my_account() as a),
    'sessions', (select coalesce(jsonb_agg(to_jsonb(s)), '[]') from private.my_sessions() as s));
  for v_source in select * from private.personal_data as d order by d.section loop
    execute format(
      'select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from %s as t where t.%I = $1 %s',
      v_source.relation, v_source.user_column,
      case when v_source.while_member then
        'and t.organization_id = any (array(select private.my_organization_ids(''member'')))'
      end)
    into v_rows using v_user_id;
    v_export := v_export || jsonb_build_object(v_source.section, v_rows);
  end loop;
  return v_export;
end
$$;
grant execute on function private.export_my_data() to authenticated;

create function public.export_my_data() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.export_my_data()
$$;
comment on function public.export_my_data() is
  E'Everything that is stored about you, as one JSON document.\nOne array of rows a section, named like the tables. What you made for an organization is in it while you are a member there. Secrets are not: nobody can read them. Errors: not_signed_in, not_with_api_key.';
grant execute on function public.export_my_data() to authenticated;

create function private.delete_my_account() returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_stranded text;
begin
  perform private.refuse_api_key();
  perform private.lock_memberships(v_user_id);
  v_stranded := (
    select string_agg(o.name, ', ' order by o.name)
    from public.organizations as o
      join public.organization_members as m on m.organization_id = o.id
    where m.user_id = v_user_id
      and m.role = 'owner'
      and o.deleted_at is null
      and exists (
        select
        from public.organization_members as other
        where other.organization_id = o.id and other.user_id <> v_user_id)
      and not exists (
        select
        from public.organization_members as other
        where other.organization_id = o.id and other.user_id <> v_user_id and other.role = 'owner')
  );
  if v_stranded is not null then
    raise sqlstate 'PT409' using
      message = format('Others would be left without an owner in: %s.', v_stranded),
      detail = 'last_owner',
      hint = 'Transfer the ownership first, delete the organization, or remove its members.';
  end if;
  delete from auth.users as u where u.id = v_user_id;
end
$$;
grant execute on function private.delete_my_account() to authenticated;

create function public.delete_my_account() returns void
language sql volatile
set search_path = ''
as $$
  select private.delete_my_account()
$$;
comment on function public.delete_my_account() is
  E'Delete your account, for good.\nYour profile turns anonymous, your memberships, keys, sessions and notifications end, and organizations that are yours alone are deleted. What others depend on stays, without your name. Errors: last_owner, not_signed_in, not_with_api_key.';
grant execute on function public.delete_my_account() to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Deleted things: hidden by their deleted_at, listed here, purged when their time is over.
-- ---------------------------------------------------------------------------------------------------
create table private.deletable_kinds (
  kind text primary key,
  relation regclass not null unique,
  organization_column name not null default 'organization_id',
  creator_column name,
  kept interval not null default '30 days'
);
comment on table private.deletable_kinds is
  'Tables with deleted_at and name that list_deleted() lists and the purge empties. Contexts add theirs.';
comment on column private.deletable_kinds.creator_column is
  'Whose own deleted rows members see; null: only admins see this kind.';

insert into private.deletable_kinds (kind, relation, organization_column)
values ('organization', 'public.organizations', 'id');

create function private.list_deleted(organization_id uuid) returns table (
  kind text,
  id uuid,
  name text,
  deleted_at timestamptz,
  purge_at timestamptz
)
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_role public.org_role;
  v_kind private.deletable_kinds;
begin
  perform private.refuse_api_key();
  if list_deleted.organization_id is null then
    return query
      select 'organization', o.id, o.name, o.deleted_at, o.deleted_at + k.kept
      from public.organizations as o
        join public.organization_members as m on m.organization_id = o.id
        cross join private.deletable_kinds as k
      where m.user_id = v_user_id
        and m.role = 'owner'
        and o.deleted_at is not null
        and k.kind = 'organization'
      order by o.deleted_at desc;
    return;
  end if;

  perform private.require_role(list_deleted.organization_id, 'member');
  v_role := private.my_role(list_deleted.organization_id);
  for v_kind in
    select * from private.deletable_kinds as k where k.kind <> 'organization' order by k.kind
  loop
    continue when v_kind.creator_column is null and v_role < 'admin';
    return query execute format(
      'select %L, t.id, t.name, t.deleted_at, t.deleted_at + $1
       from %s as t
       where t.%I = $2 and t.deleted_at is not null and ($3 or t.%I = $4)
       order by t.deleted_at desc',
      v_kind.kind, v_kind.relation, v_kind.organization_column,
      coalesce(v_kind.creator_column, v_kind.organization_column))
    using v_kind.kept, list_deleted.organization_id, v_role >= 'admin', v_user_id;
  end loop;
end
$$;
grant execute on function private.list_deleted(uuid) to authenticated;

create function public.list_deleted(organization_id uuid default null) returns table (
  kind text,
  id uuid,
  name text,
  deleted_at timestamptz,
  purge_at timestamptz
)
language sql stable
set search_path = ''
as $$
  select d.kind, d.id, d.name, d.deleted_at, d.purge_at
  from private.list_deleted(list_deleted.organization_id) as d
$$;
comment on function public.list_deleted(uuid) is
  E'What was deleted and can be restored, by restore_<kind>.\nIn an organization: admins see everything, members what they made. Without one: the organizations that you owned. Errors: organization_not_found, not_allowed.';
grant execute on function public.list_deleted(uuid) to authenticated;

create function private.purge_deleted() returns void
language plpgsql volatile
set search_path = ''
as $$
declare
  v_kind private.deletable_kinds;
begin
  for v_kind in select * from private.deletable_kinds as k order by k.kind loop
    execute format('delete from %s where deleted_at < now() - $1', v_kind.relation)
    using v_kind.kept;
  end loop;
end
$$;
comment on function private.purge_deleted() is
  'Upkeep: removes for good what was deleted long enough ago; what belongs to it goes by its foreign keys.';

insert into private.upkeep_tasks (name, task, every)
values ('purge deleted', 'private.purge_deleted()', interval '1 hour');

-- ---------------------------------------------------------------------------------------------------
-- Storage: pictures of people and organizations, readable by their public address. The first folder
-- of a path is the id of the person or organization that it shows.
-- ---------------------------------------------------------------------------------------------------
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values (
  'avatars', 'avatars', true, 2097152,
  array['image/png', 'image/jpeg', 'image/webp', 'image/gif'])
on conflict (id) do nothing;

create function private.my_picture_folders() returns setof text
language plpgsql stable
set search_path = ''
as $$
begin
  if private.caller_is_active() then
    return next auth.uid()::text;
    return query select i::text from private.my_organization_ids('admin') as i;
  end if;
end
$$;
comment on function private.my_picture_folders() is
  'Whose pictures the caller may change: their own, and those of organizations that they administer.';
grant execute on function private.my_picture_folders() to authenticated;

-- NOTE: no select for others: the public address asks no policy, and nobody should list the bucket.
create policy storage_avatars_select on storage.objects
  for select to authenticated
  using (
    bucket_id = 'avatars'
    and split_part(name, '/', 1) = any(array(select private.my_picture_folders())));
create policy storage_avatars_insert on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'avatars'
    and split_part(name, '/', 1) = any(array(select private.my_picture_folders())));
create policy storage_avatars_update on storage.objects
  for update to authenticated
  using (
    bucket_id = 'avatars'
    and split_part(name, '/', 1) = any(array(select private.my_picture_folders())))
  with check (
    bucket_id = 'avatars'
    and split_part(name, '/', 1) = any(array(select private.my_picture_folders())));
create policy storage_avatars_delete on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'avatars'
    and split_part(name, '/', 1) = any(array(select private.my_picture_folders())));

-- migrate:down
