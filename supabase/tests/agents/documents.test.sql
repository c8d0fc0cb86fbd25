-- Agents as documents: import, export, forks.
begin;
select plan(64);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('finn') as finn;
grant select on people to public;
create temporary table org as select tests.create_organization(ada, 'Atelier') as id from people;
grant select on org to public;
select tests.add_member(org.id, ben, 'member') from people, org;
create temporary table document as select '{
  "format": "agentry.agent", "format_version": 1, "external_key": "w-1", "name": "Writer",
  "description": "Writes.", "icon": "pen", "category": "TEXT", "agent_type": "automation",
  "system_prompt": "Write about {{topic}}.", "user_prompt_template": "In a {{tone}} tone.", "model": "openai/gpt-5",
  "temperature": 0.7, "max_tokens": 800, "configuration": {"metadata": {"contributor": "ada"}},
  "memory_enabled": true, "memory_type": "hybrid",
  "parameters": [
    {"name": "topic", "type": "string", "required": true},
    {"name": "length", "type": "select", "options": ["short", "long"], "default_value": "short"}],
  "variables": [{"name": "tone", "value": "calm"}, {"name": "API_KEY", "value": {"token": "SEARCH_KEY"}}],
  "tools": [{"name": "search", "tool_type": "api", "config": {"url": "https://example.com"}}],
  "mcp_servers": [{"name": "files", "transport": "stdio", "command": "mcp-files"}],
  "tags": ["Prose", "draft"]}'::jsonb as body;
grant select on document to public;

-- Import
select tests.sign_in(ada) from people;
select is((public.import_agent(org.id, body, true)).name, 'Writer',
  'a dry run shows the agent') from org, document;
select is((select count(*) from public.agents), 0::bigint, 'and keeps nothing');
select is((select count(*) from public.tools), 0::bigint, 'nowhere');
select is((public.import_agent(org.id, body)).slug, 'writer',
  'an import makes the agent') from org, document;
select results_eq('select external_key, status, visibility::text, temperature, memory_type::text, created_by_id from public.agents',
  $$select 'w-1', 'draft', 'private', 0.70, 'hybrid', ada from people$$,
  'as a private draft of the importer');
select results_eq('select name, type::text, required, default_value from public.agent_parameters order by display_order',
  $$values ('topic', 'string', true, null), ('length', 'select', false, '"short"'::jsonb)$$,
  'with its parameters in order');
select results_eq('select name, value from public.agent_variables order by name',
  $$values ('API_KEY', '{"token": "SEARCH_KEY"}'::jsonb), ('tone', '"calm"')$$, 'its variables');
select results_eq('select name, tool_type::text from public.tools join public.agent_tools on tool_id = id', $$values ('search', 'api')$$,
  'its tools, made in the organization');
select set_eq('select tag from public.agent_tags', '{prose,draft}'::text[],
  'and its tags in lower case');

-- Export
select is(public.export_agent(a.id) - '{parameters,variables,tools,mcp_servers,tags}'::text[],
  body - '{parameters,variables,tools,mcp_servers,tags}'::text[] || '{"avatar_url": null}', 'an export gives back what was imported')
from public.agents as a, document;
select is(
  (public.import_agent(tests.personal_organization(ada), public.export_agent(a.id))).name, 'Writer',
  'and can be imported elsewhere') from public.agents as a, people where external_key = 'w-1';
select is((select count(*) from public.agent_parameters join public.agents as a on a.id = agent_id
  where a.organization_id = tests.personal_organization(ada)), 2::bigint, 'whole') from people;
select results_eq(
  format('select jsonb_path_query_array(public.export_agent(id), ''$.tools[*].name'') from public.agents where organization_id = %L',
    tests.personal_organization(ada)), $$values ('["search"]'::jsonb)$$,
  'tools included') from people;

-- Again
create temporary table imported (ordinal integer, external_key text, agent_id uuid, outcome text, code text, message text);
insert into imported select i.* from org, document, public.import_agents(org.id, jsonb_build_array(body)) as i;
select is((select outcome from imported), 'unchanged', 'the same document again changes nothing');
select is((select agent_id from imported), (select a.id from public.agents as a, org where a.organization_id = org.id),
  'and names the agent');
truncate imported;
insert into imported
select i.* from org, document, public.import_agents(org.id, jsonb_build_array(
  body || '{"system_prompt": "Write briefly about {{topic}}.", "parameters": [{"name": "topic", "required": true}]}',
  body || '{"external_key": "w-2", "name": ""}') || '[
  {"external_key": "w-3", "name": "Plain"},
  {"external_key": "w-4", "name": "Secretive", "variables": [{"name": "API_KEY", "value": "abc"}]},
  {"external_key": "w-5", "name": "Misspelled", "systemPrompt": "x"},
  {"external_key": "w-6", "name": "Mistyped", "agent_type": "robot"},
  {"external_key": "w-7", "name": "Undefined", "parameters": [{"name": "a", "type": "select"}]},
  {"external_key": "w-8"},
  {"external_key": "w-9", "name": "Doubled", "parameters": [{"name": "a"}, {"name": "a"}]},
  5,
  {"format": "other"},
  {"name": "Keyless"}]') as i;
select results_eq('select ordinal, external_key, outcome, code from imported order by ordinal',
  $$values (1, 'w-1', 'updated', null), (2, 'w-2', 'refused', 'document_invalid'), (3, 'w-3', 'created', null),
    (4, 'w-4', 'refused', 'plain_secret'), (5, 'w-5', 'refused', 'document_invalid'), (6, 'w-6', 'refused', 'document_invalid'),
    (7, 'w-7', 'refused', 'parameter_definition_invalid'), (8, 'w-8', 'refused', 'document_invalid'),
    (9, 'w-9', 'refused', 'document_invalid'), (10, null, 'refused', 'document_invalid'),
    (11, null, 'refused', 'document_invalid'), (12, null, 'created', null)$$,
  'each document stands for itself');
select is((select message from imported where ordinal = 2), 'Refused: name is 1 to 255 characters.',
  'and says why it was refused');
select is((select message from imported where ordinal = 5),
  'An agent document has no field "systemPrompt".',
  'naming the field');
select is(
  (select message from imported where ordinal = 4), '"API_KEY" would store a secret in plain text.',
  'or the place');
select is((select count(*) from public.agents, org where organization_id = org.id), 3::bigint,
  'refused ones leave nothing behind');
select results_eq('select system_prompt from public.agents, org where external_key = ''w-1'' and organization_id = org.id',
  $$values ('Write briefly about {{topic}}.')$$, 'an update writes the draft');
select is((select count(*) from public.agent_parameters as p join public.agents as a on a.id = p.agent_id, org
  where a.external_key = 'w-1' and a.organization_id = org.id), 1::bigint,
  'and replaces the parameters');
select is(
  tests.code_of(format('select public.import_agents(%L, ''{}'')', org.id)), 'document_invalid',
  'documents are a list') from org;
select is(tests.code_of(format($$select public.import_agent(%L,
  '{"name": "x", "temperature": 3}')$$, org.id)), 'document_invalid',
  'one document is refused with an error') from org;
select is(length((public.import_agent(org.id, jsonb_build_object('name',
  'Long', 'system_prompt', repeat('word ', 30000)))).system_prompt),
  150000, 'a prompt of 150,000 characters fits') from org;

-- The limit holds for imports as for all else.
select tests.sign_out();
update public.organizations set max_agents = 5 from org where organizations.id = org.id;
select tests.sign_in(ada) from people;
truncate imported;
insert into imported
select i.* from org, public.import_agents(org.id, '[{"name": "Fifth"}, {"name": "Sixth"}, {"external_key": "w-3", "name": "Plain"}]') as i;
select results_eq('select outcome, code from imported order by ordinal',
  $$values ('created', null), ('refused', 'agent_limit_reached'), ('unchanged', null)$$,
  'agents over the limit are refused one by one');
select is(tests.code_of(format($$insert into public.agents (organization_id, name) values (%L,
  'Sixth')$$, org.id)), 'agent_limit_reached',
  'as when they are made by hand') from org;

-- Others' agents
select tests.sign_in(ben) from people;
select is(tests.code_of(format($$select public.import_agent(%L,
  '{"external_key": "w-3", "name": "Taken"}')$$, org.id)), 'external_key_taken',
  'the key of a private agent of another is taken') from org;
select tests.sign_out();
insert into public.agent_shares (agent_id, user_id)
select a.id, ben from public.agents as a, people where a.external_key = 'w-3';
select tests.sign_in(ben) from people;
select is(tests.code_of(format($$select public.import_agent(%L,
  '{"external_key": "w-3", "name": "Taken"}')$$, org.id)), 'not_allowed',
  'an agent that one only sees is not updated') from org;
select tests.sign_in(finn) from people;
select is(tests.code_of(format($$select public.import_agent(%L,
  '{"name": "x"}')$$, org.id)), 'organization_not_found',
  'a stranger imports nothing') from org;
select tests.sign_out();
create temporary table writer as
select a.id from public.agents as a, org where a.external_key = 'w-1' and a.organization_id = org.id;
grant select on writer to public;
select tests.sign_in(finn) from people;
select is(tests.code_of('select public.export_agent(id) from writer'), 'agent_not_found',
  'or exports');
select is(tests.code_of('select public.fork_agent(writer.id, tests.personal_organization(finn)) from writer, people'), 'agent_not_found',
  'or forks what is not shown');

-- Public agents
select tests.sign_out();
update public.agents set visibility = 'public' from writer where agents.id = writer.id;
select tests.sign_in(finn) from people;
select is(tests.code_of('select public.fork_agent(writer.id, tests.personal_organization(finn)) from writer, people'), 'agent_not_published',
  'a draft that was never published is not for strangers');
select is(tests.code_of('select public.export_agent(id) from writer'), 'agent_not_published',
  'in no form');
select tests.sign_in(ada) from people;
select public.publish_agent_version(id, '2.1.0') from writer;
update public.agents set system_prompt = 'Half an idea.' from writer where agents.id = writer.id;
select tests.sign_in(finn) from people;
select is(public.export_agent(id) ->> 'system_prompt', 'Write briefly about {{topic}}.',
  'strangers export the published version') from writer;
select is((select tests.code_of(format('select public.fork_agent(%L, %L)', writer.id, org.id)) from writer, org), 'organization_not_found',
  'a fork goes to an organization of one''s own');
create temporary table fork as
select f.* from writer, people, public.fork_agent(writer.id, tests.personal_organization(finn)) as f;
grant select on fork to public;
select is((select system_prompt from fork), 'Write briefly about {{topic}}.',
  'a fork copies the published version');
select results_eq('select f.organization_id, f.created_by_id, f.visibility::text, f.status, f.external_key, f.is_custom from fork as f',
  $$select tests.personal_organization(finn), finn, 'private', 'draft', null::text, true from people$$,
  'as a private draft of one''s own');
select tests.sign_out();
select is((select (f.forked_from_agent_id, f.forked_from_version_id) = (a.id, a.current_version_id)
  from fork as f, public.agents as a join writer using (id)), true, 'that knows its source');
select results_eq('select v.name, v.value from public.agent_variables as v join fork on fork.id = v.agent_id order by v.name',
  $$values ('API_KEY', '{"token": "SEARCH_KEY"}'::jsonb), ('tone', '"calm"')$$,
  'with variables, references included');
select results_eq('select t.organization_id from public.tools as t join public.agent_tools as x on x.tool_id = t.id join fork on fork.id = x.agent_id',
  'select organization_id from fork', 'and a tool of the new organization');
select is(
  (select fork_count from public.agent_stats join writer on agent_id = writer.id), 1::bigint,
  'it counts for the source');
select tests.sign_in(ben) from people;
select is(
  (public.fork_agent(writer.id, tests.personal_organization(ben))).forked_from_agent_id, writer.id,
  'a member forks too') from writer, people;
select is(tests.code_of(format('select public.fork_agent(%L, %L)', writer.id, org.id)),
  'agent_limit_reached',
  'within the limit') from writer, org;
select tests.sign_in_as_anon();
select is(tests.code_of('select public.fork_agent(gen_random_uuid(), gen_random_uuid())'), '42501',
  'anon forks nothing');

-- Deletion and undo
select tests.sign_out();
update public.organizations set max_agents = 6 from org where organizations.id = org.id;
select tests.sign_in(ben) from people;
select is(tests.code_of('select public.delete_agent(id) from writer'), 'not_allowed',
  'a member does not delete another''s agent');
select tests.sign_in(ada) from people;
select isnt((public.delete_agent(id)).deleted_at, null, 'its creator deletes it') from writer;
select is_empty('select 1 from public.agents join writer using (id)', 'then nobody sees it');
select is_empty('select 1 from public.agent_versions join writer on writer.id = agent_id',
  'nor its versions');
select is(tests.code_of('select public.delete_agent(id) from writer'), 'agent_not_found',
  'it cannot be deleted twice');
select results_eq('select kind, name from public.list_deleted((select id from org))',
  $$values ('agent', 'Writer')$$,
  'it is listed among the deleted');
insert into public.agents (organization_id, name) select id, 'Writer' from org;
select is((public.restore_agent(id)).slug, 'writer-2',
  'it comes back, with another slug where its own is taken') from writer;
select public.delete_agent(id) from writer;
select public.import_agent(org.id, '{"external_key": "w-1", "name": "Successor"}') from org;
select is(tests.code_of('select public.restore_agent(id) from writer'), 'external_key_taken',
  'but not beside a newer import of itself');
select public.delete_agent(a.id) from public.agents as a where name = 'Successor';
insert into public.agents (organization_id, name) select id, 'Sixth' from org;
select is(tests.code_of('select public.restore_agent(id) from writer'), 'agent_limit_reached',
  'nor over the limit');
select tests.sign_in(ben) from people;
select is(tests.code_of('select public.restore_agent(id) from writer'), 'agent_not_found',
  'nor by others');
select tests.sign_out();
-- Rows of this very transaction keep their foreign keys from being set to null in time.
delete from public.agents using writer where forked_from_agent_id = writer.id;
update public.agents set deleted_at = now() - interval '31 days' where name = 'Writer' and deleted_at is not null;
select private.purge_deleted();
select is(
  (select count(*) from public.agent_versions join writer on writer.id = agent_id), 0::bigint,
  'after 30 days it is gone, versions included');

-- With its organization
create temporary table shut as select tests.create_organization(ada, 'Shut') as id from people;
grant select on shut to public;
insert into public.agents (id, organization_id, created_by_id, name, slug, visibility, deleted_at)
select a.id::uuid, shut.id, ada, a.slug, a.slug, a.visibility::public.agent_visibility, a.deleted_at
from shut, people, (values
  ('00000000-0000-7000-8000-0000000000a1', 'open', 'public', null::timestamptz),
  ('00000000-0000-7000-8000-0000000000a2', 'lent', 'private', null),
  ('00000000-0000-7000-8000-0000000000a3', 'gone', 'organization', now() - interval '1 day'))
  as a (id, slug, visibility, deleted_at);
insert into public.agent_shares (agent_id, user_id)
select '00000000-0000-7000-8000-0000000000a2', finn from people;
update public.organizations set max_agents = 1 from shut where organizations.id = shut.id;
insert into public.marketplace_installs (listing_id, organization_id, installed_by_id, cloned_agent_id)
select tests.create_listing(ben, tests.create_organization(ben, 'Shop'), 'Tool'), shut.id, ada,
  '00000000-0000-7000-8000-0000000000a2'
from shut, people;
update public.agents set is_custom = false where slug = 'lent';
create function pg_temp.living() returns text[]
language sql
as $$
  select array_agg(a.slug::text order by a.slug)
  from public.agents as a
  where a.organization_id = (select id from shut)
$$;
grant execute on function pg_temp.living() to public;
select tests.sign_in(finn) from people;
select is(pg_temp.living(), '{lent,open}', 'a stranger sees what is public or shared');
select tests.sign_in(ada) from people;
select public.delete_organization(id) from shut;
select tests.sign_in(finn) from people;
select is(pg_temp.living(), null, 'but not of an organization that is deleted');
select is(tests.code_of(format('select public.fork_agent(%L, %L)', '00000000-0000-7000-8000-0000000000a1',
  tests.personal_organization(finn))), 'agent_not_found', 'nor forks it') from people;
select tests.sign_in(ada) from people;
select is(tests.code_of($$select public.restore_agent('00000000-0000-7000-8000-0000000000a1')$$), 'agent_not_found',
  'no agent of it comes back by itself');
select tests.sign_out();
select is(tests.code_of(format($$insert into public.agents (organization_id, created_by_id, name) values (%L, %L, 'Late')$$, shut.id, ada)),
  'organization_not_found', 'or is made') from shut, people;
select tests.sign_in(ada) from people;
select public.restore_organization(id) from shut;
select is(pg_temp.living(), '{lent,open}',
  'all return with it, over the limit as before; what was deleted earlier stays so');
select is((select uninstalled_at from public.marketplace_installs join shut on shut.id = organization_id), null,
  'and what is installed stays installed');
select tests.sign_out();
update public.organizations set deleted_at = now() from shut where organizations.id = shut.id;
update public.organizations set deleted_at = now() - interval '31 days' from shut where organizations.id = shut.id;
select private.purge_deleted();
select is_empty('select from public.agents join shut on shut.id = organization_id', 'they are purged with it');

select * from finish();
rollback;
