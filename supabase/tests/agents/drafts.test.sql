-- The draft: what it may hold, how it gets its slug, and what refuses secrets.
begin;
select plan(52);

create temporary table people as select tests.create_user('ada') as ada;
grant select on people to public;
create temporary table org as select tests.personal_organization(ada) as id from people;
grant select on org to public;
update public.organizations set max_agents = 1000 from org where organizations.id = org.id;
select tests.sign_in(ada) from people;

create function pg_temp.make(name text, slug text default null) returns text
language sql
as $$
  insert into public.agents (organization_id, name, slug) select org.id, make.name, make.slug from org returning slug
$$;
create function pg_temp.refusal(assignment text) returns text
language plpgsql
as $$
declare
  v_constraint text;
begin
  execute 'update public.agents set ' || assignment || ' where slug = ''writer''';
  return null;
exception when check_violation then
  get stacked diagnostics v_constraint = constraint_name;
  return v_constraint;
end
$$;

-- Slugs
select is(pg_temp.make('Writer'), 'writer', 'a slug comes from the name');
select is(pg_temp.make('Writer'), 'writer-2', 'a taken one gets a number');
select is(pg_temp.make('Writer!'), 'writer-3', 'which counts up');
select is(pg_temp.make('Writer of things'), 'writer-of-things', 'a longer name is another slug');
select is(pg_temp.make('Élan vital'), 'elan-vital', 'accents are folded');
select is(pg_temp.make('代码目录解释器'), 'agent-1', 'names without Latin letters are numbered');
select is(pg_temp.make('السعوديه '), 'agent-2', 'one after another');
select is(length(pg_temp.make(repeat('long ', 40))) <= 100, true,
  'slugs have at most 100 characters');
select is(pg_temp.make(repeat('long ', 40)) ~ '^(long-)+2$', true, 'with their number too');
select is(pg_temp.make('Own', 'my-own'), 'my-own', 'one''s own slug is kept');
select is(tests.code_of($$select pg_temp.make('Other', 'my-own')$$), '23505', 'and unique');
select is(tests.code_of($$select pg_temp.make('Other', 'My Own')$$), '23514',
  'and lower-case words');
insert into public.agents (organization_id, name) select org.id, 'Twin' from org, generate_series(1, 3);
select set_eq(
  $$select slug from public.agents where name = 'Twin'$$, '{twin,twin-2,twin-3}'::text[],
  'rows of one statement differ too');

-- Limits
select is(pg_temp.refusal($$name = ''$$), 'name_is_1_to_255_characters', 'a name is not empty');
select is(pg_temp.refusal($$name = '   '$$), 'name_is_1_to_255_characters', 'or blank');
select is(pg_temp.refusal($$name = repeat('x', 256)$$), 'name_is_1_to_255_characters',
  'or longer than 255');
select is(pg_temp.refusal('temperature = 2.1'), 'temperature_is_0_to_2', 'temperature ends at 2');
select is(pg_temp.refusal('temperature = -0.1'), 'temperature_is_0_to_2', 'and begins at 0');
select is(pg_temp.refusal('max_tokens = 0'), 'max_tokens_is_1_to_1000000',
  'an answer has a token at least');
select is(pg_temp.refusal($$model = 'gpt'$$), 'model_is_provider_and_name',
  'a model names its provider');
select is(pg_temp.refusal($$model = 'openai-compatible/llama3:8b'$$), null,
  'models of one''s own server have odd names');
select is(pg_temp.refusal($$system_prompt = repeat('p', 500000)$$), null,
  'half a million characters of prompt fit');
select is(pg_temp.refusal($$system_prompt = repeat('p', 500001)$$),
  'system_prompt_is_at_most_500000_characters',
  'more do not');
select is(pg_temp.refusal($$configuration = '[]'$$), 'configuration_is_an_object',
  'configuration is an object');
select is(pg_temp.refusal($$avatar_url = 'javascript:alert(1)'$$), 'avatar_url_is_a_web_address',
  'an avatar is a web address');

-- Status
select is(tests.code_of($$update public.agents set status = 'active' where slug = 'writer'$$),
  'agent_status_refused',
  'what was never published is not active');
select is(
  tests.code_of($$update public.agents set status = 'archived' where slug = 'writer'$$), null,
  'a draft can be archived');
select is(tests.code_of($$update public.agents set status = 'draft' where slug = 'writer'$$), null,
  'and taken out again');
select is(tests.code_of($$update public.agents set status = 'running' where slug = 'writer'$$),
  'agent_status_refused',
  'other states are none');
select public.publish_agent_version(id) from public.agents where slug = 'writer';
select is(tests.code_of($$update public.agents set status = 'paused' where slug = 'writer'$$), null,
  'an active agent can be paused');
select is((select is_active from public.agents where slug = 'writer'), false,
  'and is not active then');
select is(tests.code_of($$update public.agents set status = 'draft' where slug = 'writer'$$),
  'agent_status_refused',
  'but no draft again');

-- Secrets
create temporary table writer as select id from public.agents where slug = 'writer';
create function pg_temp.variable_refused(name text, value jsonb) returns boolean
language sql
as $$
  select tests.code_of(format(
    'insert into public.agent_variables (agent_id, name, value) select id, %L, %L from writer', name, value))
    is not distinct from 'plain_secret'
$$;
select ok(pg_temp.variable_refused('API_KEY', '"abc"'),
  'a variable named like a key holds no text');
select ok(pg_temp.variable_refused('dbPassword', '"abc"'),
  'nor one named like a password, in camelCase');
select ok(pg_temp.variable_refused('greeting', '"sk-proj-abcdefghijklmnopqrstuvwxyz"'),
  'a well-known key is refused under any name');
select ok(pg_temp.variable_refused('settings', '{"auth": [{"client_secret": "abc"}]}'),
  'also deep inside');
select ok(pg_temp.variable_refused('OTHER_KEY', '{"token": "sk-proj-abcdefghijklmnopqrstuvwxyz"}'),
  'or in place of the reference');
select ok(not pg_temp.variable_refused('API_KEY', '{"token": "OPENAI_API_KEY"}'),
  'a reference is right');
select ok(pg_temp.variable_refused('API_KEY', '{"token": "openai-key"}'),
  'one to a name that no token can have is not');
select ok(not private.is_token_reference(jsonb_build_object('token', repeat('A', 101))),
  'nor one to a name of over 100 characters');
select ok(not pg_temp.variable_refused('token_limit', '4000'), 'numbers of tokens are no secret');
select ok(not pg_temp.variable_refused('keyword', '"secretary"'),
  'words that merely contain one are not either');
select ok(not pg_temp.variable_refused('password', '""'), 'an empty one says nothing');
select is(
  (select array_agg(private.plain_secret_path(v::jsonb) order by n)
   from unnest(array[
     '{"password": 12345}', '{"Authorization": ["Bearer abc"]}', '{"api_key": {"value": "x"}}',
     '{"credentials": {"user": {"name": "me"}, "password": {"token": "DB"}}}']) with ordinality as t (v, n)),
  '{password,Authorization[0],api_key.value,credentials.user.name}'::text[],
  'neither numbers nor lists nor objects carry one under such a name');
select is(
  (select array_agg(v) from unnest(array[
     '{"max_tokens": 800}', '{"max_token": 800}', '{"price_per_token": 0.01}', '{"password": null}',
     '{"cookie": true}', '{"credentials": []}', '{"credentials": {"user": {"token": "DB_USER"}}}']) as v
   where private.plain_secret_path(v::jsonb) is not null),
  null, 'where there is nothing but numbers of tokens, switches and references, nothing is refused');
select is(
  tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, command, env_vars)
  select id, 'files', 'stdio', 'x', '{"GITHUB_TOKEN": "abc"}' from writer$$), 'plain_secret',
  'an environment holds references');
select is(tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, command, args)
  select id, 'files', 'stdio', 'x', '["--api-key=abc"]' from writer$$), 'plain_secret',
  'as do arguments');
select is(tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, url)
  select id, 'files', 'http', 'https://me:pw@example.com/mcp' from writer$$), 'plain_secret',
  'and addresses');
select is(tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, url, config)
  select id, 'files', 'http', 'https://example.com/mcp', '{"headers": {"Authorization": "Bearer abc"}}' from writer$$),
  'plain_secret', 'and headers');
select is(tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, url, config)
  select id, 'files', 'http', 'https://example.com/mcp', '{"headers": {"Authorization": {"token": "MCP"}}}' from writer$$),
  null, 'which refer to a token');
select is(tests.code_of($$insert into public.mcp_servers (agent_id, name, transport, url)
  select id, 'other', 'stdio', 'https://example.com/mcp' from writer$$), '23514',
  'a stdio server has a command');
select is(tests.code_of($$update public.agents set configuration = '{"password": "abc"}' where slug = 'writer'$$), 'plain_secret',
  'a configuration holds references');

select * from finish();
rollback;
