-- Invitations: a seat, a token shown once, and the invited, verified address.
begin;
select plan(44);

create temporary table people as
select tests.create_user('olga') as owner, tests.create_user('adam') as admin,
  tests.create_user('mary') as member, tests.create_user('stan') as stranger,
  tests.create_user('nina') as nina;
grant select on people to public;
create temporary table acme as select tests.create_organization(owner, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(id, admin, 'admin'), tests.add_member(id, member, 'member') from acme, people;
create temporary table sent (label text primary key, id uuid, token text);
grant all on sent to public;

create function pg_temp.invite(email text, role public.org_role default 'member') returns text
language sql
as $$
  select tests.code_of(format('select public.invite_member(%L, %L, %L)', acme.id, email, role)) from acme
$$;
create function pg_temp.accept(token text) returns text
language sql
as $$
  select tests.code_of(format('select public.accept_invitation(%L)', token))
$$;

grant execute on function pg_temp.invite, pg_temp.accept to public;

-- Inviting
select tests.sign_in(member) from people;
select is(pg_temp.invite('x@example.com'), 'not_allowed', 'members do not invite');
select tests.sign_out();
select tests.sign_in(stranger) from people;
select is(pg_temp.invite('x@example.com'), 'organization_not_found', 'strangers do not invite');
select tests.sign_in_as_anon();
select is(pg_temp.invite('x@example.com'), '42501', 'signed out, nobody invites');
select tests.sign_out();
select tests.sign_in_with_key(owner, id, 'organization:write') from people, acme;
select is(pg_temp.invite('x@example.com'), 'not_with_api_key', 'API keys do not invite');
select tests.sign_out();
select is((select count(*) from public.organization_invitations), 0::bigint, 'so nobody was invited');

select tests.sign_in(admin) from people;
select is(pg_temp.invite('x@example.com', 'owner'), 'not_allowed', 'admins do not invite owners');
select is(pg_temp.invite('not an address'), 'email_invalid', 'an invitation takes an e-mail address');
select is(pg_temp.invite(null), 'email_invalid', 'and does not do without');
select is(pg_temp.invite('MARY@example.com'), 'already_member', 'members are not invited again');
insert into sent select 'nina', i.id, i.token
from acme, public.invite_member(acme.id, ' Nina@Example.com ', 'member') as i;
select is((select email from public.organization_invitations join sent using (id)), 'nina@example.com',
  'admins invite by e-mail address');
select is((select length(token) from sent), 40, 'and are shown a token');
select is(pg_temp.invite('nina@example.com'), 'already_invited', 'one open invitation an address');
select tests.sign_out();
select is((select token_hash from private.organization_invitation_tokens),
  (select sha256(convert_to(token, 'UTF8')) from sent), 'of which only the hash is kept');
select tests.sign_in(owner) from people;
select is(pg_temp.invite('partner@example.com', 'owner'), null, 'owners invite owners');
select tests.sign_out();

-- Reading
select tests.sign_in(admin) from people;
select is((select count(*) from public.organization_invitations), 2::bigint, 'admins see invitations');
select tests.sign_out();
select tests.sign_in(member) from people;
select is((select count(*) from public.organization_invitations), 0::bigint, 'members do not');
select tests.sign_out();
select tests.sign_in_with_key(admin, id, 'organization:read') from people, acme;
select is((select count(*) from public.organization_invitations), 0::bigint, 'nor do API keys');
select is(tests.code_of('select * from private.organization_invitation_tokens'), '42501',
  'nobody reads a token''s hash');
select is(tests.code_of('insert into public.organization_invitations (email) values (''x@y'')'), '42501',
  'nobody inserts one past the function');
select is(tests.code_of('update public.organization_invitations set role = ''owner'''), '42501',
  'nobody edits one');
select is(tests.code_of('delete from public.organization_invitations'), '42501', 'nobody deletes one');
select tests.sign_out();

-- Seats: three members and two open invitations
update public.organizations set max_team_members = 5 from acme where organizations.id = acme.id;
select tests.sign_in(owner) from people;
select is(pg_temp.invite('sixth@example.com'), 'member_quota_exceeded', 'open invitations hold seats');
select is(
  tests.code_of(format('select public.revoke_invitation(%L)', id)), null, 'revoking one frees its seat')
from public.organization_invitations where email = 'partner@example.com';
select is(pg_temp.invite('sixth@example.com'), null, 'for somebody else');
select tests.sign_out();
update public.organization_invitations set expires_at = now() where email = 'sixth@example.com';
select tests.sign_in(owner) from people;
select is(pg_temp.invite('seventh@example.com'), null, 'an expired invitation holds no seat');
select is(tests.code_of(format('select public.resend_invitation(%L)', id)), 'member_quota_exceeded',
  'and takes a free one to be sent again')
from public.organization_invitations where email = 'sixth@example.com';
select tests.sign_out();
select is(tests.code_of(format(
    'insert into public.organization_members (organization_id, user_id) values (%L, %L)', id, stranger)),
  'member_quota_exceeded', 'the operator meets the quota as well') from acme, people;

-- Resending and revoking
select tests.sign_in(admin) from people;
insert into sent select 'nina again', i.id, i.token
from sent, public.resend_invitation(sent.id) as i where label = 'nina';
select isnt((select token from sent where label = 'nina again'),
  (select token from sent where label = 'nina'), 'resending makes a new token');
select is(tests.code_of(format('select public.resend_invitation(%L)', i.id)), 'not_allowed',
  'admins do not resend an owner''s invitation')
from public.organization_invitations as i where i.role = 'owner';
select public.revoke_invitation(i.id)
from public.organization_invitations as i where i.email = 'seventh@example.com';
select is(tests.code_of(format('select public.revoke_invitation(%L)', i.id)), null,
  'revoking twice changes nothing')
from public.organization_invitations as i where i.email = 'seventh@example.com';
select is(tests.code_of(format('select public.resend_invitation(%L)', i.id)), 'invitation_revoked',
  'what was revoked is not resent')
from public.organization_invitations as i where i.email = 'seventh@example.com';
select tests.sign_out();
select tests.sign_in(stranger) from people;
select is(tests.code_of(format('select public.revoke_invitation(%L)', id)), 'invitation_not_found',
  'strangers revoke nothing') from sent where label = 'nina';
select is(tests.code_of(format('select public.resend_invitation(%L)', id)), 'invitation_not_found',
  'strangers resend nothing') from sent where label = 'nina';
select tests.sign_out();

-- Accepting
select tests.sign_in(stranger) from people;
select is(pg_temp.accept(token), 'invitation_not_yours', 'the token alone does not open the door')
from sent where label = 'nina again';
select is(pg_temp.accept('guess'), 'invitation_not_found', 'nor does a guess');
select tests.sign_out();
update auth.users set email_confirmed_at = null from people where users.id = nina;
select tests.sign_in(nina) from people;
select is(pg_temp.accept(token), 'invitation_not_yours', 'an address that is not verified does not either')
from sent where label = 'nina again';
select tests.sign_out();
update auth.users set email_confirmed_at = now() from people where users.id = nina;
select tests.sign_in(nina) from people;
select is(pg_temp.accept(token), 'invitation_not_found', 'the token before the last no longer works')
from sent where label = 'nina';
select is((public.accept_invitation(token)).role, 'member', 'the invited person joins')
from sent where label = 'nina again';
select is((select count(*) from public.organizations join acme using (id)), 1::bigint,
  'and sees the organization');
select is(pg_temp.accept(token), 'invitation_used', 'once') from sent where label = 'nina again';
select tests.sign_out();
select is((select count(*) from public.notifications, people
    where user_id = admin and kind = 'organization.invitation_accepted'), 1::bigint,
  'whoever invited them gets a notice');
select tests.sign_in(admin) from people;
select is(tests.code_of(format('select public.revoke_invitation(%L)', id)), 'invitation_used',
  'an accepted invitation is not revoked') from sent where label = 'nina';
select tests.sign_out();

update public.organization_invitations set email = 'stan@example.com', expires_at = now() - interval '1 s',
  accepted_at = null
from sent where sent.id = organization_invitations.id and label = 'nina';
select tests.sign_in(stranger) from people;
select is(pg_temp.accept(token), 'invitation_expired', 'an expired invitation is refused')
from sent where label = 'nina again';
select tests.sign_out();
update public.organization_invitations set revoked_at = now()
from sent where sent.id = organization_invitations.id and label = 'nina';
select tests.sign_in(stranger) from people;
select is(pg_temp.accept(token), 'invitation_revoked', 'a revoked invitation is refused')
from sent where label = 'nina again';
select tests.sign_out();

select * from finish();
rollback;
