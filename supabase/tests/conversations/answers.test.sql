-- From a message to its answer: one run at a time, in order, whatever becomes of each.
begin;
select plan(64);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  null::uuid as org, null::uuid as agent, null::uuid as conversation;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;
insert into public.agents (organization_id, created_by_id, name, visibility, system_prompt)
select org, owner, 'Helper', 'organization', 'You help.' from ids;
update ids set agent = (select id from public.agents where name = 'Helper');
select tests.sign_in(owner) from ids;
select public.publish_agent_version(agent) from ids;
select tests.sign_in(member) from ids;
insert into public.conversations (agent_id) select agent from ids;
update ids set conversation = (select id from public.conversations);
select tests.sign_out();

create function pg_temp.send(content text, strategy text default 'enqueue', attachments jsonb default '[]') returns text
language sql
as $$
  select tests.code_of(format(
    'select public.send_message(%L, %L, %L, %L)', ids.conversation, send.content, send.attachments, send.strategy))
  from ids
$$;
-- As a worker: take the next run; end it; and what the queue holds. The run is known by its question.
create function pg_temp.claim() returns text
language sql security definer
as $$
  select c.input ->> 'message' from private.claim_execution('worker') as c
$$;
create function pg_temp.token(question text, out run uuid, out token bigint)
language sql stable security definer
as $$
  select e.id, q.fencing_token
  from public.executions as e left join private.execution_queue as q on q.execution_id = e.id
  where e.input ->> 'message' = question
  order by e.id desc limit 1
$$;
create function pg_temp.complete(question text, answer text) returns void
language sql security definer
as $$
  select private.complete_execution(t.run, t.token, jsonb_build_object('text', answer)) from pg_temp.token(question) as t
$$;
create function pg_temp.talk() returns text
language sql stable security definer
as $$
  select string_agg(m.sequence_number || ' ' || m.sender_type || ': ' || m.content, E'\n' order by m.sequence_number)
  from public.messages as m
$$;
create function pg_temp.wait_free() returns bigint
language sql stable security definer
as $$
  select count(*) from private.execution_queue where available_at <= now() or fencing_token is not null
$$;
grant execute on all functions in schema pg_temp to public;

-- The first message
select tests.sign_in(member) from ids;
select is(pg_temp.send(E'  Where is\n the tea?  '), null, 'a message is sent');
select results_eq(
  'select title, last_message, last_sequence_number, last_message_at from public.conversations',
  $$values ('Where is the tea?', 'Where is the tea?', 1, now())$$,
  'the conversation takes its title from it');
select results_eq(
  $$select e.status, e.session_id = e.conversation_id, e.agent_version_id = c.agent_version_id, e.trigger_source
    from public.conversations as c join public.messages as m on m.conversation_id = c.id
      cross join lateral public.execution(m) as e$$,
  $$values ('pending', true, true, 'user')$$,
  'and a run of the conversation''s version begins');
select is(pg_temp.send('And the sugar?'), null, 'another one may be sent at once');
select is(pg_temp.send('And milk?'), null, 'and another');
select is((select count(*) from public.executions where status = 'pending'), 3::bigint, 'each has its run');
select is(pg_temp.wait_free(), 1::bigint, 'of which one may start');
select is(pg_temp.send('Hello?', 'reject'), 'conversation_busy', 'reject refuses while one is being answered');
select is((select last_sequence_number from public.conversations), 3, 'and leaves nothing behind');

-- One at a time
select is(pg_temp.claim(), E'  Where is\n the tea?  ', 'the first is answered first');
select is(pg_temp.claim(), null, 'and alone');
select pg_temp.complete(E'  Where is\n the tea?  ', 'In the cupboard.');
select is(
  (select content || ' ' || sequence_number || ' ' || sender_type from public.messages order by sequence_number desc limit 1),
  'In the cupboard. 4 agent', 'its answer stands in the conversation');
select is((select last_message from public.conversations), 'In the cupboard.', 'which shows it in the list');
select is(
  (select execution_id from public.messages where sequence_number = 4),
  (select execution_id from public.messages where sequence_number = 1), 'the answer names the run that said it');
select is(pg_temp.claim(), 'And the sugar?', 'then the next has its turn');
select is(pg_temp.claim(), null, 'again alone');
select tests.sign_out();
select is(
  (select array_agg(sender_type || ': ' || content) from pg_temp.token('And the sugar?') as t, private.conversation_turns(t.run)),
  array[E'user:   Where is\n the tea?  ', 'agent: In the cupboard.', 'user: And the sugar?'],
  'a worker reads what was said up to the question, and nothing that still waits');
select private.fail_execution(t.run, t.token, 'provider_unavailable', 'Down.', 1) from pg_temp.token('And the sugar?') as t;
select is(pg_temp.wait_free() , 0::bigint, 'while a failed attempt waits to be tried again, nothing else starts');
update private.execution_queue set available_at = now() where available_at < 'infinity';
select is(pg_temp.claim(), 'And the sugar?', 'it is tried again');
select private.fail_execution(t.run, t.token, 'provider_refused', 'No.') from pg_temp.token('And the sugar?') as t;
select is((select count(*) from public.messages), 4::bigint, 'a run that failed says nothing');
select is(pg_temp.claim(), 'And milk?', 'and the next has its turn all the same');
select private.request_approvals(t.run, t.token, '[{"tool": "fridge"}]') from pg_temp.token('And milk?') as t;
select tests.sign_in(member) from ids;
select is(pg_temp.send('Bread?'), null, 'while a run waits for an approval');
select is(pg_temp.claim(), null, 'the conversation waits too');
select tests.sign_in(owner) from ids;
select is(
  (select tests.code_of(format('select public.decide_approval(%L, true)', id)) from public.execution_approvals), null,
  'an admin sees no question of it');
select tests.sign_in(member) from ids;
select isnt((select id from public.execution_approvals), null, 'its user does');
select public.decide_approval(id, true) from public.execution_approvals;
select is(pg_temp.claim(), 'And milk?', 'and when it is answered, the run goes on');
select public.cancel_execution(t.run) from pg_temp.token('And milk?') as t;
select is(pg_temp.claim(), 'Bread?', 'a run that is cancelled gives its turn away');

-- Cancelling what waits
select is(pg_temp.send('One'), null, 'of three messages that wait');
select is(pg_temp.send('Two'), null, '...');
select is(pg_temp.send('Three'), null, '...');
select public.cancel_execution(t.run) from pg_temp.token('Two') as t;
select is(pg_temp.claim(), null, 'one that is cancelled takes nobody''s turn');
select pg_temp.complete('Bread?', 'Yes.');
select is(pg_temp.claim(), 'One', 'the order stays');

-- Interrupting
select is(pg_temp.send('Stop. Four?', 'interrupt'), null, 'interrupt sends');
select set_eq(
  $$select input ->> 'message', status from public.executions where input ->> 'message' in ('One', 'Two', 'Three', 'Stop. Four?')$$,
  $$values ('One', 'cancelled'), ('Two', 'cancelled'), ('Three', 'cancelled'), ('Stop. Four?', 'pending')$$,
  'cancels what is being answered and what waits');
select is(pg_temp.claim(), 'Stop. Four?', 'and is answered next');
select is(pg_temp.send('Six?', 'wait'), 'strategy_unknown', 'there are no other strategies');
select pg_temp.complete('Stop. Four?', 'Four.');
select is(pg_temp.send('Fair.', 'reject'), null, 'reject sends when nothing is being answered');
select is(pg_temp.claim(), 'Fair.', '...');

-- Repeating
select is(
  (select tests.code_of(format('select public.retry_execution(%L)', run)) from pg_temp.token('One')), 'conversation_busy',
  'nothing is repeated while another is being answered');
select pg_temp.complete('Fair.', 'Thanks.');
select is(
  (select tests.code_of(format('select public.retry_execution(%L)', run)) from pg_temp.token('Stop. Four?')), null,
  'an answer can be asked for again');
select results_eq(
  $$select count(*), count(*) filter (where e.retry_of_id is not null)
    from public.messages as m, public.execution(m) as e where m.content = 'Stop. Four?'$$,
  'values (1::bigint, 1::bigint)', 'its question then names the new run');
select is(pg_temp.claim(), 'Stop. Four?', 'which is answered like any other');
select tests.sign_out();
select is(
  (select string_agg(content, ' ') from pg_temp.token('Stop. Four?') as t, private.conversation_turns(t.run, 2)),
  'Three Stop. Four?', 'as it was asked then: without the first answer and what came later');
select tests.sign_in(member) from ids;
select pg_temp.complete('Stop. Four?', 'Four, really.');
select is(
  (select tests.code_of(format('select public.retry_execution(%L)', min(e.id::text)))
   from public.executions as e where input ->> 'message' = 'Stop. Four?'),
  'execution_repeated', 'a run that was repeated is not repeated again, but its successor');

-- What is refused
select is(pg_temp.send(''), 'message_empty', 'an empty message is refused');
select is(pg_temp.send(E' \n'), 'message_empty', 'so is one of blanks');
select is(pg_temp.send(repeat('x', 1048577)), 'input_too_large', 'and one of over 1 MB');
select tests.sign_in(owner) from ids;
select is(pg_temp.send('Let me in.'), 'conversation_not_found', 'nobody speaks in somebody else''s conversation');
update public.agents set status = 'paused';
select tests.sign_in(member) from ids;
select is(pg_temp.send('Hello?'), 'agent_not_active', 'a paused agent does not answer');
select tests.sign_in(owner) from ids;
update public.agents set status = 'active';
select tests.sign_out();
update public.organizations set max_executions_per_month = 0 where id = (select org from ids);
select tests.sign_in(member) from ids;
select is(pg_temp.send('Hello?'), 'execution_quota_exceeded', 'the quota is asked when a message is sent');
select tests.sign_out();
update public.organizations set max_executions_per_month = 1000 where id = (select org from ids);
delete from public.organization_members as m using ids where m.user_id = ids.member and m.organization_id = ids.org;
select tests.sign_in(member) from ids;
select is(pg_temp.send('Hello?'), 'agent_not_found', 'who has left the organization speaks no more');
select isnt((select count(*) from public.messages), 0::bigint, 'but still reads what was said');
select tests.sign_out();
select tests.add_member(org, member, 'member') from ids;

-- What an answer may cost: what was said before is sent along.
update public.models set input_usd_per_million = 3, output_usd_per_million = 15 where id = 'demo/echo';
create function pg_temp.reserved(question text) returns numeric
language sql stable security definer
as $$
  select e.reserved_usd from public.executions as e, pg_temp.token(question) as t where e.id = t.run
$$;
create function pg_temp.price_of(question text, earlier_characters integer) returns numeric
language sql stable security definer
as $$
  select private.reservation(v, e.input, earlier_characters)
  from public.executions as e
    join public.agent_versions as v on v.id = e.agent_version_id
    cross join pg_temp.token(question) as t
  where e.id = t.run
$$;
grant execute on all functions in schema pg_temp to public;
select tests.sign_in(member) from ids;
with begun as (insert into public.conversations (agent_id) select agent from ids returning id)
update ids set conversation = begun.id from begun;
select pg_temp.send('One and one?');
select is(pg_temp.reserved('One and one?'), pg_temp.price_of('One and one?', 0), 'the first run of a conversation reserves itself alone');
select pg_temp.claim();
select pg_temp.complete('One and one?', 'Two.');
select pg_temp.send('And one?');
select is(
  pg_temp.reserved('And one?'), pg_temp.price_of('And one?', length('One and one?Two.')),
  'the next one the reading of what was said before');
select pg_temp.claim();
select pg_temp.complete('And one?', 'Three.');
select public.retry_execution(run) from pg_temp.token('And one?');
select is(
  pg_temp.reserved('And one?'), pg_temp.price_of('And one?', length('One and one?Two.')),
  'and so does its repetition');
select pg_temp.claim();
select pg_temp.complete('And one?', 'Three.');
select tests.sign_out();

-- An operator who deletes a run
select tests.sign_in(member) from ids;
select is(pg_temp.send('Lost?'), null, 'a message waits for its answer');
select is(pg_temp.send('Found?'), null, 'and another behind it');
select tests.sign_out();
delete from public.executions where input ->> 'message' = 'Lost?';
select is(pg_temp.claim(), 'Found?', 'when its run is deleted, the next has its turn');
select pg_temp.complete('Found?', 'Found.');

-- Deleting while an answer is on its way
select tests.sign_in(member) from ids;
select is(pg_temp.send('Going?'), null, 'a message is being answered');
select is(pg_temp.claim(), 'Going?', '...');
select is(pg_temp.send('Gone?'), null, 'another waits');
delete from public.conversations;
select tests.sign_out();
select is(
  (select array_agg(distinct status) from public.executions where input ->> 'message' in ('Going?', 'Gone?')), '{cancelled}',
  'a conversation that is deleted ends its runs');
select is_empty('select from private.execution_queue', 'and leaves none in the queue');
select is_empty('select * from private.recount()', 'every counter is right');

select * from finish();
rollback;
