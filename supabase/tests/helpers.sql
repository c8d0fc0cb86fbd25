-- Personas for the pgTAP tests. The runner loads this once, as `postgres`, before the test files; each
-- test runs in a transaction that is rolled back, so nobody made here outlives it.
create schema if not exists tests;
grant usage on schema tests to anon, authenticated, service_role;

-- Signing up: as on the Auth server, the insert alone makes the profile and the personal organization.
create or replace function tests.create_user(username text) returns uuid
language sql volatile
set search_path = ''
as $$
  insert into auth.users
    (id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
  values (
    gen_random_uuid(), 'authenticated', 'authenticated', create_user.username || '@example.com', now(),
    '{"provider": "email", "providers": ["email"]}',
    jsonb_build_object('username', create_user.username))
  returning id
$$;

-- Signing in: a session, and the claims of its token, as PostgREST sets them. Callable while another
-- persona is signed in: the session is made with the rights of whoever loaded this file.
create or replace function tests.create_session(user_id uuid) returns uuid
language sql volatile security definer
set search_path = ''
as $$
  insert into auth.sessions (id, user_id, created_at, updated_at)
  values (gen_random_uuid(), create_session.user_id, now(), now())
  returning id
$$;

create or replace function tests.sign_in(user_id uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform set_config(
    'request.jwt.claims',
    jsonb_build_object(
      'sub', sign_in.user_id,
      'role', 'authenticated',
      'aud', 'authenticated',
      'session_id', tests.create_session(sign_in.user_id))::text,
    true);
  perform set_config('role', 'authenticated', true);
end
$$;

-- A request with an API key, after private.before_request() has let it in.
create or replace function tests.sign_in_with_key(
  user_id uuid,
  organization_id uuid,
  variadic scopes text[]
) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform set_config(
    'request.jwt.claims',
    jsonb_build_object(
      'sub', sign_in_with_key.user_id,
      'role', 'authenticated',
      'agentry_key', jsonb_build_object(
        'id', gen_random_uuid(),
        'organization_id', sign_in_with_key.organization_id,
        'scopes', sign_in_with_key.scopes))::text,
    true);
  perform set_config('role', 'authenticated', true);
end
$$;

create or replace function tests.sign_in_as_anon() returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform set_config('request.jwt.claims', '{"role": "anon"}', true);
  perform set_config('role', 'anon', true);
end
$$;

create or replace function tests.sign_in_as_service_role() returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  perform set_config('role', 'service_role', true);
end
$$;

-- Back to `postgres`, whom no policy stops: to look at what is really there.
create or replace function tests.sign_out() returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform set_config('request.jwt.claims', '', true);
  perform set_config('role', 'none', true);
end
$$;

create or replace function tests.create_organization(owner uuid, name text) returns uuid
language sql volatile
set search_path = ''
as $$
  select (private.add_organization(create_organization.name, false, create_organization.owner)).id
$$;

-- Seats are made where they run out: who tests the quota invites or inserts itself.
create or replace function tests.add_member(
  organization_id uuid,
  user_id uuid,
  role public.org_role
) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  update public.organizations as o
  set max_team_members = greatest(o.max_team_members, 1 + (
    select count(*)
    from public.organization_members as m
    where m.organization_id = add_member.organization_id))
  where o.id = add_member.organization_id;
  insert into public.organization_members (organization_id, user_id, role)
  values (add_member.organization_id, add_member.user_id, add_member.role);
end
$$;

-- What a refused statement answers with: the code of ours in its detail, else PostgreSQL's. Null when it
-- was not refused.
create or replace function tests.code_of(statement text) returns text
language plpgsql volatile
set search_path = public, extensions
as $$
declare
  v_detail text;
begin
  execute code_of.statement;
  return null;
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return case
    when sqlstate like 'PT%' then v_detail
    when sqlstate = 'PGRST' then sqlerrm::jsonb ->> 'details'
    else sqlstate
  end;
end
$$;

create or replace function tests.personal_organization(user_id uuid) returns uuid
language sql stable
set search_path = ''
as $$
  select o.id
  from public.organizations as o
    join public.organization_members as m on m.organization_id = o.id
  where m.user_id = personal_organization.user_id and o.is_personal
$$;

grant execute on all functions in schema tests to anon, authenticated, service_role;
