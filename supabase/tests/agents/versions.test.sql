-- Versions: published in order, frozen for good, and a way back.
begin;
select plan(54);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('hana') as hana;
grant select on people to public;
create temporary table org as select tests.create_organization(ada, 'Atelier') as id from people;
grant select on org to public;
select tests.add_member(org.id, ben, 'viewer') from people, org;
insert into public.settings (id, organization_id, name, slug, value)
select '00000000-0000-7000-8000-0000000000cc', org.id, 'Careful', 'careful',
  '{"monitoring": {"trace": true}, "metadata": {"estimatedCost": 0.02, "complexity": "mine"}}'
from org;

create function pg_temp.writer() returns uuid
language sql stable security definer
as $$
  select id from public.agents where slug = 'writer'
$$;
grant execute on function pg_temp.writer() to public;

select tests.sign_in(ada) from people;
insert into public.agents (organization_id, name, visibility, system_prompt, model, temperature, category, configuration, settings_id)
select id, 'Writer', 'organization', 'Write about {{topic}}.', 'openai/gpt-5', 0.7, 'TEXT',
  '{"orchestration": {"max_steps": 4}, "execution_environment": {"resources": {"memory": "1Gi"}}, "metadata": {"contributor": "ada"}}',
  '00000000-0000-7000-8000-0000000000cc'
from org;
insert into public.agent_parameters (agent_id, name, required, display_order) values (pg_temp.writer(), 'topic', true, 1);
insert into public.agent_variables (agent_id, name, value) values (pg_temp.writer(), 'tone',
  '"calm"');
insert into public.tools (organization_id, name, tool_type, input_schema)
select id, 'look_up', 'function', '{"type": "object", "properties": {"q": {"type": "string"}}}' from org;
insert into public.tools (organization_id, name, tool_type, is_active) select id, 'retired', 'function', false from org;
insert into public.agent_tools (agent_id, tool_id) select pg_temp.writer(), t.id from public.tools as t;
insert into public.mcp_servers (agent_id, name, transport, command) values (pg_temp.writer(), 'files', 'stdio',
  'mcp-files');

-- Publishing
select is((select status from public.agents), 'draft', 'an agent begins as a draft');
select is((select public.has_unpublished_changes(a) from public.agents as a), true,
  'which is all unpublished');
select is((public.publish_agent_version(pg_temp.writer(), changelog => 'First', revision_name => 'Spring')).version, '1.0.0',
  'the first version is 1.0.0');
select results_eq(
  'select version_number, version, name, changelog, revision_name, is_published, created_by_id from public.agent_versions',
  $$select 1, '1.0.0', 'Writer', 'First', 'Spring', true, ada from people$$,
  'with its number, name, notes and author');
select results_eq(
  'select status, is_active, current_version_id, published_at is not null from public.agents',
  'select ''active'', true, v.id, true from public.agent_versions as v',
  'publishing makes it current and the agent active');
select is((select public.has_unpublished_changes(a) from public.agents as a), false,
  'then nothing is unpublished');
select is((select prompt_config from public.agent_versions),
  '{"systemPrompt": "Write about {{topic}}.", "userPromptTemplate": null, "parameters": ["topic"]}',
  'prompt_config is filled');
select is((select agent_config from public.agent_versions),
  '{"orchestration": {"max_steps": 4}, "monitoring": {"trace": true}}',
  'agent_config is the configuration over its preset');
select is((select execution_environment from public.agent_versions),
  '{"infrastructure": {}, "dependencies": [], "resources": {"memory": "1Gi"}}',
  'execution_environment is filled');
select is((select metadata from public.agent_versions),
  '{"category": "TEXT", "complexity": "moderate", "dependencies": ["look_up", "files"], "estimatedCost": null, "contributor": "ada"}',
  'metadata is filled, the agent''s own over the preset''s');
select is((select parameters -> 0 ->> 'name' from public.agent_versions), 'topic',
  'parameters are frozen');
select is((select variables from public.agent_versions),
  '[{"name": "tone", "description": "", "value": "calm"}]',
  'variables are frozen');
select is(
  (select jsonb_path_query_array(tools, '$[*].name') from public.agent_versions), '["look_up"]',
  'active tools are frozen');
select is((select tools -> 0 -> 'input_schema' from public.agent_versions),
  '{"type": "object", "properties": {"q": {"type": "string"}}}', 'with their schemas');
select is((select mcp_servers -> 0 ->> 'command' from public.agent_versions), 'mcp-files',
  'MCP servers are frozen');

-- What comes next
update public.agents set system_prompt = 'Write two lines about {{topic}}.';
select is((select public.has_unpublished_changes(a) from public.agents as a), true,
  'an edit is an unpublished change');
select is((public.publish_agent_version(pg_temp.writer())).version, '1.0.1',
  'left out, the patch counts up');
select is((public.publish_agent_version(pg_temp.writer(), '2.0.0-beta.2')).version_number, 3,
  'numbers count up by one');
select is(
  (public.publish_agent_version(pg_temp.writer(), '2.0.0-beta.10')).version, '2.0.0-beta.10',
  'pre-releases order by number');
select is((public.publish_agent_version(pg_temp.writer())).version, '2.0.0',
  'a pre-release is followed by its release');
select is(tests.code_of('select public.publish_agent_version(pg_temp.writer(),
  ''2.0.0'')'), 'version_not_greater',
  'no version comes twice');
select is(tests.code_of('select public.publish_agent_version(pg_temp.writer(),
  ''1.9.9'')'), 'version_not_greater',
  'nor goes back');
select is(
  tests.code_of('select public.publish_agent_version(pg_temp.writer(), ''2.0.1-rc.1'')'), null,
  'a pre-release of the next is greater');
select is(tests.code_of('select public.publish_agent_version(pg_temp.writer(),
  ''two'')'), 'version_invalid',
  'a version is semantic');
select is(tests.code_of(format('select public.publish_agent_version(pg_temp.writer(), %L)', v)), 'version_invalid',
  format('%s is no version', v))
from unnest('{03.0.0,3.0.0-,3.0.0-a..b,3.0.0-a.b.c.d.e.f}'::text[]) as v;
select is((select array_agg(version_number order by id) from public.agent_versions), array[1, 2, 3, 4, 5, 6],
  'refused publications leave no gap');

select tests.sign_out();
select is(
  (select array_agg(v order by private.semver_sort_key(v) collate "C")
   from unnest('{1.0.0,1.0.0-rc.1,1.0.0-beta.11,1.0.0-beta.2,1.0.0-beta,1.0.0-alpha.beta,1.0.0-alpha.1,1.0.0-alpha,0.9.10,0.9.9,10.0.0,2.0.0}'::text[]) as v),
  '{0.9.9,0.9.10,1.0.0-alpha,1.0.0-alpha.1,1.0.0-alpha.beta,1.0.0-beta,1.0.0-beta.2,1.0.0-beta.11,1.0.0-rc.1,1.0.0,2.0.0,10.0.0}'::text[],
  'versions order as Semantic Versioning says');

-- A draft that runs
select is(private.freeze_draft(pg_temp.writer()), (select current_version_id from public.agents where id = pg_temp.writer()),
  'a draft equal to the current version needs no freezing');
update public.agents set system_prompt = 'Draft.' where id = pg_temp.writer();
create temporary table frozen as select private.freeze_draft(pg_temp.writer()) as id;
select results_eq('select version_number, version, is_published, system_prompt from public.agent_versions join frozen using (id)',
  $$values (null::integer, null::text, false, 'Draft.')$$, 'a draft is frozen without a number');
select is(private.freeze_draft(pg_temp.writer()), (select id from frozen),
  'and only once while it stays the same');
select is((select count(*) from public.agents where current_version_id = (select id from frozen)), 0::bigint,
  'freezing does not publish');

-- Immutable
select throws_ok(
  $$update public.agent_versions set changelog = 'rewritten'$$, 'PT409', 'A version never changes.',
  'not even the owner of the database changes a version');
select throws_ok('delete from public.agent_versions', 'PT409', 'A version never changes.',
  'or deletes one');
select tests.sign_in_as_service_role();
select throws_ok($$update public.agent_versions set changelog = 'rewritten'$$, '42501', null,
  'nor does service_role');
select throws_ok('delete from public.agent_versions', '42501', null, 'in no way');
select throws_ok('delete from public.agents', '42501', null, 'nor by deleting the agent');
select tests.sign_in(ada) from people;
select throws_ok($$update public.agent_versions set changelog = 'rewritten'$$, '42501', null,
  'let alone its author');

-- Back to an old one
delete from public.agent_parameters;
delete from public.agent_tools;
delete from public.tools where name = 'look_up';
update public.agents set name = 'Scribbler', settings_id = null;
select is((public.restore_agent_version((select id from public.agent_versions where version_number = 1))).system_prompt,
  'Write about {{topic}}.', 'an old version comes back into the draft');
select is((select name from public.agents), 'Writer', 'with its name');
select is((select array_agg(name) from public.agent_parameters), '{topic}', 'its parameters');
select is((select array_agg(t.name) from public.agent_tools join public.tools as t on t.id = tool_id), '{look_up}',
  'and its tools, made again when they are gone');
select is((select configuration from public.agents),
  '{"orchestration": {"max_steps": 4}, "monitoring": {"trace": true}, "execution_environment": {"infrastructure": {}, "dependencies": [], "resources": {"memory": "1Gi"}}, "metadata": {"contributor": "ada"}}',
  'its configuration has the preset''s values of then');
select is((select count(*) from public.agent_versions where is_published), 6::bigint,
  'restoring publishes nothing');
select is(
  tests.code_of('select public.restore_agent_version(gen_random_uuid())'), 'version_not_found',
  'an unknown version is not found');

-- A viewer reads the history and changes nothing.
select tests.sign_in(ben) from people;
select is((select count(*) from public.agent_versions), 7::bigint, 'a viewer reads the history');
select is(tests.code_of('select public.publish_agent_version(pg_temp.writer())'), 'not_allowed',
  'but does not publish');
select is(tests.code_of('select public.restore_agent_version((select id from public.agent_versions where version_number = 1))'),
  'not_allowed', 'or restore');

-- A guest who edits does so whole, though the organization's tools are not theirs to see.
select tests.sign_out();
insert into public.agent_shares (agent_id, user_id, permission) select pg_temp.writer(), hana, 'edit' from people;
select tests.sign_in(hana) from people;
select is((select public.has_unpublished_changes(a) from public.agents as a), true,
  'a guest who edits sees unpublished changes');
select is((public.publish_agent_version(pg_temp.writer())).tools -> 0 ->> 'name', 'look_up',
  'a guest publishes the tools too');
select is((select public.has_unpublished_changes(a) from public.agents as a), false,
  'and then knows of no changes');
select is((public.restore_agent_version((select id from public.agent_versions where version_number = 1))).name, 'Writer',
  'a guest restores');

select * from finish();
rollback;
