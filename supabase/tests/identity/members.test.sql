-- Members: who sees, promotes, demotes and removes whom; there is always an owner.
begin;
select plan(39);

create temporary table people as
select tests.create_user('olga') as owner, tests.create_user('otto') as second_owner,
  tests.create_user('adam') as admin, tests.create_user('anna') as second_admin,
  tests.create_user('mary') as member, tests.create_user('vera') as viewer,
  tests.create_user('stan') as stranger;
grant select on people to public;
create temporary table acme as select tests.create_organization(owner, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(id, admin, 'admin'), tests.add_member(id, second_admin, 'admin'),
  tests.add_member(id, member, 'member'), tests.add_member(id, viewer, 'viewer')
from acme, people;

create function pg_temp.role_of(user_id uuid) returns public.org_role
language sql
as $$
  select m.role
  from public.organization_members as m
    join acme on acme.id = m.organization_id
  where m.user_id = role_of.user_id
$$;

grant execute on function pg_temp.role_of to public;

-- Reading
select tests.sign_in(viewer) from people;
select is((select count(*) from public.organization_members join acme on organization_id = acme.id),
  5::bigint, 'every member sees the members');
select tests.sign_out();
select tests.sign_in(stranger) from people;
select is((select count(*) from public.organization_members join acme on organization_id = acme.id),
  0::bigint, 'strangers see none');
select is(private.my_role(id), null, 'and have no role') from acme;
select is(tests.code_of(format(
    'insert into public.organization_members (organization_id, user_id) values (%L, %L)', id, stranger)),
  '42501', 'nobody makes themselves a member') from acme, people;
select tests.sign_in_as_anon();
select is(tests.code_of('select * from public.organization_members'), '42501',
  'signed out, nobody sees a member');
select tests.sign_out();
select tests.sign_in_with_key(owner, id, 'organization:read', 'organization:write') from people, acme;
select is((select count(*) from public.organization_members), 0::bigint, 'no API key sees members');
select tests.sign_out();

-- Changing roles
select tests.sign_in(member) from people;
update public.organization_members set role = 'admin' from people, acme
where user_id = member and organization_id = acme.id;
delete from public.organization_members using people, acme
where user_id = viewer and organization_id = acme.id;
select tests.sign_out();
select is(pg_temp.role_of(member), 'member', 'members do not promote themselves') from people;
select is(pg_temp.role_of(viewer), 'viewer', 'members remove nobody') from people;

select tests.sign_in(admin) from people;
update public.organization_members set role = 'admin' from people, acme
where user_id = member and organization_id = acme.id;
select is(pg_temp.role_of(member), 'admin', 'admins change roles') from people;
update public.organization_members set role = 'member' from people, acme
where user_id = member and organization_id = acme.id;
select is(tests.code_of(format(
    $$update public.organization_members set role = 'owner' where user_id = %L and organization_id = %L$$,
    admin, acme.id)),
  '42501', 'admins make no owner, themselves included') from people, acme;
update public.organization_members set role = 'viewer' from people, acme
where user_id = owner and organization_id = acme.id;
delete from public.organization_members using people, acme
where user_id = owner and organization_id = acme.id;
select is(pg_temp.role_of(owner), 'owner', 'admins do not touch an owner') from people;
select is(tests.code_of('update public.organization_members set user_id = gen_random_uuid()'), '42501',
  'a membership cannot change hands');
select tests.sign_out();
select tests.sign_in_with_key(admin, id, 'organization:read', 'organization:write') from people, acme;
-- Without a filter, which would ask the policies of reading as well.
update public.organization_members set role = 'viewer';
delete from public.organization_members;
select tests.sign_out();
select is(pg_temp.role_of(admin), 'admin', 'no API key manages members') from people;

-- Removing
update public.organizations set max_team_members = 20;
insert into public.organization_invitations (organization_id, email, invited_by_id)
select acme.id, 'backdoor@example.com', second_admin from acme, people;
select tests.sign_in(second_admin) from people;
create temporary table key as
select k.id from acme, public.create_api_key(acme.id, 'bot', '{agents:read}') as k;
select tests.sign_out();
select tests.sign_in(admin) from people;
delete from public.organization_members using people, acme
where user_id = second_admin and organization_id = acme.id;
select tests.sign_out();
select is(pg_temp.role_of(second_admin), null, 'admins remove people') from people;
select is((select count(*) from public.api_keys join key using (id)), 0::bigint,
  'whose API keys end with the membership');
select isnt((select revoked_at from public.organization_invitations where email = 'backdoor@example.com'),
  null, 'and whose open invitations are revoked');
select tests.sign_in(second_admin) from people;
select is((select count(*) from public.organizations join acme using (id)), 0::bigint,
  'a removed member is out at once');
select tests.sign_out();

insert into public.organization_invitations (organization_id, email, invited_by_id)
select acme.id, 'later@example.com', admin from acme, people;
select tests.sign_in(owner) from people;
update public.organization_members set role = 'member' from people, acme
where user_id = admin and organization_id = acme.id;
select tests.sign_out();
select isnt((select revoked_at from public.organization_invitations where email = 'later@example.com'),
  null, 'the open invitations of a demoted admin are revoked');

-- The last owner
select tests.sign_in(owner) from people;
select is(tests.code_of(format(
    $$update public.organization_members set role = 'admin' where user_id = %L and organization_id = %L$$,
    owner, acme.id)),
  'last_owner', 'the last owner does not step down') from people, acme;
select is(tests.code_of(format(
    $$delete from public.organization_members where user_id = %L and organization_id = %L$$,
    owner, acme.id)),
  'last_owner', 'nor remove themselves') from people, acme;
select is(tests.code_of(format('select public.leave_organization(%L)', id)), 'last_owner', 'nor leave')
from acme;
select tests.sign_out();
select is(tests.code_of(format(
    $$delete from public.organization_members where user_id = %L and organization_id = %L$$,
    owner, acme.id)),
  'last_owner', 'the operator cannot leave an organization without an owner either') from people, acme;
select is(pg_temp.role_of(owner), 'owner', 'so there is still an owner') from people;
select tests.add_member(id, second_owner, 'owner') from acme, people;
select tests.sign_in(owner) from people;
update public.organization_members set role = 'admin' from people, acme
where user_id = second_owner and organization_id = acme.id;
select is(pg_temp.role_of(second_owner), 'admin', 'an owner unmakes another') from people;
select tests.sign_out();

-- Transferring and leaving
select tests.sign_in(admin) from people;
select is(tests.code_of(format('select public.transfer_ownership(%L, %L)', id, admin)), 'not_allowed',
  'only an owner transfers the ownership') from acme, people;
select tests.sign_out();
insert into public.organization_invitations (organization_id, email, role, invited_by_id)
select acme.id, i.email, i.role, owner
from acme, people, (values
  ('way-back@example.com', 'owner'::public.org_role), ('colleague@example.com', 'admin')) as i (email, role);
select tests.sign_in(owner) from people;
select is(tests.code_of(format('select public.transfer_ownership(%L, %L)', id, stranger)),
  'member_not_found', 'only to a member') from acme, people;
select lives_ok(format('select public.transfer_ownership(%L, %L)', id, member),
  'an owner transfers the ownership') from acme, people;
select is(pg_temp.role_of(member), 'owner', 'the other is an owner then') from people;
select is(pg_temp.role_of(owner), 'admin', 'and the former owner an admin') from people;
select results_eq(
  $$select email, revoked_at is null from public.organization_invitations
    where email in ('way-back@example.com', 'colleague@example.com') order by email$$,
  $$values ('colleague@example.com', true), ('way-back@example.com', false)$$,
  'whose open invitations of owners are revoked, as an admin invites none');
select lives_ok(format('select public.leave_organization(%L)', id), 'who may leave now') from acme;
select tests.sign_out();
select is(pg_temp.role_of(owner), null, 'and is gone') from people;
select is((select count(*) from public.notifications, people
    where user_id = member and kind = 'organization.ownership_received'), 1::bigint,
  'the new owner got a notice');
select tests.sign_in(stranger) from people;
select is(tests.code_of(format('select public.leave_organization(%L)', id)), 'organization_not_found',
  'strangers have nothing to leave') from acme;
select tests.sign_out();

-- A personal organization
create temporary table home as select tests.personal_organization(stranger) as id from people;
grant select on home to public;
select tests.add_member(id, viewer, 'admin') from home, people;
select tests.sign_in(stranger) from people;
select is(tests.code_of(format('select public.invite_member(%L, %L, %L)', id, 'x@example.com', 'owner')),
  'personal_organization', 'nobody is invited to own a personal organization') from home;
select is(tests.code_of(format(
    $$update public.organization_members set role = 'owner' where user_id = %L and organization_id = %L$$,
    viewer, home.id)),
  'personal_organization', 'nor made a second owner of one') from people, home;
select tests.sign_out();
select is(tests.code_of(format(
    $$insert into public.organization_members values (%L, %L, 'owner')$$, home.id, member)),
  'personal_organization', 'however they come in') from people, home;
select tests.sign_in(stranger) from people;
select lives_ok(format('select public.transfer_ownership(%L, %L)', home.id, viewer),
  'it is handed over instead') from people, home;
select tests.sign_out();
select is((select is_personal from public.organizations join home using (id)), false,
  'and belongs to no account any more');

select * from finish();
rollback;
