-- migrate:up

-- Integrations: what ties the platform to the outside. Tokens and connected accounts bring secrets in,
-- webhooks carry news out. Secrets go in and never come out: the database encrypts them with the
-- platform's public key, and only a worker that holds the private key can read them.

-- ===================================================================================================
-- Encryption keys
-- ===================================================================================================

-- Public halves only. Several, so that the key can be changed: what the old one encrypted stays
-- readable as long as workers keep its private half.
create table private.encryption_keys (
  id text primary key check (id <> ''),
  public_key text not null
    constraint public_key_is_armored_openpgp check (public_key like '-----BEGIN PGP PUBLIC KEY BLOCK-----%'),
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);
create unique index encryption_keys_one_is_active on private.encryption_keys (is_active) where is_active;
comment on table private.encryption_keys is 'OpenPGP public keys of the platform; the active one encrypts.';

create function private.set_encryption_key(key_id text, public_key text) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Proved before it is kept: a key that cannot encrypt would be noticed by the first user only.
  perform extensions.pgp_pub_encrypt('', extensions.dearmor(set_encryption_key.public_key));
  update private.encryption_keys as k set is_active = false
  where k.is_active and k.id <> set_encryption_key.key_id;
  insert into private.encryption_keys (id, public_key)
  values (set_encryption_key.key_id, set_encryption_key.public_key)
  on conflict (id) do update set public_key = excluded.public_key, is_active = true;
end
$$;
comment on function private.set_encryption_key(text, text) is
  'Makes a public key the one that encrypts from now on. For whoever installs the platform; repeating it changes nothing.';

create function private.encrypt_secret(
  owner uuid,
  key text,
  value text,
  out key_id text,
  out ciphertext bytea
)
language plpgsql
set search_path = ''
as $$
declare
  v_key private.encryption_keys;
begin
  select * into v_key from private.encryption_keys as k where k.is_active;
  if not found then
    raise sqlstate 'PT503' using message = 'Secrets cannot be stored yet.',
      detail = 'encryption_key_missing', hint = 'Whoever runs this installation has to set an encryption key.';
  end if;
  key_id := v_key.id;
  ciphertext := extensions.pgp_pub_encrypt(
    jsonb_build_object(
      'owner', encrypt_secret.owner, 'key', encrypt_secret.key, 'value', encrypt_secret.value)::text,
    extensions.dearmor(v_key.public_key));
end
$$;
comment on function private.encrypt_secret(uuid, text, text) is
  'An OpenPGP message that holds {"owner", "key", "value"}: whoever decrypts it refuses one that was moved to another owner or name.';

-- ===================================================================================================
-- Tokens
-- ===================================================================================================

-- A row says that there is a token of that name, whose it is and since when; the value is nowhere to
-- be read. A run uses its runner's tokens, then those of the organization that pays.
create table public.tokens (
  id uuid primary key default private.uuid_v7(),
  user_id uuid references public.profiles (id) on delete cascade,
  organization_id uuid references public.organizations (id) on delete cascade,
  key text not null
    constraint token_key_is_upper_case check (key ~ '^[A-Z][A-Z0-9_]*$' and length(key) <= 100),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint a_token_has_one_owner check (num_nonnulls(user_id, organization_id) = 1)
);
alter table public.tokens enable row level security;

-- A person's tokens, and the one of a name (set_token, read_token).
create unique index tokens_one_per_user_and_key on public.tokens (user_id, key) where user_id is not null;
-- An organization's tokens, and the one of a name.
create unique index tokens_one_per_organization_and_key on public.tokens (organization_id, key)
  where organization_id is not null;

create trigger _100_updated_at before update on public.tokens
  for each row execute function private.tg_set_updated_at();

-- NOTE: select only; set_token and delete_token write.
grant select on public.tokens to authenticated;

create policy tokens_select_owner on public.tokens
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any (array(select private.my_organization_ids('admin')))
  );
-- No key has this scope: tokens are for people.
create policy tokens_select_scope on public.tokens
  as restrictive for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.tokens is
  'Names of the secrets that runs may use: your own, and as an admin the organization''s. Values are write-only: see set_token.';
comment on column public.tokens.key is 'The name by which agents refer to it, as in {"token": "OPENAI_API_KEY"}.';

-- Kept apart, so that no reader of public.tokens can ever select it.
create table private.token_values (
  token_id uuid primary key references public.tokens (id) on delete cascade,
  key_id text not null references private.encryption_keys (id),
  ciphertext bytea not null
);
-- Which values still need an old key; the foreign key.
create index token_values_key_id_idx on private.token_values (key_id);
comment on table private.token_values is
  'OpenPGP messages that hold {"owner", "key", "value"}: a reader refuses one that was moved to another owner or name.';

-- The profile of a deleted account stays, without a name; what it could open must not.
create function private.tg_profiles__delete_tokens() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from public.tokens as t where t.user_id = new.id;
  return null;
end
$$;
comment on function private.tg_profiles__delete_tokens() is 'A deleted account takes its tokens with it.';

create trigger _500_delete_tokens after update of deleted_at on public.profiles
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_profiles__delete_tokens();

insert into private.personal_data (section, relation, user_column)
values ('tokens', 'public.tokens', 'user_id');

create function private.set_token(key text, value text, organization_id uuid)
returns public.tokens
language plpgsql security definer
set search_path = ''
as $$
-- The column list of an `on conflict` cannot be qualified.
#variable_conflict use_column
declare
  v_user_id uuid := private.require_user();
  v_secret record;
  v_token public.tokens;
begin
  perform private.refuse_api_key();
  if set_token.organization_id is not null then
    perform private.require_role(set_token.organization_id, 'admin');
  end if;
  if set_token.key is null or set_token.key !~ '^[A-Z][A-Z0-9_]*$' or length(set_token.key) > 100 then
    raise sqlstate 'PT400'
      using message = 'A token''s name is made of capital letters, digits and underscores, such as OPENAI_API_KEY.',
        detail = 'token_key_invalid', hint = 'Begin with a letter; use at most 100 characters.';
  end if;
  if set_token.value is null or octet_length(set_token.value) not between 1 and 65536 then
    raise sqlstate 'PT400' using message = 'A token''s value has 1 byte to 64 kB.',
      detail = 'token_value_invalid', hint = 'Send the secret itself; delete_token removes one.';
  end if;
  if set_token.organization_id is null then
    insert into public.tokens (user_id, key)
    values (v_user_id, set_token.key)
    on conflict (user_id, key) where user_id is not null do update set updated_at = now()
    returning * into v_token;
  else
    insert into public.tokens (organization_id, key)
    values (set_token.organization_id, set_token.key)
    on conflict (organization_id, key) where organization_id is not null
      do update set updated_at = now()
    returning * into v_token;
  end if;
  v_secret := private.encrypt_secret(
    coalesce(v_token.user_id, v_token.organization_id), v_token.key, set_token.value);
  insert into private.token_values (token_id, key_id, ciphertext)
  values (v_token.id, v_secret.key_id, v_secret.ciphertext)
  on conflict (token_id) do update set key_id = excluded.key_id, ciphertext = excluded.ciphertext;
  return v_token;
end
$$;
comment on function private.set_token(text, text, uuid) is 'Behind public.set_token.';
grant execute on function private.set_token(text, text, uuid) to authenticated;

create function public.set_token(key text, value text, organization_id uuid default null)
returns public.tokens
language sql volatile
set search_path = ''
as $$
  select * from private.set_token(key, value, organization_id)
$$;
comment on function public.set_token(text, text, uuid) is
E'Stores a secret for your runs, or as an admin for all runs of the organization.\n'
'It is encrypted at once and can be replaced or deleted, never read. Not with an API key.';
grant execute on function public.set_token(text, text, uuid) to authenticated;

create function private.delete_token(key text, organization_id uuid) returns public.tokens
language plpgsql security definer
set search_path = ''
as $$
declare
  v_user_id uuid := private.require_user();
  v_token public.tokens;
begin
  perform private.refuse_api_key();
  if delete_token.organization_id is not null then
    perform private.require_role(delete_token.organization_id, 'admin');
  end if;
  delete from public.tokens as t
  where t.key = delete_token.key
    and case
      when delete_token.organization_id is null then t.user_id = v_user_id
      else t.organization_id = delete_token.organization_id
    end
  returning * into v_token;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no token of that name.',
      detail = 'token_not_found', hint = 'Read the tokens to see which there are.';
  end if;
  return v_token;
end
$$;
comment on function private.delete_token(text, uuid) is 'Behind public.delete_token.';
grant execute on function private.delete_token(text, uuid) to authenticated;

create function public.delete_token(key text, organization_id uuid default null)
returns public.tokens
language sql volatile
set search_path = ''
as $$
  select * from private.delete_token(key, organization_id)
$$;
comment on function public.delete_token(text, uuid) is
E'Deletes a secret, your own or as an admin the organization''s.\n'
'Runs that need it fail from then on. Not with an API key.';
grant execute on function public.delete_token(text, uuid) to authenticated;

create function private.read_token(organization_id uuid, user_id uuid, key text)
returns table (owner uuid, key_id text, ciphertext bytea)
language sql stable
set search_path = ''
as $$
  select coalesce(t.user_id, t.organization_id), v.key_id, v.ciphertext
  from public.tokens as t
    join private.token_values as v on v.token_id = t.id
  where t.key = read_token.key
    and (t.user_id = read_token.user_id or t.organization_id = read_token.organization_id)
  order by t.user_id is null
  limit 1
$$;
comment on function private.read_token(uuid, uuid, text) is
  'For workers: the ciphertext that a run uses under a name, its runner''s before its organization''s. Decrypted, it must name the same owner and key, or it was moved here.';

-- ===================================================================================================
-- Connected accounts
-- ===================================================================================================

-- An account of a person with a provider (Slack, GitHub, ...), lent to one organization's runs. What
-- opens it stands encrypted in private.integration_credentials.
create table public.integrations (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  user_id uuid not null,
  provider text not null
    constraint provider_is_lower_case check (provider ~ '^[a-z][a-z0-9_-]{0,99}$'),
  provider_account_id text not null
    constraint provider_account_id_is_1_to_255_characters check (length(provider_account_id) between 1 and 255),
  provider_account_name text,
  scopes text[] not null default '{}',
  token_expires_at timestamptz,
  refresh_token_expires_at timestamptz,
  status text not null default 'active'
    constraint status_is_known check (status in ('active', 'expired', 'revoked', 'error')),
  last_used_at timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Whoever leaves the organization takes their accounts along.
  foreign key (organization_id, user_id) references public.organization_members on delete cascade,
  constraint integration_per_account_is_unique unique (user_id, provider, provider_account_id)
);
alter table public.integrations enable row level security;

-- The accounts that an organization's runs may use, by provider.
create index integrations_organization_id_idx on public.integrations (organization_id, provider, id);
-- The foreign key.
create index integrations_member_idx on public.integrations (user_id, organization_id);
-- What upkeep marks as expired.
create index integrations_token_expires_at_idx on public.integrations (token_expires_at)
  where status = 'active' and token_expires_at is not null;

create trigger _100_updated_at before update on public.integrations
  for each row execute function private.tg_set_updated_at();

-- NOTE: connect_integration() and disconnect_integration() write.
grant select on public.integrations to authenticated;

create policy integrations_select_own_or_admin on public.integrations
  for select to authenticated
  using (
    user_id = (select auth.uid())
      and organization_id = any (array(select private.my_organization_ids('member')))
    or organization_id = any (array(select private.my_organization_ids('admin')))
  );
create policy integrations_select_scope on public.integrations
  as restrictive for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.integrations is
  E'Accounts with other providers that an organization''s runs may use.\nMembers read their own, admins all. Connect with connect_integration(), end with disconnect_integration(); credentials are write-only.';
comment on column public.integrations.status is 'active; expired: connect again; revoked: disconnected; error: see last_error.';
comment on column public.integrations.token_expires_at is 'When the access token ends; upkeep then marks an account without a refresh token as expired.';

create table private.integration_credentials (
  integration_id uuid primary key references public.integrations on delete cascade,
  key_id text not null references private.encryption_keys (id),
  ciphertext bytea not null
);
create index integration_credentials_key_id_idx on private.integration_credentials (key_id);
comment on table private.integration_credentials is
  'What opens each connected account, as private.encrypt_secret makes it, with the integration as its owner and the provider as its key.';

create function private.connect_integration(
  organization_id uuid,
  provider text,
  provider_account_id text,
  credentials jsonb,
  provider_account_name text,
  scopes text[],
  token_expires_at timestamptz,
  refresh_token_expires_at timestamptz
) returns public.integrations
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_integration public.integrations;
  v_secret record;
begin
  perform private.refuse_api_key();
  perform private.require_role(connect_integration.organization_id, 'member');
  if jsonb_typeof(credentials) is distinct from 'object' or octet_length(credentials::text) > 65536 then
    raise sqlstate 'PT400' using message = 'The credentials are a JSON object of at most 64 kB.',
      detail = 'credentials_invalid', hint = 'Send what the provider answered, for example {"access_token": "..."}.';
  end if;
  insert into public.integrations as i (organization_id, user_id, provider, provider_account_id,
    provider_account_name, scopes, token_expires_at, refresh_token_expires_at)
  values (connect_integration.organization_id, auth.uid(), connect_integration.provider,
    connect_integration.provider_account_id, connect_integration.provider_account_name,
    coalesce(connect_integration.scopes, '{}'), connect_integration.token_expires_at,
    connect_integration.refresh_token_expires_at)
  on conflict (user_id, provider, provider_account_id) do update
  set organization_id = excluded.organization_id,
    provider_account_name = excluded.provider_account_name,
    scopes = excluded.scopes,
    token_expires_at = excluded.token_expires_at,
    refresh_token_expires_at = excluded.refresh_token_expires_at,
    status = 'active',
    last_error = null
  returning * into v_integration;
  v_secret := private.encrypt_secret(v_integration.id, v_integration.provider, credentials::text);
  insert into private.integration_credentials (integration_id, key_id, ciphertext)
  values (v_integration.id, v_secret.key_id, v_secret.ciphertext)
  on conflict (integration_id) do update set key_id = excluded.key_id, ciphertext = excluded.ciphertext;
  return v_integration;
end
$$;
grant execute on function private.connect_integration(
  uuid, text, text, jsonb, text, text[], timestamptz, timestamptz) to authenticated;

create function public.connect_integration(
  organization_id uuid,
  provider text,
  provider_account_id text,
  credentials jsonb,
  provider_account_name text default null,
  scopes text[] default '{}',
  token_expires_at timestamptz default null,
  refresh_token_expires_at timestamptz default null
) returns public.integrations
language sql volatile
set search_path = ''
as $$
  select * from private.connect_integration(organization_id, provider, provider_account_id, credentials,
    provider_account_name, scopes, token_expires_at, refresh_token_expires_at)
$$;
comment on function public.connect_integration(
  uuid, text, text, jsonb, text, text[], timestamptz, timestamptz) is
  E'Connects your account with a provider to an organization, or renews it.\ncredentials is what the provider answered; it is encrypted at once and never read back. Members. Not with an API key. Errors: organization_not_found, not_allowed, credentials_invalid, encryption_key_missing.';
grant execute on function public.connect_integration(
  uuid, text, text, jsonb, text, text[], timestamptz, timestamptz) to authenticated;

create function private.disconnect_integration(integration_id uuid) returns public.integrations
language plpgsql security definer
set search_path = ''
as $$
declare
  v_integration public.integrations;
begin
  perform private.require_user();
  perform private.refuse_api_key();
  update public.integrations as i
  set status = 'revoked'
  where i.id = disconnect_integration.integration_id
    and (i.user_id = auth.uid() or private.my_role(i.organization_id) >= 'admin')
  returning * into v_integration;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such connected account.',
      detail = 'integration_not_found', hint = 'Look at the list of connected accounts.';
  end if;
  delete from private.integration_credentials as c where c.integration_id = v_integration.id;
  return v_integration;
end
$$;
grant execute on function private.disconnect_integration(uuid) to authenticated;

create function public.disconnect_integration(integration_id uuid) returns public.integrations
language sql volatile
set search_path = ''
as $$
  select * from private.disconnect_integration(integration_id)
$$;
comment on function public.disconnect_integration(uuid) is
  E'Ends a connected account: its credentials are deleted at once.\nYour own, or as an admin any of the organization. Not with an API key. Errors: integration_not_found.';
grant execute on function public.disconnect_integration(uuid) to authenticated;

create function private.read_integration(organization_id uuid, provider text, user_id uuid)
returns table (integration_id uuid, key_id text, ciphertext bytea)
language sql volatile
set search_path = ''
as $$
  update public.integrations as i
  set last_used_at = now()
  from private.integration_credentials as c
  where c.integration_id = i.id
    and i.id = (
      select o.id
      from public.integrations as o
      where o.organization_id = read_integration.organization_id
        and o.provider = read_integration.provider
        and o.status = 'active'
      order by (o.user_id = read_integration.user_id) desc, o.id
      limit 1)
  returning i.id, c.key_id, c.ciphertext
$$;
comment on function private.read_integration(uuid, text, uuid) is
  'For workers that run tools, which those of this repository do not yet: the credentials of a provider that a run uses, its runner''s account before others of the organization.';

create function private.fail_integration(integration_id uuid, error text) returns void
language sql volatile
set search_path = ''
as $$
  update public.integrations as i
  set status = 'error', last_error = left(fail_integration.error, 1000)
  where i.id = fail_integration.integration_id and i.status = 'active'
$$;
comment on function private.fail_integration(uuid, text) is
  'For workers that run tools, as read_integration: the provider refused the credentials.';

create function private.expire_integrations() returns void
language sql volatile
set search_path = ''
as $$
  update public.integrations as i
  set status = 'expired'
  where i.status = 'active'
    and i.token_expires_at < now()
    and coalesce(i.refresh_token_expires_at < now(), true)
$$;
comment on function private.expire_integrations() is 'Upkeep: accounts whose tokens have all run out.';

insert into private.upkeep_tasks (name, task, every)
values ('expire integrations', 'private.expire_integrations()', interval '1 minute');

insert into private.personal_data (section, relation, user_column)
values ('integrations', 'public.integrations', 'user_id');

-- ===================================================================================================
-- Webhooks
-- ===================================================================================================

-- Where an organization wants to hear of events. Deliveries are signed as Standard Webhooks says
-- (https://www.standardwebhooks.com), with a secret that is shown once.
create table public.webhooks (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations on delete cascade,
  url text not null
    constraint url_is_a_web_address check (url ~ '^https?://[^\s/?#@]+([/?#]\S*)?$' and length(url) <= 2048),
  events text[] not null
    constraint events_are_known check (
      cardinality(events) > 0
      and events <@ '{execution.completed,execution.failed,execution.cancelled,agent.published,agent.deleted,listing.approved,listing.installed,review.created}'),
  is_active boolean not null default true,
  total_deliveries integer not null default 0,
  successful_deliveries integer not null default 0,
  failed_deliveries integer not null default 0,
  last_delivery_at timestamptz,
  last_delivery_status text,
  failing_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.webhooks enable row level security;

-- The list of an organization; whom an event concerns.
create index webhooks_organization_id_idx on public.webhooks (organization_id, id);

create function private.tg_webhooks__start_afresh() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.failing_since := null;
  return new;
end
$$;
comment on function private.tg_webhooks__start_afresh() is
  'Before a webhook is switched on or moved: its days of failure count anew.';
create trigger _100_updated_at before update on public.webhooks
  for each row execute function private.tg_set_updated_at();
create trigger _200_start_afresh before update of is_active, url on public.webhooks
  for each row when (new.is_active and (not old.is_active or new.url <> old.url))
  execute function private.tg_webhooks__start_afresh();

create function private.tg_webhooks__drop_deliveries() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.webhook_deliveries as d
  set status = 'failed',
    next_retry_at = null,
    response_body = coalesce(d.response_body, 'The webhook was switched off.')
  where d.webhook_id = new.id and d.status = 'pending';
  return null;
end
$$;
comment on function private.tg_webhooks__drop_deliveries() is
  'After a webhook was switched off, by whomever: what still waits has failed.';
create trigger _300_drop_deliveries after update of is_active on public.webhooks
  for each row when (old.is_active and not new.is_active)
  execute function private.tg_webhooks__drop_deliveries();

-- NOTE: no insert: create_webhook() shows the secret. The statistics are the platform's.
grant select, delete on public.webhooks to authenticated;
grant update (url, events, is_active) on public.webhooks to authenticated;

create policy webhooks_select_admin on public.webhooks for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy webhooks_update_admin on public.webhooks for update to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))))
  with check (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy webhooks_delete_admin on public.webhooks for delete to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy webhooks_select_scope on public.webhooks as restrictive for select to authenticated
  using ((select private.has_scope('organization:read')));
create policy webhooks_update_scope on public.webhooks as restrictive for update to authenticated
  using ((select private.has_scope('organization:write')));
create policy webhooks_delete_scope on public.webhooks as restrictive for delete to authenticated
  using ((select private.has_scope('organization:write')));

comment on table public.webhooks is
  E'Addresses that hear of an organization''s events.\nAdmins. Made by create_webhook(), which shows the signing secret once. Days of failure switch a webhook off, with notice; 410 Gone does so at once. What still waits has then failed.';
comment on column public.webhooks.events is 'execution.completed, execution.failed, execution.cancelled, agent.published, agent.deleted; of what the organization offers in the catalog: listing.approved, listing.installed, review.created.';
comment on column public.webhooks.failing_since is 'Null while the last delivery succeeded.';

create table private.webhook_secrets (
  webhook_id uuid primary key references public.webhooks on delete cascade,
  key_id text not null references private.encryption_keys (id),
  ciphertext bytea not null
);
create index webhook_secrets_key_id_idx on private.webhook_secrets (key_id);
comment on table private.webhook_secrets is
  'Signing secrets, as private.encrypt_secret makes them, with the webhook as owner and "webhook" as key.';

create function private.new_webhook_secret(webhook_id uuid) returns text
language plpgsql volatile
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_value text := 'whsec_' || encode(extensions.gen_random_bytes(32), 'base64');
  v_secret record := private.encrypt_secret(new_webhook_secret.webhook_id, 'webhook', v_value);
begin
  insert into private.webhook_secrets (webhook_id, key_id, ciphertext)
  values (new_webhook_secret.webhook_id, v_secret.key_id, v_secret.ciphertext)
  on conflict (webhook_id) do update set key_id = excluded.key_id, ciphertext = excluded.ciphertext;
  return v_value;
end
$$;
comment on function private.new_webhook_secret(uuid) is 'Makes and keeps a webhook''s secret; the only time it is readable.';

create function private.create_webhook(organization_id uuid, url text, events text[])
returns table (id uuid, secret text)
language plpgsql volatile security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform private.require_scope('organization:write');
  perform private.require_role(create_webhook.organization_id, 'admin');
  if (select count(*) from public.webhooks as w where w.organization_id = create_webhook.organization_id) >= 50 then
    raise sqlstate 'PT409' using message = 'An organization has at most 50 webhooks.',
      detail = 'webhook_limit_reached', hint = 'Delete one that is not needed any more.';
  end if;
  insert into public.webhooks as w (organization_id, url, events)
  values (create_webhook.organization_id, create_webhook.url, create_webhook.events)
  returning w.id into create_webhook.id;
  secret := private.new_webhook_secret(create_webhook.id);
  return next;
end
$$;
grant execute on function private.create_webhook(uuid, text, text[]) to authenticated;

create function public.create_webhook(organization_id uuid, url text, events text[])
returns table (id uuid, secret text)
language sql volatile
set search_path = ''
as $$
  select w.id, w.secret from private.create_webhook(organization_id, url, events) as w
$$;
comment on function public.create_webhook(uuid, text, text[]) is
  E'Adds a webhook and shows its signing secret, this once.\nAdmins. Errors: organization_not_found, not_allowed, webhook_limit_reached, encryption_key_missing.';
grant execute on function public.create_webhook(uuid, text, text[]) to authenticated;

create function private.rotate_webhook_secret(webhook_id uuid) returns table (id uuid, secret text)
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  perform private.require_user();
  perform private.require_scope('organization:write');
  select w.id into rotate_webhook_secret.id
  from public.webhooks as w
  where w.id = rotate_webhook_secret.webhook_id
    and private.my_role(w.organization_id) >= 'admin';
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such webhook.',
      detail = 'webhook_not_found', hint = 'Look at the list of webhooks.';
  end if;
  secret := private.new_webhook_secret(rotate_webhook_secret.id);
  return next;
end
$$;
grant execute on function private.rotate_webhook_secret(uuid) to authenticated;

create function public.rotate_webhook_secret(webhook_id uuid) returns table (id uuid, secret text)
language sql volatile
set search_path = ''
as $$
  select w.id, w.secret from private.rotate_webhook_secret(webhook_id) as w
$$;
comment on function public.rotate_webhook_secret(uuid) is
  E'Gives a webhook a new signing secret and shows it, this once.\nDeliveries are signed with it from now on. Admins. Errors: webhook_not_found.';
grant execute on function public.rotate_webhook_secret(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- webhook_deliveries: the outbox. A row is written in the transaction of its event, so that an event
-- that happened is told, and one that was rolled back is not.
-- ---------------------------------------------------------------------------------------------------
create table public.webhook_deliveries (
  id uuid primary key default private.uuid_v7(),
  webhook_id uuid not null references public.webhooks on delete cascade,
  organization_id uuid not null,
  event_type text not null,
  payload jsonb not null,
  status text not null default 'pending'
    constraint status_is_known check (status in ('pending', 'success', 'failed')),
  response_status_code integer,
  response_body text,
  attempt_number integer not null default 0,
  next_retry_at timestamptz default now(),
  delivered_at timestamptz,
  created_at timestamptz not null default now(),
  constraint a_pending_delivery_is_planned check ((status = 'pending') = (next_retry_at is not null))
) partition by range (id);
alter table public.webhook_deliveries enable row level security;

-- The deliveries of a webhook, newest first.
create index webhook_deliveries_webhook_id_idx on public.webhook_deliveries (webhook_id, id desc);
-- What is due.
create index webhook_deliveries_due_idx on public.webhook_deliveries (next_retry_at) where status = 'pending';

-- NOTE: written by triggers and workers alone; redeliver() tries one again.
grant select on public.webhook_deliveries to authenticated;

create policy webhook_deliveries_select_admin on public.webhook_deliveries for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy webhook_deliveries_select_scope on public.webhook_deliveries as restrictive
  for select to authenticated
  using ((select private.has_scope('organization:read')));

comment on table public.webhook_deliveries is
  E'What was sent to webhooks, and what they answered.\nAdmins; newest first is order=id.desc. The id is the webhook-id header, the same for every attempt. Kept for 3 months.';
comment on column public.webhook_deliveries.response_body is 'The first kilobyte of the answer, or why there was none.';
comment on column public.webhook_deliveries.attempt_number is 'Attempts made so far.';

select private.partition_by_month('public.webhook_deliveries', 3);

create function private.emit_event(organization_id uuid, event_type text, data jsonb) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  insert into public.webhook_deliveries (webhook_id, organization_id, event_type, payload)
  select w.id, w.organization_id, emit_event.event_type,
    jsonb_build_object('type', emit_event.event_type, 'timestamp', now(), 'data', emit_event.data)
  from public.webhooks as w
  where w.organization_id = emit_event.organization_id
    and w.is_active
    and emit_event.event_type = any (w.events);
  if found then
    perform pg_notify('agentry_webhooks', '');
  end if;
end
$$;
comment on function private.emit_event(uuid, text, jsonb) is
  'Tells an organization''s webhooks of an event, {"type", "timestamp", "data"}. Ids and figures only: a receiver reads the rest with its own rights.';

create function private.tg_executions__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.emit_event(
    new.organization_id,
    'execution.' || new.status,
    jsonb_build_object(
      'execution_id', new.id, 'agent_id', new.agent_id, 'team_id', new.team_id,
      'workflow_id', new.workflow_id, 'user_id', new.user_id, 'status', new.status,
      'error_code', new.error_code, 'trigger_source', new.trigger_source, 'total_tokens', new.total_tokens,
      'cost_usd', new.cost_usd, 'latency_ms', new.latency_ms));
  return null;
end
$$;
comment on function private.tg_executions__emit() is 'After a run ended: execution.completed, execution.failed or execution.cancelled.';
create trigger _800_emit after update of status on public.executions
  for each row when (old.status <> new.status and new.status in ('completed', 'failed', 'cancelled'))
  execute function private.tg_executions__emit();

create function private.tg_agent_versions__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.emit_event(
    new.organization_id,
    'agent.published',
    jsonb_build_object('agent_id', new.agent_id, 'agent_version_id', new.id, 'version', new.version));
  return null;
end
$$;
comment on function private.tg_agent_versions__emit() is 'After a version was published: agent.published.';
create trigger _800_emit after insert on public.agent_versions
  for each row when (new.is_published) execute function private.tg_agent_versions__emit();

create function private.tg_agents__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.emit_event(
    new.organization_id, 'agent.deleted', jsonb_build_object('agent_id', new.id, 'deleted_at', new.deleted_at));
  return null;
end
$$;
comment on function private.tg_agents__emit() is 'After an agent was deleted: agent.deleted.';
create trigger _800_emit after update of deleted_at on public.agents
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_agents__emit();

create function private.tg_listing_revisions__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.emit_event(
    new.organization_id,
    'listing.approved',
    jsonb_build_object(
      'listing_id', new.listing_id, 'revision_id', new.id, 'agent_id', new.agent_id,
      'agent_version_id', new.agent_version_id));
  return null;
end
$$;
comment on function private.tg_listing_revisions__emit() is 'After a revision was approved: listing.approved.';
create trigger _800_emit after update of status on public.listing_revisions
  for each row when (old.status <> new.status and new.status = 'approved')
  execute function private.tg_listing_revisions__emit();

create function private.tg_marketplace_installs__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Who installed it is the other organization's affair.
  perform private.emit_event(
    l.organization_id,
    'listing.installed',
    jsonb_build_object(
      'listing_id', l.id, 'agent_id', l.agent_id, 'agent_version_id', new.agent_version_id))
  from public.marketplace_listings as l
  where l.id = new.listing_id;
  return null;
end
$$;
comment on function private.tg_marketplace_installs__emit() is 'After an install: listing.installed, to the publisher.';
create trigger _800_emit after insert on public.marketplace_installs
  for each row execute function private.tg_marketplace_installs__emit();

create function private.tg_agent_reviews__emit() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.emit_event(
    a.organization_id,
    'review.created',
    jsonb_build_object('review_id', new.id, 'agent_id', new.agent_id, 'rating', new.rating))
  from public.agents as a
  where a.id = new.agent_id;
  return null;
end
$$;
comment on function private.tg_agent_reviews__emit() is 'After a review was written: review.created, to the agent''s organization.';
create trigger _800_emit after insert on public.agent_reviews
  for each row execute function private.tg_agent_reviews__emit();

create function private.claim_webhook_deliveries(count integer default 10)
returns table (
  delivery_id uuid,
  webhook_id uuid,
  url text,
  payload jsonb,
  attempt integer,
  key_id text,
  ciphertext bytea
)
language sql volatile
set search_path = ''
as $$
  with due as (
    select d.id
    from public.webhook_deliveries as d
      join public.webhooks as w on w.id = d.webhook_id
    where d.status = 'pending'
      and d.next_retry_at <= now()
      -- An event that was written down while its webhook was switched off waits until it is on again.
      and w.is_active
    order by d.next_retry_at
    limit claim_webhook_deliveries.count
    for update of d skip locked
  ), claimed as (
    -- A worker that dies in the middle leaves the delivery to the next in two minutes.
    update public.webhook_deliveries as d
    set next_retry_at = now() + interval '2 minutes', attempt_number = d.attempt_number + 1
    from due
    where d.id = due.id
    returning d.id, d.webhook_id, d.payload, d.attempt_number
  )
  select c.id, c.webhook_id, w.url, c.payload, c.attempt_number, s.key_id, s.ciphertext
  from claimed as c
    join public.webhooks as w on w.id = c.webhook_id
    join private.webhook_secrets as s on s.webhook_id = c.webhook_id
$$;
comment on function private.claim_webhook_deliveries(integer) is
  'For workers: deliveries that are due, with what they are signed with; each must be ended by finish_webhook_delivery within two minutes.';

create function private.finish_webhook_delivery(
  delivery_id uuid,
  attempt integer,
  status_code integer,
  body text
) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
  -- Standard Webhooks: at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
  v_delays interval[] := '{5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h}';
  v_is_success boolean := coalesce(status_code between 200 and 299, false);
  v_delivery public.webhook_deliveries;
  v_webhook public.webhooks;
  v_admin_id uuid;
begin
  -- The webhook before its deliveries, as whoever switches it off.
  perform from public.webhooks as w
  where w.id = (
    select d.webhook_id
    from public.webhook_deliveries as d
    where d.id = finish_webhook_delivery.delivery_id)
  for no key update;
  update public.webhook_deliveries as d
  set status = case
        when v_is_success then 'success'
        when status_code = 410 or d.attempt_number > cardinality(v_delays) then 'failed'
        else 'pending'
      end,
    response_status_code = finish_webhook_delivery.status_code,
    response_body = left(finish_webhook_delivery.body, 1000),
    delivered_at = case when v_is_success then now() end,
    next_retry_at = case
      when not v_is_success and status_code is distinct from 410 and d.attempt_number <= cardinality(v_delays) then
        -- A little later at random, so that a receiver that comes back is not met by all at once.
        now() + v_delays[d.attempt_number] * (1 + random() / 10)
    end
  where d.id = finish_webhook_delivery.delivery_id
    and d.status = 'pending'
    -- A worker that took longer than its two minutes has been replaced.
    and d.attempt_number = finish_webhook_delivery.attempt
  returning * into v_delivery;
  if not found then
    return 'superseded';
  end if;

  update public.webhooks as w
  set total_deliveries = w.total_deliveries + 1,
    successful_deliveries = w.successful_deliveries + v_is_success::integer,
    failed_deliveries = w.failed_deliveries + (not v_is_success)::integer,
    last_delivery_at = now(),
    last_delivery_status = case when v_is_success then 'success' else 'failed' end,
    failing_since = case when v_is_success then null else coalesce(w.failing_since, now()) end
  where w.id = v_delivery.webhook_id
  returning * into v_webhook;
  if v_webhook.is_active
    and (status_code = 410 or v_webhook.failing_since < now() - interval '5 days')
  then
    update public.webhooks as w set is_active = false where w.id = v_webhook.id;
    for v_admin_id in
      select m.user_id from public.organization_members as m
      where m.organization_id = v_webhook.organization_id and m.role >= 'admin'
    loop
      perform private.notify_user(v_admin_id, 'webhook.disabled', jsonb_build_object(
        'webhook_id', v_webhook.id, 'url', v_webhook.url, 'organization_id', v_webhook.organization_id,
        'reason', case when status_code = 410 then 'gone' else 'failing' end));
    end loop;
  end if;
  return v_delivery.status;
end
$$;
comment on function private.finish_webhook_delivery(uuid, integer, integer, text) is
  'For workers: the receiver''s answer (status_code null: none came, body says why). 2xx is success, 410 switches the webhook off, all else is tried again up to ten times; five days of failure switch it off. Answers with the delivery''s status, or superseded.';

create function private.redeliver(delivery_id uuid) returns public.webhook_deliveries
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_webhook public.webhooks;
  v_delivery public.webhook_deliveries;
begin
  perform private.require_user();
  perform private.require_scope('organization:write');
  select w.* into v_webhook
  from public.webhooks as w
  where w.id = (
      select d.webhook_id from public.webhook_deliveries as d where d.id = redeliver.delivery_id)
    and private.my_role(w.organization_id) >= 'admin'
  -- Whoever switches it off waits, or has.
  for no key update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such delivery.',
      detail = 'delivery_not_found', hint = 'Deliveries are kept for 3 months.';
  elsif not v_webhook.is_active then
    raise sqlstate 'PT409' using message = 'The webhook is switched off.',
      detail = 'webhook_not_active', hint = 'Switch it on first.';
  end if;
  update public.webhook_deliveries as d
  set status = 'pending', next_retry_at = now(), attempt_number = 0, delivered_at = null
  where d.id = redeliver.delivery_id
  returning * into v_delivery;
  perform pg_notify('agentry_webhooks', '');
  return v_delivery;
end
$$;
grant execute on function private.redeliver(uuid) to authenticated;

create function public.redeliver(delivery_id uuid) returns public.webhook_deliveries
language sql volatile
set search_path = ''
as $$
  select * from private.redeliver(delivery_id)
$$;
comment on function public.redeliver(uuid) is
  E'Sends a delivery again, under the same id.\nReceivers tell repeats by the webhook-id header. Admins. Errors: delivery_not_found, webhook_not_active.';
grant execute on function public.redeliver(uuid) to authenticated;

-- migrate:down
