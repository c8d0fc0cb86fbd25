import { afterAll, beforeAll, expect, test } from 'vitest';
import { ModelServer } from '../support/model-server.ts';
import { createDatabase } from '../support/stack.ts';
import { Workshop } from '../support/workshop.ts';

let server: ModelServer;
let workshop: Workshop;
let dropDatabase: () => Promise<void>;

beforeAll(async () => {
  server = await ModelServer.start();
  const database = await createDatabase();
  dropDatabase = database.drop;
  workshop = await Workshop.open(database.url);
  await workshop.startWorker({ OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: server.url });
});
afterAll(async () => {
  await workshop?.close();
  await dropDatabase?.();
  await server?.stop();
});

test('an agent answers a conversation in turn, and is told what was said before', async () => {
  server.script(
    'talk',
    { kind: 'stream', chunks: ['Hello ', 'Ada.'] },
    { kind: 'stream', chunks: ['You are Ada.'] },
  );
  const agentId = await workshop.createAgent({
    model: 'openai/talk',
    system_prompt: 'Be brief.',
    user_prompt_template: null,
  });
  const [first, second] = await workshop.say(agentId, 'I am Ada.', 'Who am I?');

  expect((await workshop.ended(first!)).output?.text).toBe('Hello Ada.');
  expect((await workshop.ended(second!)).output?.text).toBe('You are Ada.');
  const [step] = await workshop.steps(second!);
  expect(step!.input.messages).toMatchObject([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'I am Ada.' },
    { role: 'assistant', content: 'Hello Ada.' },
    { role: 'user', content: 'Who am I?' },
  ]);
});

test('an agent is told of the files that came with a message, now and before', async () => {
  server.script('files', { kind: 'stream', chunks: ['I cannot see it.'] });
  const agentId = await workshop.createAgent({ model: 'openai/files', system_prompt: 'Be brief.' });
  const file = { name: 'list.txt', type: 'text/plain', size: 4 };
  const runs = await workshop.say(
    agentId,
    { content: '', file },
    { content: 'And now?', file: { ...file, name: 'other.txt' } },
  );
  for (const run of runs) expect((await workshop.ended(run)).status).toBe('completed');

  const [step] = await workshop.steps(runs[1]!);
  expect(step!.input.messages.slice(1)).toEqual([
    { role: 'user', content: '[Attached file, not shown: list.txt (text/plain, 4 bytes)]' },
    { role: 'assistant', content: 'I cannot see it.' },
    {
      role: 'user',
      content: 'And now?\n\n[Attached file, not shown: other.txt (text/plain, 4 bytes)]',
    },
  ]);
});

test('whoever runs an agent that has tools learns that it answers without them', async () => {
  server.script('tools', { kind: 'stream', chunks: ['Seven.'] });
  const agentId = await workshop.createAgent({ model: 'openai/tools', name: 'Counter' });
  await workshop.sql`
    with tool as (
      insert into public.tools (name, description, tool_type, organization_id)
      values ('count', 'Counts', 'function', ${workshop.organizationId}) returning id)
    insert into public.agent_tools (agent_id, tool_id) select ${agentId}, id from tool`;
  await workshop.publish(agentId);
  const run = await workshop.run(agentId);

  expect((await workshop.ended(run)).status).toBe('completed');
  expect(await workshop.logLines(run)).toContain(
    'warning: Counter answers without its tools: workers of this version call none.',
  );
});
