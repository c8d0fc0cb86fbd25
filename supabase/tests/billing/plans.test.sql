-- Plans: who reads them, and how they set an organization's limits.
begin;
select plan(18);

create temporary table ids as
select tests.create_user('owner') as owner, null::uuid as org;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');

select tests.sign_in_as_anon();
select results_eq(
  'select name from public.plans order by display_order',
  $$values ('free'), ('starter'), ('pro'), ('team'), ('enterprise')$$,
  'everybody reads the plans, from the smallest to the largest');
select throws_ok(
  $$insert into public.plans (name, title, description, display_order, max_agents,
      max_executions_per_month, max_team_members) values ('mine', 'x', 'x', 9, 1, 1, 1)$$,
  '42501', null, 'a visitor makes none');
select tests.sign_in(owner) from ids;
select is((select count(*) from public.plans), 5::bigint, 'whoever is signed in reads them too');
select throws_ok('update public.plans set max_agents = 1000000', '42501', null, 'nobody changes one');
select throws_ok('delete from public.plans', '42501', null, 'nor deletes one');
select throws_ok(
  $$update public.organizations set plan = 'team'$$, '42501', null, 'not even an owner moves to another plan for free');
select tests.sign_in_with_key(owner, org, 'agents:read') from ids;
select is_empty('select from public.plans', 'a key without catalog:read sees none');
select tests.sign_in_with_key(owner, org, 'catalog:read') from ids;
select is((select count(*) from public.plans), 5::bigint, 'one with it does');

select tests.sign_out();
select results_eq(
  'select max_agents, max_executions_per_month, max_team_members from public.organizations, ids where id = org',
  $$select max_agents, max_executions_per_month, max_team_members from public.plans where name = 'free'$$,
  'a new organization has the limits of the free plan');
update public.organizations set plan = 'pro' from ids where id = org;
select results_eq(
  'select max_agents, max_executions_per_month, max_team_members from public.organizations, ids where id = org',
  $$select max_agents, max_executions_per_month, max_team_members from public.plans where name = 'pro'$$,
  'a change of plan brings its limits');
update public.organizations set plan = 'enterprise', max_agents = 77 from ids where id = org;
select results_eq(
  'select max_agents, max_team_members from public.organizations, ids where id = org',
  'values (77, 1000)', 'a limit that is written along was agreed upon and stays');
select throws_ok(
  $$update public.organizations set plan = 'platinum'$$, '23503', null, 'there is no plan that is not listed');
update public.plans set max_agents = 5 where name = 'enterprise';
select is(
  (select max_agents from public.organizations, ids where id = org), 77,
  'editing a plan takes nothing from those who are on it');

update public.plans set max_agents = 2, max_team_members = 1 where name = 'free';
insert into public.agents (organization_id, created_by_id, name)
select org, owner, 'Agent ' || n from ids, generate_series(1, 3) as n;
select lives_ok(
  $$update public.organizations set plan = 'free' from ids where id = org$$,
  'an organization with more than the smaller plan allows moves to it');
select tests.sign_in(owner) from ids;
select is((select count(*) from public.agents), 3::bigint, 'what it has stays');
select is(
  tests.code_of($$insert into public.agents (organization_id, name) select org, 'One more' from ids$$),
  'agent_limit_reached', 'one more is refused');
select lives_ok($$update public.agents set description = 'still mine'$$, 'and what it has works on');
select is(
  tests.code_of($$select public.invite_member(org, 'somebody@example.com', 'member') from ids$$),
  'member_quota_exceeded', 'seats count by the smaller plan, too');

select * from finish();
rollback;
