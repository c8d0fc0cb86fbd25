-- Memories: about whom, who sees, corrects and deletes them, how they are kept and how they are ranked.
begin;
select plan(60);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('stranger') as stranger, null::uuid as org, null::uuid as agent,
  null::uuid as other_agent, gen_random_uuid() as session, null::uuid as memory;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;
select tests.sign_in(owner) from ids;
insert into public.agents (organization_id, name, visibility)
select org, 'Clerk', 'organization'::public.agent_visibility from ids
union all
select org, 'Other', 'organization' from ids;
update ids
set agent = (select id from public.agents where name = 'Clerk'),
  other_agent = (select id from public.agents where name = 'Other');
select throws_ok(
  $$select private.remember(agent, owner, 'fact', 'x') from ids$$, '42501', null, 'people do not call what workers call');
select throws_ok(
  $$insert into public.agent_memories (organization_id, agent_id, user_id, memory_type, content)
    select org, agent, owner, 'fact', 'I am the boss' from ids$$,
  '42501', null, 'nor do they make agents remember');

-- Remembering
select tests.sign_out();
update ids set memory = private.remember(agent, member, 'preference', 'Likes green tea in the morning', null,
  '{3, 0, 4}', 'test/three', 0.4);
select results_eq(
  'select organization_id, embedding, embedding_model, importance_score, access_count from public.agent_memories',
  $$select org, '{0.6, 0, 0.8}'::real[], 'test/three', 0.4, 0 from ids$$,
  'a memory is kept with its vector, of length 1');
select is(
  (select private.remember(agent, member, 'preference', 'Likes green tea in the morning', importance_score => 0.9) from ids),
  (select memory from ids), 'the same words again are the same memory');
select results_eq(
  'select importance_score, embedding is not null from public.agent_memories', 'values (0.90, true)',
  'which matters more now, and keeps its vector');
select isnt(
  (select private.remember(agent, member, 'preference', 'Likes green tea in the morning', session) from ids),
  (select memory from ids), 'in a session they are another');
select is(
  (select private.remember(gen_random_uuid(), member, 'fact', 'x') from ids), null, 'an agent that is gone remembers nothing');
select is(
  (select private.remember(agent, gen_random_uuid(), 'fact', 'x') from ids), null, 'of nobody');
select throws_ok(
  $$select private.remember(agent, member, 'rumour', 'x') from ids$$, '23514', null, 'a memory is of a known type');
select throws_ok(
  $$select private.remember(agent, member, 'fact', ' ') from ids$$, '23514', null, 'and says something');
select throws_ok(
  $$select private.remember(agent, member, 'fact', 'x', embedding => '{1, null}', embedding_model => 'm') from ids$$,
  '23514', null, 'a vector has all its numbers');
select throws_ok(
  $$select private.remember(agent, member, 'fact', 'x', embedding => '{1}') from ids$$,
  '23514', null, 'and a model that made it');
select private.remember(agent, stranger, 'fact', 'Says nothing', null, '{0, 0}', 'test/two') from ids;
select results_eq(
  $$select embedding, embedding_model from public.agent_memories, ids where user_id = stranger$$,
  'values (null::real[], null::text)', 'a vector without direction is none, and made by no model');
select is(
  (select private.embed_memory(m.id, 'Says nothing', '{0, 0, 0}', 'test/three') from public.agent_memories as m, ids
    where m.user_id = stranger), true, 'also when it comes later');
delete from public.agent_memories using ids where user_id = stranger;
select private.remember(agent, owner, 'fact', 'Signs the contracts', null, '{1, 0, 0}', 'test/three'),
  private.remember(other_agent, member, 'fact', 'Drinks coffee here', null, '{1, 0, 0}', 'test/three')
from ids;

-- Who sees
select tests.sign_in(member) from ids;
select is((select count(*) from public.agent_memories), 3::bigint, 'people read what is remembered about them');
select tests.sign_in(owner) from ids;
select set_eq(
  'select content from public.agent_memories', array['Signs the contracts'],
  'and nothing about others, not even as owner of the organization and the agent');
select is_empty($$delete from public.agent_memories where content ~ 'tea' returning 1$$, 'which they cannot delete');
select is_empty($$update public.agent_memories set content = 'x' where content ~ 'tea' returning 1$$, 'or change');
select is_empty(
  $$select from ids, public.match_memories(agent, 'tea', member)$$, 'or find by asking for somebody else');
select tests.sign_in(stranger) from ids;
select is_empty('select from public.agent_memories', 'a stranger sees none');
select is_empty($$select from ids, public.match_memories(agent, 'tea', member)$$, 'and finds none');
select tests.sign_in_as_anon();
select throws_ok('select from public.agent_memories', '42501', null, 'a visitor neither');
select throws_ok($$select public.match_memories(gen_random_uuid(), 'tea')$$, '42501', null, 'nor finds');
select tests.sign_in_with_key(member, org, 'agents:read') from ids;
select is_empty('select from public.agent_memories', 'a key without memory:read sees none');
select tests.sign_in_with_key(member, org, 'memory:read') from ids;
select is((select count(*) from public.agent_memories), 3::bigint, 'one with it does');
select isnt_empty($$select from ids, public.match_memories(agent, 'tea')$$, 'and finds');
select is_empty($$update public.agent_memories set content = 'x' returning 1$$, 'but corrects none');
select is_empty($$delete from public.agent_memories returning 1$$, 'and deletes none');
select tests.sign_out();
select tests.sign_in_with_key(member, tests.personal_organization(member), 'memory:read', 'memory:write') from ids;
select is_empty('select from public.agent_memories', 'a key of another organization sees none of it');

-- Correcting and deleting
select tests.sign_in(member) from ids;
select isnt_empty(
  $$update public.agent_memories set content = 'Likes black tea' from ids where id = memory returning 1$$,
  'people correct what is wrong');
select results_eq(
  'select embedding, embedding_model from public.agent_memories, ids where id = memory',
  'values (null::real[], null::text)', 'the vector of the old words goes with them');
select throws_ok(
  $$update public.agent_memories set user_id = user_id$$, '42501', null, 'about whom it is stays');
select throws_ok(
  $$update public.agent_memories set embedding = '{1}'$$, '42501', null, 'vectors are not theirs to write');
select tests.sign_out();
select is(
  (select private.embed_memory(memory, 'Likes green tea in the morning', '{0, 1, 0}', 'test/three') from ids), false,
  'a worker that embeds words that have changed is refused');
select is(
  (select private.embed_memory(memory, 'Likes black tea', '{0, 2, 0}', 'test/three') from ids), true,
  'one that embeds the present ones is not');
select is(
  (select embedding from public.agent_memories, ids where id = memory), '{0, 1, 0}'::real[], 'they have their vector');

-- Using
select private.touch_memories(array[memory, memory]) from ids;
select private.touch_memories(array[memory]) from ids;
select results_eq(
  'select access_count, last_accessed_at is not null from public.agent_memories, ids where id = memory',
  'values (2, true)', 'a use counts');

-- Ranking
select private.remember(agent, member, 'fact', 'Works in Lisbon', null, '{0, 0, 1}', 'test/three'),
  private.remember(agent, member, 'fact', 'Has two cats called Ada and Grace', null, '{1, 0, 0}', 'test/three'),
  private.remember(agent, member, 'task', 'Book the train to Porto', session, '{0.9, 0.1, 0}', 'test/three'),
  private.remember(agent, member, 'fact', 'Has four dimensions', null, '{1, 0, 0, 0}', 'test/four'),
  private.remember(agent, member, 'fact', 'Was here once', expires_at => now() - interval '1 minute')
from ids;
select tests.sign_in(member) from ids;
select is(
  (select content from ids, public.match_memories(agent, '', embedding => '{5, 0, 0}') limit 1),
  'Has two cats called Ada and Grace', 'the closest in meaning comes first');
select is(
  (select content from ids, public.match_memories(agent, 'Which cat?') limit 1),
  'Has two cats called Ada and Grace', 'without a vector words decide, in all their forms');
select is(
  (select content from ids, public.match_memories(agent, 'Lisbon', embedding => '{0.6, 0, 0.8}') limit 1),
  'Works in Lisbon', 'meaning and words add up');
select ok(
  (select bool_and(score between 0 and 1) from ids, public.match_memories(agent, 'tea in Lisbon', embedding => '{1, 0, 1}')),
  'a score is 0 to 1');
select is(
  (select content from ids, public.match_memories(agent, null) limit 1), 'Likes black tea',
  'without a question importance and recency decide');
select is_empty(
  $$select from ids, public.match_memories(agent, 'train') as m where m.session_id is not null$$,
  'what belongs to a session stays in it');
select is(
  (select content from ids, public.match_memories(agent, 'train', session_id => session) limit 1),
  'Book the train to Porto', 'and is found there');
select is_empty(
  $$select from ids, public.match_memories(agent, 'coffee', session_id => session) as m where m.content ~ 'coffee'$$,
  'what another agent remembers is not found');
select is_empty(
  $$select from ids, public.match_memories(agent, 'here once') as m where m.content ~ 'once'$$,
  'nor what has expired');
select is(
  (select content from ids, public.match_memories(agent, '', embedding => '{1, 0, 0, 0}') limit 1),
  'Has four dimensions', 'vectors of one length are compared with their own kind');
select is((select count(*) from ids, public.match_memories(agent, 'x', match_count => 2)), 2::bigint, 'as many as asked for');
select is((select count(*) from ids, public.match_memories(agent, 'x', match_count => 0)), 1::bigint, 'at least one');
select lives_ok(
  $$select public.match_memories(agent, 'it''s & | ! (', embedding => '{0, 0, 0}') from ids$$,
  'no question is malformed, and a vector without direction is none');

select isnt_empty($$delete from public.agent_memories using ids where id = memory returning 1$$, 'people delete what they want forgotten');
select tests.sign_out();
select private.forget_expired_memories();
select is_empty($$select from public.agent_memories where content ~ 'once'$$, 'upkeep forgets what was for a time only');
select is(
  (select count(*) from public.agent_memories, ids where user_id = member), 6::bigint, 'and nothing else');

-- Leaving
select tests.sign_in(member) from ids;
select is(
  jsonb_array_length(public.export_my_data() -> 'memories'), 6, 'memories are in what people take along');
select ok(not (public.export_my_data() #> '{memories,0}') ? 'embedding', 'without vectors');
select tests.sign_out();
delete from public.organization_members using ids where organization_id = org and user_id = member;
select tests.sign_in(member) from ids;
select is((select count(*) from public.agent_memories), 6::bigint, 'who leaves the organization still sees what is remembered');
select tests.sign_in_with_key(member, org, 'memory:read') from ids;
select is_empty('select from public.agent_memories', 'their keys do not');
select tests.sign_in(member) from ids;
select public.delete_my_account();
select tests.sign_out();
select is_empty('select from public.agent_memories, ids where user_id = member', 'a deleted account takes its memories along');
delete from public.agents using ids where id = agent;
select is_empty('select from public.agent_memories, ids where agent_id = agent', 'and an agent that is purged its own');
select is(
  private.use_pgvector(), exists (select from pg_available_extensions where name = 'vector'),
  'pgvector is used where it is at hand');

select * from finish();
rollback;
