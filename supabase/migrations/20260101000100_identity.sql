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
-- plpgsql where a table is read: its plans last as long as the pooled connection, SQL functions plan
-- anew for every statement.
-- ---------------------------------------------------------------------------------------------------

create function private.request_api_key() returns jsonb
language sql stable
set search_path = ''
as $$
  select auth.jwt() -> 'agentry_key'
$$;
comment on function private.request_api_key() is
  'The API key of this request as {"id", "organization_id", "scopes"}; null when it carries none.';
grant execute on function private.request_api_key() to anon, authenticated, service_role;

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
language sql stable
set search_path = ''
as $$
  select coalesce(private.request_api_key() -> 'scopes' ? has_scope.scope, true)
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
  v_is_active boolean;
  v_has_session boolean;
begin
  -- A key was looked up, its user included, when before_request() put it here.
  if private.request_api_key() is not null then
    return null;
  end if;
  select
    p.is_active,
    exists (
      select
      from auth.sessions as s
      where s.id = (auth.jwt() ->> 'session_id')::uuid
        and s.user_id = p.id
        and (s.not_after is null or s.not_after > now()))
  into v_is_active, v_has_session
  from public.profiles as p
  where p.id = auth.uid();

  return case
    when not v_is_active then 'account_deactivated'
    when v_has_session then null
    else 'session_ended'
  end;
end
$$;
comment on function private.caller_refusal() is
  'Why a signed-in caller is refused, as an error code; null when nothing speaks against the caller. A valid token outlives its session: this asks the tables.';
grant execute on function private.caller_refusal() to authenticated;

create function private.caller_is_active() returns boolean
language sql stable
set search_path = ''
as $$
  select private.caller_refusal() is null
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
  'Refuses API keys altogether: accounts, members, keys, tokens and billing belong to people.';
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
comment on column public.organizations.is_personal is 'Made at sign-up; goes with the account, so it cannot be deleted by itself.';
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
-- open invitations. Whoever changes either locks the organization's row first (`no key update`, which
-- does not block inserts that refer to it), so concurrent changes are decided one after another.
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

create function private.tg_organization_members__take_seat() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.require_seat(new.organization_id);
  return new;
end
$$;
comment on function private.tg_organization_members__take_seat() is
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
    and i.revoked_at is null;
  return null;
end
$$;
comment on function private.tg_organization_members__revoke_invitations() is
  'Whoever may not invite any more leaves no open invitation behind as a way back in.';

create trigger _100_set_updated_at before update on public.organization_members
  for each row execute function private.tg_set_updated_at();
create trigger _200_take_seat before insert on public.organization_members
  for each row execute function private.tg_organization_members__take_seat();
create trigger _300_keep_owner before update of role or delete on public.organization_members
  for each row when (old.role = 'owner')
  execute function private.tg_organization_members__keep_owner();
create trigger _400_revoke_invitations_on_removal after delete on public.organization_members
  for each row when (old.role >= 'admin')
  execute function private.tg_organization_members__revoke_invitations();
create trigger _410_revoke_invitations_on_demotion after update of role on public.organization_members
  for each row when (old.role >= 'admin' and new.role < 'admin')
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
  E'Who belongs to an organization, and as what.\nMembers read. Admins change roles (update role) and remove people (delete), only an owner makes or removes an owner, and the last owner stays. New members come by invitation.';
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
  for each row execute function private.tg_organization_members__take_seat();

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
  constraint scopes_are_known check (
    cardinality(scopes) > 0
    and array_to_string(scopes, ' ', '')
      ~ '^((agents|catalog|conversations|orchestration|executions|evaluation|memory|organization|usage):(read|write|run)( |$))+$'),
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

-- migrate:down
