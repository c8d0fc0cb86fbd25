-- Organizations: who makes, reads, edits, deletes and restores them.
begin;
select plan(45);

create temporary table people as
select tests.create_user('olga') as owner, tests.create_user('adam') as admin,
  tests.create_user('mary') as member, tests.create_user('vera') as viewer,
  tests.create_user('stan') as stranger;
grant select on people to public;
create temporary table acme as select tests.create_organization(owner, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(id, admin, 'admin'), tests.add_member(id, member, 'member'),
  tests.add_member(id, viewer, 'viewer')
from acme, people;

-- Creating
select tests.sign_in(stranger) from people;
select is((public.create_organization('  Été à Nantes ')).slug, 'ete-a-nantes',
  'a slug is made from the name');
select matches((public.create_organization('Été à Nantes')).slug, '^ete-a-nantes-[0-9a-f]{6}$',
  'and made unique when it is taken');
select is((public.create_organization('東京')).slug, 'organization',
  'a name without Latin letters falls back');
select is((public.create_organization('Mine', 'mine')).slug, 'mine', 'a slug can be chosen');
select is((select m.role from public.organization_members as m
    join public.organizations as o on o.id = m.organization_id where o.slug = 'mine'), 'owner',
  'whoever creates an organization owns it');
select is(tests.code_of($$select public.create_organization('Other', 'mine')$$), 'slug_taken',
  'a chosen slug that is taken is refused');
select is(tests.code_of($$select public.create_organization('Other', 'No Slug')$$), 'slug_invalid',
  'a slug has lowercase letters, digits and hyphens');
select is(tests.code_of($$select public.create_organization('   ')$$), 'name_invalid',
  'a blank name is refused');
select is(tests.code_of($$select public.create_organization(null)$$), 'name_invalid',
  'a missing name is refused');
select is(tests.code_of($$insert into public.organizations (name, slug) values ('x', 'x')$$), '42501',
  'nobody inserts an organization past the function');
select tests.sign_in_as_anon();
select is(tests.code_of($$select public.create_organization('x')$$), '42501',
  'signed out, nobody creates one');
select is(tests.code_of('select * from public.organizations'), '42501', 'signed out, nobody reads one');
select tests.sign_out();
select tests.sign_in_with_key(owner, acme.id, 'organization:write') from people, acme;
select is(tests.code_of($$select public.create_organization('x')$$), 'not_with_api_key',
  'API keys do not create organizations');
select tests.sign_out();

-- Reading
select tests.sign_in(stranger) from people;
select is((select count(*) from public.organizations join acme using (id)), 0::bigint,
  'strangers do not see an organization');
select tests.sign_out();
select tests.sign_in(viewer) from people;
select is((select count(*) from public.organizations join acme using (id)), 1::bigint,
  'viewers see theirs, limits and budget included');
select tests.sign_out();
select tests.sign_in_with_key(owner, acme.id, 'organization:read') from people, acme;
select results_eq('select id from public.organizations', 'select id from acme',
  'an API key sees its own organization, not the others of its user');
select tests.sign_out();
select tests.sign_in_with_key(owner, acme.id, 'agents:read') from people, acme;
select is((select count(*) from public.organizations), 0::bigint,
  'and not without the scope organization:read');
select tests.sign_out();

-- Editing
select tests.sign_in(admin) from people;
select lives_ok(
  $$update public.organizations set name = 'Acme Ltd', slug = 'acme-ltd', settings = '{"a": 1}',
      logo_url = 'https://example.com/l.png' where slug = 'acme'$$,
  'admins edit name, slug, logo and settings');
select is(tests.code_of($$update public.organizations set monthly_budget_usd = 5 where slug = 'acme-ltd'$$),
  'not_allowed', 'admins do not change the budget');
select is(tests.code_of($$update public.organizations set plan = 'enterprise'$$), '42501',
  'nobody changes the plan by hand');
select is(tests.code_of($$update public.organizations set max_agents = 1000$$), '42501',
  'nobody raises a limit');
select is(tests.code_of($$update public.organizations set deleted_at = now()$$), '42501',
  'nobody deletes past the function');
select is(tests.code_of($$delete from public.organizations$$), '42501', 'nor for good');
select tests.sign_out();
select tests.sign_in(owner) from people;
select lives_ok($$update public.organizations set monthly_budget_usd = 20 where slug = 'acme-ltd'$$,
  'an owner changes the budget');
select tests.sign_out();
select tests.sign_in(member) from people;
update public.organizations set name = 'Hijacked' where slug = 'acme-ltd';
select tests.sign_out();
select tests.sign_in(stranger) from people;
update public.organizations set name = 'Hijacked' where slug = 'acme-ltd';
select tests.sign_out();
select tests.sign_in_with_key(owner, acme.id, 'organization:read') from people, acme;
update public.organizations set name = 'Hijacked' where slug = 'acme-ltd';
select tests.sign_out();
select results_eq(
  $$select name, monthly_budget_usd from public.organizations join acme using (id)$$,
  $$values ('Acme Ltd', 20.00)$$,
  'members, strangers and keys without organization:write change nothing');
select tests.sign_in_with_key(admin, acme.id, 'organization:read', 'organization:write')
from people, acme;
select lives_ok($$update public.organizations set name = 'Acme' where slug = 'acme-ltd'$$,
  'a key with organization:write edits as its user may');
select tests.sign_out();
select is((select name from public.organizations join acme using (id)), 'Acme', 'and it is kept');

-- Deleting and restoring
select tests.sign_in(admin) from people;
select is(tests.code_of(format('select public.delete_organization(%L)', id)), 'not_allowed',
  'admins do not delete an organization') from acme;
select tests.sign_out();
select tests.sign_in(stranger) from people;
select is(tests.code_of(format('select public.delete_organization(%L)', id)), 'organization_not_found',
  'for strangers it does not exist') from acme;
select is(tests.code_of(format('select public.delete_organization(%L)', tests.personal_organization(stranger))),
  'personal_organization', 'a personal organization goes with its account') from people;
select tests.sign_out();
select is((select count(*) from public.organizations where deleted_at is not null), 0::bigint,
  'so nothing was deleted');

select tests.sign_in(owner) from people;
select isnt((public.delete_organization(id)).deleted_at, null, 'an owner deletes it') from acme;
select is((select count(*) from public.organizations join acme using (id)), 0::bigint,
  'which hides it at once');
select is(private.my_role(id), null, 'and ends every role in it') from acme;
select results_eq(
  $$select kind, id, name, purge_at - deleted_at from public.list_deleted()$$,
  $$select 'organization', id, 'Acme', interval '30 days' from acme$$,
  'its owner finds it among what was deleted');
select tests.sign_out();
select tests.sign_in(admin) from people;
select is((select count(*) from public.list_deleted()), 0::bigint, 'others do not');
select is(tests.code_of(format('select public.restore_organization(%L)', id)), 'organization_not_found',
  'nor do they restore it') from acme;
select lives_ok($$select public.create_organization('Acme again', 'acme-ltd')$$,
  'its slug is free for others');
select tests.sign_out();
select tests.sign_in(owner) from people;
select matches((public.restore_organization(id)).slug, '^acme-ltd-[0-9a-f]{6}$',
  'its owner restores it, under another slug when its own is taken') from acme;
select is((select deleted_at from public.organizations join acme using (id)), null, 'and it is back');
select is(tests.code_of(format('select public.list_deleted(%L)', id)), null,
  'members list what was deleted in their organization') from acme;
select tests.sign_out();
select tests.sign_in(viewer) from people;
select is(tests.code_of(format('select public.list_deleted(%L)', id)), 'not_allowed', 'viewers do not')
from acme;
select tests.sign_out();

-- Purging
update public.organizations set deleted_at = now() - interval '29 days' from acme
where organizations.id = acme.id;
select private.purge_deleted();
select is((select count(*) from public.organizations join acme using (id)), 1::bigint,
  'nothing is purged within its 30 days');
update public.organizations set deleted_at = now() - interval '31 days' from acme
where organizations.id = acme.id;
select private.purge_deleted();
select is((select count(*) from public.organizations join acme using (id)), 0::bigint,
  'after them it is gone');
select is((select count(*) from public.organization_members join acme on organization_id = acme.id),
  0::bigint, 'with its memberships');

select * from finish();
rollback;
