-- Who begins a conversation, and that nobody else reads it: not admins, not who made the agent.
begin;
select plan(44);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('creator') as creator,
  tests.create_user('member') as member, tests.create_user('viewer') as viewer,
  tests.create_user('guest') as guest, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as agent, null::uuid as sketch, null::uuid as version,
  null::uuid as conversation;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, creator, 'member'), tests.add_member(org, member, 'member'),
  tests.add_member(org, viewer, 'viewer')
from ids;
insert into public.agents (organization_id, created_by_id, name, visibility, system_prompt)
select org, creator, name, 'organization', 'You help.' from ids, unnest(array['Helper', 'Sketch']) as name;
update ids set agent = (select id from public.agents where name = 'Helper'),
  sketch = (select id from public.agents where name = 'Sketch');
insert into public.agent_parameters (agent_id, name, type, required, default_value)
select agent, p.name, 'string', p.required, p.default_value
from ids, (values ('tone', false, '"calm"'::jsonb), ('topic', true, null)) as p (name, required, default_value);
insert into public.agent_shares (agent_id, user_id, permission) select agent, guest, 'use' from ids;
select tests.sign_in(creator) from ids;
select public.publish_agent_version(agent) from ids;
update ids set version = (select current_version_id from public.agents where id = agent);
select tests.sign_out();

create function pg_temp.begin_with(rest text default '{"topic": "tea"}') returns text
language sql
as $$
  select tests.code_of(format(
    'insert into public.conversations (agent_id, parameters) values (%L, %L)', ids.agent, rest))
  from ids
$$;
grant execute on function pg_temp.begin_with(text) to public;

-- Beginning
select tests.sign_in(member) from ids;
select is(pg_temp.begin_with(), null, 'a member begins a conversation');
select results_eq(
  'select organization_id, user_id, agent_version_id, parameters, title, last_sequence_number from public.conversations',
  $$select org, member, version, '{"tone": "calm", "topic": "tea"}'::jsonb, null::text, 0 from ids$$,
  'it belongs to the agent''s organization, with the current version and the defaults');
update ids set conversation = (select id from public.conversations);
select is(pg_temp.begin_with('{}'), 'parameter_missing', 'the agent''s parameters have to fit');
select is(pg_temp.begin_with('{"topic": "x", "colour": "red"}'), 'parameter_unknown', 'and no others');
select is(
  tests.code_of(format('insert into public.conversations (agent_id) values (%L)', sketch)),
  'agent_not_published', 'an agent without a version has nothing to say') from ids;
select is(
  tests.code_of(format(
    'insert into public.conversations (agent_id, agent_version_id, parameters) values (%L, %L, %L)',
    agent, gen_random_uuid(), '{"topic": "x"}')),
  'version_not_found', 'nor has a version that is not there') from ids;
select is(
  tests.code_of(format('insert into public.conversations (agent_id, user_id) values (%L, %L)', agent, owner)),
  '42501', 'nobody begins one as somebody else') from ids;
select tests.sign_in(guest) from ids;
select is(pg_temp.begin_with(), null, 'whom the agent is shared with begins one too');
select tests.sign_in(viewer) from ids;
select is(pg_temp.begin_with(), 'not_allowed', 'viewers do not chat');
select tests.sign_in(stranger) from ids;
select is(pg_temp.begin_with(), 'agent_not_found', 'to a stranger the agent is not there');
select tests.sign_in_as_anon();
select is(pg_temp.begin_with(), '42501', 'signed out, nobody begins one');

-- One exchange, as the database keeps it.
select tests.sign_in(member) from ids;
select public.send_message(conversation, 'Where is the tea?') from ids;
select tests.sign_out();
insert into public.messages (conversation_id, sender_type, content)
select conversation, 'agent', 'In the cupboard.' from ids;

-- Reading
create function pg_temp.seen() returns text
language sql
as $$
  select (select count(*) from public.conversations where id = ids.conversation) || ' '
    || (select count(*) from public.messages where conversation_id = ids.conversation) || ' '
    || (select count(*) from public.executions where conversation_id = ids.conversation)
  from ids
$$;
grant execute on function pg_temp.seen() to public;
select tests.sign_in(member) from ids;
select is(pg_temp.seen(), '1 2 1', 'its user reads the conversation, its messages and its runs');
select tests.sign_in(owner) from ids;
select is(pg_temp.seen(), '0 0 0', 'an owner of the organization does not');
select tests.sign_in(creator) from ids;
select is(pg_temp.seen(), '0 0 0', 'who made the agent does not');
select tests.sign_in(guest) from ids;
select is(pg_temp.seen(), '0 0 0', 'another user of the agent does not');
select is((select count(*) from public.conversations), 1::bigint, 'but their own');
select tests.sign_in(viewer) from ids;
select is(pg_temp.seen(), '0 0 0', 'a viewer does not');
select tests.sign_in(stranger) from ids;
select is(pg_temp.seen(), '0 0 0', 'a stranger does not');
select tests.sign_in_as_anon();
select is(tests.code_of('select from public.conversations'), '42501', 'signed out, nobody reads conversations');
select is(tests.code_of('select from public.messages'), '42501', 'nor messages');

-- API keys
select tests.sign_in_with_key(member, org, 'conversations:read', 'executions:read') from ids;
select is(pg_temp.seen(), '1 2 1', 'a key with conversations:read reads what its user reads');
select is(
  tests.code_of(format('select public.send_message(%L, ''Hello'')', conversation)), 'scope_missing',
  'and sends nothing') from ids;
select is(tests.code_of('delete from public.conversations'), null, 'a key without conversations:write');
select is(pg_temp.seen(), '1 2 1', 'deletes nothing');
select tests.sign_in_with_key(member, org, 'executions:read') from ids;
select is(pg_temp.seen(), '0 0 0', 'without conversations:read not even their runs are read');
select tests.sign_out();
create temporary table run as select e.id from public.executions as e, ids where e.conversation_id = ids.conversation;
grant select on run to public;
select tests.sign_in_with_key(member, org, 'executions:read', 'executions:write', 'conversations:run') from ids;
select is(
  tests.code_of(format('select public.cancel_execution(%L)', id)), 'scope_missing', 'nor handed out by cancelling them')
from run;
select is(
  tests.code_of(format('select public.retry_execution(%L)', id)), 'scope_missing', 'or by repeating them') from run;
select tests.sign_out();
select tests.sign_in_with_key(member, tests.personal_organization(member), 'conversations:read', 'executions:read') from ids;
select is(pg_temp.seen(), '0 0 0', 'nor with a key of another organization');
select tests.sign_in_with_key(member, org, 'conversations:read', 'conversations:write', 'conversations:run') from ids;
select is(
  tests.code_of(format('select public.send_message(%L, ''Hello'')', conversation)), null,
  'a key with conversations:run sends') from ids;

-- Changing
select tests.sign_in(member) from ids;
select is(
  tests.code_of($$update public.conversations set title = 'Tea'$$), null, 'its user renames it');
select is((select title from public.conversations), 'Tea', 'and sees the new title');
select is(
  tests.code_of('update public.conversations set agent_version_id = null'), '42501', 'nothing else of it changes');
select is(
  tests.code_of(format('insert into public.messages (conversation_id, sender_type, content) values (%L, ''agent'', ''Trust me.'')', conversation)),
  '42501', 'nobody writes messages past send_message') from ids;
select isnt_empty(
  $$update public.messages set feedback = 'bad', feedback_note = 'It was on the table.' where sender_type = 'agent' returning id$$,
  'answers can be judged');
select is_empty(
  $$update public.messages set feedback = 'good' where sender_type = 'user' returning id$$,
  'one''s own messages cannot');
select is(tests.code_of($$update public.messages set content = 'I never said that.'$$), '42501', 'what was said stays');
select tests.sign_in(owner) from ids;
select is_empty($$update public.messages set feedback = 'good' returning id$$, 'others judge nothing');
select is_empty('delete from public.conversations returning id', 'and delete nothing');
select tests.sign_in_as_service_role();
select is(tests.code_of('delete from public.messages'), '42501', 'no operator tears a hole into a conversation');

-- Deleting, and accounts that go
select tests.sign_in(member) from ids;
select isnt_empty('delete from public.conversations returning id', 'its user deletes a conversation');
select tests.sign_out();
select is_empty('select from ids, public.messages where conversation_id = conversation', 'its messages are gone');
select tests.sign_in(guest) from ids;
select public.delete_my_account();
select tests.sign_out();
select is_empty('select from public.conversations', 'an account that is deleted takes its conversations along');

-- An agent that is purged
select tests.sign_in(member) from ids;
insert into public.conversations (agent_id, parameters) select agent, '{"topic": "tea"}' from ids;
select public.send_message(id, 'Hello?') from public.conversations;
select tests.sign_out();
delete from public.agents as a using ids where a.id = ids.agent;
select is_empty('select from public.conversations union all select from public.messages',
  'an agent that is purged takes its conversations along');
select is((select array_agg(distinct status) from public.executions where conversation_id is not null), '{cancelled}',
  'their runs end, and stay as records');

select * from finish();
rollback;
