import postgres from 'postgres';
import { expect, inject, it } from 'vitest';
import { signUp } from '../support/stack.ts';

it('people find, correct and delete over REST what an agent remembers about them, and nobody else does', async () => {
  const [person, other] = [await signUp('remembered'), await signUp('curious')];
  const { data: agent } = await person.client
    .from('agents')
    .insert({ organization_id: person.organizationId, name: 'Remembers' })
    .select('id')
    .single()
    .throwOnError();
  const sql = postgres(inject('databaseUrl'), { max: 1 });
  await sql`select private.remember(${agent.id}, ${person.id}, 'fact', 'Lives in Lisbon', null, '{1, 0}', 'test')`;
  await sql`select private.remember(${agent.id}, ${person.id}, 'fact', 'Has two cats', null, '{0, 1}', 'test')`;
  await sql.end();

  const { data: found } = await person.client
    .rpc('match_memories', { agent_id: agent.id, query: 'cats', embedding: [0.1, 0.9] })
    .throwOnError();
  expect(found.map(({ content }) => content)).toEqual(['Has two cats', 'Lives in Lisbon']);
  const byAddress = await person.client
    .rpc('match_memories', { agent_id: agent.id, query: 'Lisbon', match_count: 1 }, { get: true })
    .throwOnError();
  expect(byAddress.data).toHaveLength(1);

  const spied = await other.client
    .rpc('match_memories', { agent_id: agent.id, query: 'cats', user_id: person.id })
    .throwOnError();
  expect(spied.data).toEqual([]);

  await person.client
    .from('agent_memories')
    .update({ content: 'Lives in Porto' })
    .eq('content', 'Lives in Lisbon')
    .throwOnError();
  await person.client.from('agent_memories').delete().eq('content', 'Has two cats').throwOnError();
  const { data: left } = await person.client
    .from('agent_memories')
    .select('content, embedding')
    .throwOnError();
  expect(left).toEqual([{ content: 'Lives in Porto', embedding: null }]);
});
