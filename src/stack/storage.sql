-- What a Supabase project brings for Storage: buckets, the metadata of their files, and the functions
-- that policies call. Run once per database cluster, as the superuser, after supabase.sql. Nobody may do
-- anything until a policy says so; src/stack/storage.ts keeps the files themselves.

create table storage.buckets (
  id text primary key,
  name text not null unique,
  owner uuid,
  owner_id text,
  public boolean not null default false,
  avif_autodetection boolean not null default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.buckets enable row level security;

-- `version` names the file on disk: a new one for each upload, so that a reader never sees half of one.
create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text not null references storage.buckets (id),
  name text not null collate "C",
  owner uuid,
  owner_id text,
  metadata jsonb,
  user_metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_accessed_at timestamptz not null default now()
);
alter table storage.objects owner to supabase_storage_admin;
alter table storage.objects enable row level security;
-- Every read of a file, and lists by prefix.
create unique index bucketid_objname on storage.objects (bucket_id, name);
-- The sweep that removes files without a row.
create index objects_version_idx on storage.objects (version);

grant all on storage.buckets, storage.objects to anon, authenticated, service_role, postgres;

-- Deleting a row would leave its file behind for ever: only the Storage API deletes, and says so.
create function storage.protect_delete() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' then
    raise insufficient_privilege using
      message = 'Direct deletion from storage tables is not allowed. Use the Storage API instead.';
  end if;
  return null;
end
$$;
alter function storage.protect_delete() owner to supabase_storage_admin;
create trigger protect_buckets_delete before delete on storage.buckets
  for each statement execute function storage.protect_delete();
create trigger protect_objects_delete before delete on storage.objects
  for each statement execute function storage.protect_delete();

create function storage.foldername(name text) returns text[]
language sql immutable
as $$
  select (string_to_array(name, '/'))[: cardinality(string_to_array(name, '/')) - 1]
$$;
create function storage.filename(name text) returns text
language sql immutable
as $$
  select (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))]
$$;
create function storage.extension(name text) returns text
language sql immutable
as $$
  select reverse(split_part(reverse(storage.filename(name)), '.', 1))
$$;
alter function storage.foldername(text) owner to supabase_storage_admin;
alter function storage.filename(text) owner to supabase_storage_admin;
alter function storage.extension(text) owner to supabase_storage_admin;

-- Migrations make the buckets' policies, and only an owner may.
grant supabase_storage_admin to postgres;
