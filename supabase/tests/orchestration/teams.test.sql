begin;
select plan(20);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('viewer') as viewer, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as team, null::uuid as agent, null::uuid as foreign_agent;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member'), tests.add_member(org, viewer, 'viewer') from ids;
insert into public.agents (organization_id, created_by_id, name, visibility)
select org, owner, 'Writer', 'organization' from ids;
insert into public.agents (organization_id, created_by_id, name)
select (select organization_id from public.organization_members where user_id = stranger limit 1), stranger, 'Spy'
from ids;
update ids set agent = (select id from public.agents where name = 'Writer'),
  foreign_agent = (select id from public.agents where name = 'Spy');

select tests.sign_in(member) from ids;
select lives_ok(
  $$insert into public.teams (organization_id, name, type) select org, 'Réd Team', 'route' from ids$$,
  'a member creates a team');
select is((select slug from public.teams), 'red-team', 'its slug is made from its name');
update ids set team = (select id from public.teams);
select lives_ok(
  $$insert into public.teams (organization_id, name, type) select org, 'Red team', 'route' from ids$$,
  'another team may have the same name');
select is(
  (select array_agg(slug order by slug) from public.teams), '{red-team,red-team-2}', 'and gets a slug of its own');
select lives_ok(
  $$insert into public.team_agents (team_id, agent_id, position) select team, agent, 0 from ids$$,
  'a member puts an agent of the organization into it');
select throws_ok(
  $$insert into public.team_agents (team_id, agent_id, position) select team, foreign_agent, 1 from ids$$,
  '42501', null, 'an agent of another organization is refused');

select tests.sign_in(viewer) from ids;
select is((select count(*) from public.teams), 2::bigint, 'a viewer reads teams');
select is((select count(*) from public.team_agents), 1::bigint, 'and their members');
select throws_ok(
  $$insert into public.teams (organization_id, name, type) select org, 'No', 'route' from ids$$,
  '42501', null, 'a viewer creates none');
select is_empty($$update public.teams set name = 'Mine' returning id$$, 'a viewer changes none');
select throws_ok(
  $$select public.delete_team(team) from ids$$, 'PT403', null, 'a viewer deletes none');

select tests.sign_in(stranger) from ids;
select is_empty('select from public.teams', 'a stranger sees no team');
select is_empty('select from public.team_agents', 'nor who is in it');
select throws_ok(
  $$select public.delete_team(team) from ids$$, 'PT404', null, 'to a stranger a team is not there');
select throws_ok(
  $$insert into public.teams (organization_id, name, type) select org, 'Mine', 'route' from ids$$,
  '42501', null, 'a stranger creates none in it');
select tests.sign_in_as_anon();
select throws_ok('select * from public.teams', '42501', null, 'signed out, nobody reads teams');

select tests.sign_in(member) from ids;
select isnt(
  (select (public.delete_team(team)).deleted_at from ids), null, 'its creator deletes a team');
select is((select count(*) from public.teams), 1::bigint, 'it is hidden then');
select is(
  (select array_agg(kind || ' ' || name) from ids, public.list_deleted(org)), '{team Réd Team}',
  'and listed among what can be restored');
select is(
  (select (public.restore_team(team)).slug from ids), 'red-team', 'restored, it has its slug again');

select * from finish();
rollback;
