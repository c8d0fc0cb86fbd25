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
