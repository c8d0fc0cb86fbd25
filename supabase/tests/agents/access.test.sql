-- Who sees, runs, edits and manages agents of each visibility.
begin;
select plan(54);

select tests.create_user(username)
from unnest(array['ada', 'ben', 'cleo', 'dora', 'emil', 'finn', 'gus', 'hana']) as username;
create function pg_temp.person(username text) returns uuid
language sql stable security definer
as $$
  select id from public.profiles as p where p.username = person.username
$$;
select tests.create_organization(pg_temp.person('ada'), 'Atelier');
create function pg_temp.atelier() returns uuid
language sql stable security definer
as $$
  select id from public.organizations where name = 'Atelier'
$$;
grant execute on function pg_temp.person(text), pg_temp.atelier() to authenticated;
select tests.add_member(pg_temp.atelier(), pg_temp.person(m.username), m.role)
from (values ('ben', 'member'::public.org_role), ('cleo', 'member'), ('dora', 'viewer'), ('emil', 'admin'))
  as m (username, role);

insert into public.agents (id, organization_id, created_by_id, name, visibility)
values
  ('00000000-0000-7000-8000-000000000001', pg_temp.atelier(), pg_temp.person('ben'), 'Private', 'private'),
  ('00000000-0000-7000-8000-000000000002', pg_temp.atelier(), pg_temp.person('ben'), 'Organization', 'organization'),
  ('00000000-0000-7000-8000-000000000003', pg_temp.atelier(), pg_temp.person('ben'), 'Public',
  'public');
insert into public.agent_shares (agent_id, user_id, permission)
select a.id, s.user_id, s.permission
from public.agents as a, (values (pg_temp.person('gus'), 'use'::public.agent_permission), (pg_temp.person('hana'), 'edit')) as s (user_id, permission)
where a.organization_id = pg_temp.atelier() and a.visibility <> 'public';
insert into public.agent_variables (agent_id, name, value) select id, 'tone', '"calm"' from public.agents;
insert into public.agent_parameters (agent_id, name) select id, 'topic' from public.agents;

-- One line a visible agent: what agent_access says, and what the policies let happen.
create function pg_temp.abilities() returns table (agent text, said text, done text)
language plpgsql
as $$
declare
  v_agent record;
  v_done text;
  v_rows integer;
begin
  for v_agent in
    select a.id, a.name, x.can_inspect, x.can_run, x.can_edit, x.can_manage
    from public.agents as a left join public.agent_access as x on x.agent_id = a.id
    where a.id <= '00000000-0000-7000-8000-000000000003'
    order by a.id
  loop
    agent := v_agent.name;
    said := concat_ws(' ', case when v_agent.can_inspect then 'inspect' end, case when v_agent.can_run then 'run' end,
      case when v_agent.can_edit then 'edit' end, case when v_agent.can_manage then 'manage' end);
    v_done := '';
    if exists (select from public.agent_variables as v where v.agent_id = v_agent.id) then
      v_done := v_done || ' inspect';
    end if;
    if tests.code_of(format('select private.require_agent(%L, %L)', v_agent.id, 'run')) is null then
      v_done := v_done || ' run';
    end if;
    update public.agents as a set description = 'changed' where a.id = v_agent.id;
    get diagnostics v_rows = row_count;
    if v_rows = 1 then
      update public.agent_parameters as p set description = 'changed' where p.agent_id = v_agent.id;
      get diagnostics v_rows = row_count;
      v_done := v_done || case when v_rows = 1 then ' edit' else ' half-edit' end;
    end if;
    begin
      insert into public.agent_shares (agent_id, user_id) values (v_agent.id, pg_temp.person('finn'));
      delete from public.agent_shares as s where s.agent_id = v_agent.id and s.user_id = pg_temp.person('finn');
      v_done := v_done || ' manage';
    exception when insufficient_privilege then
      null;
    end;
    done := btrim(v_done);
    return next;
  end loop;
end
$$;
grant execute on function pg_temp.abilities() to authenticated;

select tests.sign_in(pg_temp.person('ada'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run edit manage', 'inspect run edit manage'),
    ('Organization', 'inspect run edit manage', 'inspect run edit manage'),
    ('Public', 'inspect run edit manage', 'inspect run edit manage')$$, 'an owner does everything');
select tests.sign_in(pg_temp.person('emil'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run edit manage', 'inspect run edit manage'),
    ('Organization', 'inspect run edit manage', 'inspect run edit manage'),
    ('Public', 'inspect run edit manage', 'inspect run edit manage')$$, 'an admin does everything');
select tests.sign_in(pg_temp.person('ben'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run edit manage', 'inspect run edit manage'),
    ('Organization', 'inspect run edit manage', 'inspect run edit manage'),
    ('Public', 'inspect run edit manage', 'inspect run edit manage')$$,
  'its creator does everything');
select tests.sign_in(pg_temp.person('cleo'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Organization', 'inspect run edit', 'inspect run edit'), ('Public', 'inspect run edit', 'inspect run edit')$$,
  'another member edits and runs what is not private, and manages nothing');
select tests.sign_in(pg_temp.person('dora'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Organization', 'inspect', 'inspect'), ('Public', 'inspect', 'inspect')$$,
  'a viewer only looks');
select tests.sign_in(pg_temp.person('finn'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Public', '', '')$$,
  'a stranger reads public agents and nothing that hangs on their drafts');
select tests.sign_in(pg_temp.person('gus'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run', 'inspect run'), ('Organization', 'inspect run', 'inspect run'), ('Public', '', '')$$,
  'somebody an agent is shared with for use sees and runs it');
select tests.sign_in(pg_temp.person('hana'));
select results_eq('select agent, said, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run edit', 'inspect run edit'), ('Organization', 'inspect run edit', 'inspect run edit'), ('Public', '', '')$$,
  'somebody an agent is shared with for editing edits it');
select tests.sign_in_as_anon();
select results_eq('select name from public.agents', $$values ('Public')$$,
  'anon reads public agents');
select results_eq('select name from public.agent_parameters', $$values ('topic')$$,
  'anon reads their parameters');
select throws_ok('select * from public.agent_variables', '42501', null, 'anon reads no variables');
select throws_ok($$update public.agents set name = 'x'$$, '42501', null, 'anon changes nothing');

-- The rows are there and unchanged, whatever was tried.
select tests.sign_out();
select is(
  (select count(*)::integer from public.agents where organization_id = pg_temp.atelier()), 3,
  'the agents are all there');

-- Who leaves loses even what they made.
delete from public.organization_members where organization_id = pg_temp.atelier() and user_id = pg_temp.person('ben');
select tests.sign_in(pg_temp.person('ben'));
select results_eq(
  'select agent, said, done from pg_temp.abilities()', $$values ('Public', '', '')$$,
  'a removed member sees no more than a stranger, own agents included');
select tests.sign_out();
select tests.add_member(pg_temp.atelier(), pg_temp.person('ben'), 'viewer');
select tests.sign_in(pg_temp.person('ben'));
select results_eq('select agent, done from pg_temp.abilities()',
  $$values ('Organization', 'inspect'), ('Public', 'inspect')$$,
  'a creator who is a viewer now only looks, and not at private agents');
select tests.sign_out();
update public.organization_members set role = 'member' where organization_id = pg_temp.atelier() and user_id = pg_temp.person('ben');

-- API keys
select tests.sign_out();
select tests.sign_in_with_key(pg_temp.person('ada'), tests.personal_organization(pg_temp.person('ada')), 'agents:read',
  'agents:write');
select results_eq('select agent, done from pg_temp.abilities()', $$values ('Public', '')$$,
  'a key of another organization gives its user''s rights nowhere else');
select tests.sign_out();
select tests.sign_in_with_key(pg_temp.person('gus'), tests.personal_organization(pg_temp.person('gus')), 'agents:read',
  'agents:write');
select results_eq('select agent from pg_temp.abilities()', $$values ('Public')$$,
  'shares do not come along with a key of another organization');
select is_empty('select from public.agent_shares', 'nor are they seen with it');
delete from public.agent_shares;
select tests.sign_out();
select is((select count(*) from public.agent_shares where user_id = pg_temp.person('gus')), 2::bigint,
  'or given back');
select tests.sign_in_with_key(pg_temp.person('ada'), pg_temp.atelier(), 'agents:read');
select results_eq('select agent, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run'), ('Organization', 'inspect run'), ('Public', 'inspect run')$$,
  'a key without agents:write changes nothing');
select throws_ok(
  format('select public.publish_agent_version(%L)', '00000000-0000-7000-8000-000000000001'),
  'PT403', 'This API key lacks the scope agents:write.', 'nor does it publish');
select tests.sign_in_with_key(pg_temp.person('ada'), pg_temp.atelier(), 'agents:write');
select is(
  (select array_agg(tests.code_of(format('select public.%s(%L)', f, '00000000-0000-7000-8000-000000000001')))
   from unnest('{publish_agent_version,restore_agent_version,delete_agent,restore_agent}'::text[]) as f),
  array_fill('scope_missing'::text, array[4]),
  'a key without agents:read gets no agent or version back from what changes one');
select tests.sign_in_with_key(pg_temp.person('ada'), pg_temp.atelier(), 'executions:read');
select is_empty('select 1 from public.agents', 'a key without agents:read sees no agents');
select is_empty('select 1 from public.agent_parameters', 'and no parameters');
select tests.sign_in_with_key(pg_temp.person('ada'), pg_temp.atelier(), 'catalog:read');
select results_eq('select name from public.agents', $$values ('Public')$$,
  'a key with catalog:read sees public agents');
select tests.sign_in_with_key(pg_temp.person('ada'), pg_temp.atelier(), 'agents:read',
  'agents:write');
select results_eq('select agent, done from pg_temp.abilities()',
  $$values ('Private', 'inspect run edit manage'), ('Organization', 'inspect run edit manage'), ('Public', 'inspect run edit manage')$$,
  'a key with both scopes does what its user does');

-- Writing rows of others
select tests.sign_in(pg_temp.person('finn'));
select throws_ok(format($$insert into public.agents (organization_id, name) values (%L, 'Intruder')$$, pg_temp.atelier()), '42501', null,
  'a stranger makes no agent in an organization');
select tests.sign_in(pg_temp.person('dora'));
select throws_ok(format($$insert into public.agents (organization_id, name) values (%L, 'Intruder')$$, pg_temp.atelier()), '42501', null,
  'a viewer makes no agent');
select tests.sign_in(pg_temp.person('cleo'));
select throws_ok(format($$insert into public.agents (organization_id, name, created_by_id) values (%L, 'Forged', %L)$$, pg_temp.atelier(), pg_temp.person('ada')),
  '42501', null, 'nobody makes an agent in another''s name');
select lives_ok(format($$insert into public.agents (organization_id, name) values (%L, 'Mine')$$, pg_temp.atelier()),
  'a member makes an agent');
select is((select created_by_id from public.agents where name = 'Mine'), pg_temp.person('cleo'),
  'and is its creator');
select throws_ok($$update public.agents set organization_id = gen_random_uuid() where name = 'Mine'$$, '42501', null,
  'an agent never moves to another organization');
select throws_ok($$update public.agents set deleted_at = now() where name = 'Mine'$$, '42501', null,
  'deletion is a function');
select throws_ok($$delete from public.agents where name = 'Mine'$$, '42501', null,
  'no row is deleted directly');
select throws_ok(
  $$update public.agents set current_version_id = null where name = 'Mine'$$, '42501', null,
  'nor the current version chosen');
select is_empty($$update public.agents set name = 'x' where id = '00000000-0000-7000-8000-000000000001' returning 1$$,
  'a private agent of another is out of reach');
select throws_ok($$insert into public.agent_parameters (agent_id, name) values ('00000000-0000-7000-8000-000000000001', 'sneak')$$,
  '42501', null, 'as is what hangs on it');
select throws_ok(
  $$insert into public.agent_versions (agent_id) values ('00000000-0000-7000-8000-000000000002')$$,
  '42501', null, 'nobody writes a version');

-- Visibility
select throws_ok($$update public.agents set visibility = 'private' where id = '00000000-0000-7000-8000-000000000002'$$,
  'PT403', 'Only its creator or an admin changes who sees an agent.',
  'a member does not hide another''s agent');
select throws_ok($$update public.agents set visibility = 'public' where name = 'Mine'$$,
  'PT403', 'Only an admin makes an agent public.', 'nor makes the own one public');
select throws_ok(format($$insert into public.agents (organization_id, name, visibility) values (%L, 'Loud', 'public')$$, pg_temp.atelier()),
  'PT403', null, 'not even from the start');
select lives_ok($$update public.agents set visibility = 'organization' where name = 'Mine'$$,
  'but shows it to the organization');
select tests.sign_in(pg_temp.person('hana'));
select throws_ok($$update public.agents set visibility = 'organization' where id = '00000000-0000-7000-8000-000000000001'$$,
  'PT403', null, 'a guest who edits does not say who sees it');
select tests.sign_in(pg_temp.person('emil'));
select lives_ok($$update public.agents set visibility = 'public' where name = 'Mine'$$,
  'an admin makes it public');

-- Shares
select tests.sign_in(pg_temp.person('gus'));
select results_eq('select agent_id from public.agent_shares order by 1',
  $$values ('00000000-0000-7000-8000-000000000001'::uuid), ('00000000-0000-7000-8000-000000000002')$$,
  'one sees the own shares only');
select is_empty($$update public.agent_shares set permission = 'edit' returning 1$$,
  'and does not raise them');
select isnt_empty($$delete from public.agent_shares where agent_id = '00000000-0000-7000-8000-000000000002' returning 1$$,
  'but gives them back');
select tests.sign_out();
select is((select kind from public.notifications where user_id = pg_temp.person('hana') limit 1),
  'agent.shared',
  'who an agent is shared with is told');

-- Tenants' tools and presets stay apart.
insert into public.tools (id, organization_id, name, tool_type)
values ('00000000-0000-7000-8000-0000000000aa', tests.personal_organization(pg_temp.person('finn')), 'finns_tool',
  'function');
insert into public.settings (id, organization_id, name, slug)
values ('00000000-0000-7000-8000-0000000000bb', tests.personal_organization(pg_temp.person('finn')), 'Finn',
  'finn');
insert into public.settings (id, name, slug) values ('00000000-0000-7000-8000-0000000000cc', 'Careful',
  'careful');
select tests.sign_in(pg_temp.person('ben'));
select is_empty('select 1 from public.tools', 'tools of others are not seen');
select throws_ok($$insert into public.agent_tools (agent_id, tool_id)
  values ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000aa')$$,
  'PT404', 'There is no such tool in the agent''s organization.', 'nor used');
select throws_ok($$update public.agents set settings_id = '00000000-0000-7000-8000-0000000000bb'
  where id = '00000000-0000-7000-8000-000000000001'$$,
  'PT404', 'There is no such preset in this organization.', 'presets of others cannot be used');
select lives_ok($$update public.agents set settings_id = '00000000-0000-7000-8000-0000000000cc'
  where id = '00000000-0000-7000-8000-000000000001'$$, 'those of the platform can');
select is_empty($$update public.settings set name = 'Mine now' returning 1$$, 'but not changed');
select throws_ok(
  $$insert into public.settings (name, slug) values ('Everybody''s', 'everybody')$$, '42501', null,
  'nobody but the operator adds one for all');

select * from finish();
rollback;
