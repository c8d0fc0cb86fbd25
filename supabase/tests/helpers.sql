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

-- An agent of the organization, published by its owner, with an approved listing: the listing's id.
create or replace function tests.create_listing(
  owner uuid,
  organization_id uuid,
  title text,
  price_usd numeric default null
) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
  v_agent_id uuid;
  v_listing_id uuid;
begin
  perform set_config(
    'request.jwt.claims', jsonb_build_object('sub', owner, 'role', 'authenticated')::text, true);
  insert into public.agents (organization_id, name, system_prompt)
  values (create_listing.organization_id, title, 'Be brief.')
  returning id into v_agent_id;
  insert into public.agent_parameters (agent_id, name, default_value)
  values (v_agent_id, 'tone', '"calm"');
  perform private.publish_agent_version(v_agent_id, null, null, null);
  insert into public.marketplace_listings (organization_id, agent_id)
  values (create_listing.organization_id, v_agent_id)
  returning id into v_listing_id;
  insert into public.listing_revisions
    (listing_id, title, short_description, long_description, category, pricing_model, price_usd)
  values (
    v_listing_id, title, 'Short.', 'Long.', 'Writing',
    case when create_listing.price_usd is null then 'free' else 'one_time' end::public.pricing_model,
    create_listing.price_usd);
  perform private.submit_listing(v_listing_id);
  perform set_config('request.jwt.claims', '', true);
  update public.listing_revisions set status = 'approved' where listing_id = v_listing_id;
  return v_listing_id;
end
$$;

grant execute on all functions in schema tests to anon, authenticated, service_role;

-- The public half of an OpenPGP key pair that nobody kept: what it encrypts stays encrypted.
create or replace function tests.public_key() returns text
language sql immutable
set search_path = ''
as $$
  select ltrim($key$
-----BEGIN PGP PUBLIC KEY BLOCK-----

xsBNBGlVuQABCADaFgIdZNxDzSiJg8vNbGc9qd7mFUxH35GRhBl9FCg9YVwu
HTq1r96CWf6fErqPuqVXi/021MKqQFKvrhCn48Wcr/ZY9Ox2Txf0r6R4y0nK
VCnpoVZ8VkzsO+hPqeqr+SV0eSA6A6ynwTIP9Zapp6DV1GS1UHc8tmtqwAXY
nX+7/VsoB88EajVH6bdTz1FzgCrtcqSU0zk+mD2sLqD1C0lDT3GiVVe1u8QK
1Eg2/9rHmLHf+vF6eVDJSj2DHXjs5NP6KQwC+DNPa6NpN+1jEXOMLtSdebM2
OI1isMpTrZ5dwJsCZXEEwL2c4mKzrfpQhJ1dk7QEc+nnyAKeE2tw85MrABEB
AAHNBXBnVEFQwsDRBBMBCgCFBYJpVbkAAwsJBwkQrS6jhC2zvjVFFAAAAAAA
HAAgc2FsdEBub3RhdGlvbnMub3BlbnBncGpzLm9yZzINl2yYSbsgNo+Jqi8l
C5g7WPiDQoNsQ12IAMv82paPBRUKCA4MBBYAAgECGQECmwMCHgEWIQRwR4/u
7maGCH58xPitLqOELbO+NQAAgqkIAMrs0K2xrO7FQW+WbHCc4vxzz0HdGIl0
BPVK0uPMYJfHhlxm4GMvimg+Yp+LkJldBbt9YrU52KCYAHr0kZzru1ixGmkU
h1LN2ulQRZScEYJ88cUSGCzVIgEUHbKgaK+asJNAxK6t5xCU1dg5APoGLlHv
hwwt06B+G4Du4BMJ9S/LyyOVK+pbu9PkIoOOQffzhZSY668TkkatYUFsmcfJ
QdKUfG0QIg2JGkLOGIsYiYgvw/PaxQUEsJ1yYv4+NdEC+LGSjZwmetRTFOJ4
iCC+vOcRHVSDQwIM20Yn0RZs/gw3qU+2cEul4G5zGykZjnupVPGm3KA0hh7X
5mnLwWbkSSbOwE0EaVW5AAEIANnOmCYYOu754tTv7hIUefcoBr+svo8EkXvV
ANYSojB9XidWLoJL12MeVtFxMVg2Yi7suBpUrWtbzhliaTHvIhmoMrHKUn0y
vby1kv/RzsLm26LY99ONVE5PrP7GtZ8zKhqzdUruiuMrGDWGxvBIm5kHkkQH
gVt8tPRbXKmX8lVL3NOUFS8crtueZTitADPAzlti+rBqZLLFrrXOX6aWRDdw
d0PhgvMktSnvlJLOLaR5PWZLba6K0zuSUZjv/tjFm5azvO3XGygLP32hYgJM
YwY2mufvp5MebGZPEs9eSudtcncJPy4/grUBA2Qfvpuu/AMpOHO5y3H5naIb
+4WJnNcAEQEAAcLAvAQYAQoAcAWCaVW5AAkQrS6jhC2zvjVFFAAAAAAAHAAg
c2FsdEBub3RhdGlvbnMub3BlbnBncGpzLm9yZ5jfey1IbW8pFbHlH6yGKc0l
iwX0gnlz4TgGdvI0aFAtApsMFiEEcEeP7u5mhgh+fMT4rS6jhC2zvjUAAE/g
B/9Y/PDXZFVCo/oFYxclxurpPW8H1Xx6+0DCTx87H/cHmspIAK0SId1cz6Cs
hohr/Cyjxk6RGi3FWHooco2OOmpjtGnTVYweJ2O8ysvWVw3tfNPi7KfiHX2L
PA+ptdie/Wmh5H3/BznMCwD4tUZ+S5cGqwQbtr2wwNfoi0Q6sHxYYCNkMFgJ
MTXemEpieHSmTQ+WiabOw+2keg6hxvpLhng9A/hP4a4sI+IOr+HSHpn48lrI
e62Yjy37Mji0w32Q9l6MYaKmbBPmJyFVgduy67V3oA7on5W0RI/JDBq0psaz
EYW4jomug3s0r8hXMeq3sV/sxZl1+Uv4OMNeOj6po+fg
=isZv
-----END PGP PUBLIC KEY BLOCK-----
$key$, E'\n')
$$;
