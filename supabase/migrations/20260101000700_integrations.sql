-- migrate:up

-- Integrations: secrets that runs need. They go in and never come out: the database encrypts them with
-- the platform's public key, and only a worker that holds the private key can read them.

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
  v_key private.encryption_keys;
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
  select * into v_key from private.encryption_keys as k where k.is_active;
  if not found then
    raise sqlstate 'PT503' using message = 'Tokens cannot be stored yet.',
      detail = 'encryption_key_missing', hint = 'Whoever runs this installation has to set an encryption key.';
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
  insert into private.token_values (token_id, key_id, ciphertext)
  values (
    v_token.id,
    v_key.id,
    extensions.pgp_pub_encrypt(
      jsonb_build_object(
        'owner', coalesce(v_token.user_id, v_token.organization_id),
        'key', v_token.key,
        'value', set_token.value)::text,
      extensions.dearmor(v_key.public_key)))
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

-- migrate:down
