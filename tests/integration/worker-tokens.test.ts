import { afterAll, beforeAll, expect, test } from 'vitest';
import { ModelServer } from '../support/model-server.ts';
import { createDatabase } from '../support/stack.ts';
import { Workshop, type WorkerProcess } from '../support/workshop.ts';

const secret = 'ghp_a-secret-of-the-runner';

let server: ModelServer;
let workshop: Workshop;
let worker: WorkerProcess;
let dropDatabase: () => Promise<void>;

beforeAll(async () => {
  server = await ModelServer.start();
  const database = await createDatabase();
  dropDatabase = database.drop;
  workshop = await Workshop.open(database.url);
  worker = await workshop.startWorker({
    AGENTRY_PRIVATE_KEY_FILE: await workshop.createKeyPair(),
    OPENAI_BASE_URL: server.url,
    OPENAI_API_KEY: 'sk-of-the-operator',
    OPENAI_COMPATIBLE_BASE_URL: server.url,
  });
});
afterAll(async () => {
  await workshop?.close();
  await dropDatabase?.();
  await server?.stop();
});

test("keys come from the runner's tokens, then the organization's, then the environment", async () => {
  server.script('keyed', { kind: 'stream', chunks: ['ok'] });
  const agentId = await workshop.createAgent({ model: 'openai/keyed' });
  const run = async () => workshop.ended(await workshop.run(agentId));

  await run();
  await workshop.setToken('OPENAI_API_KEY', 'sk-of-the-organization', 'organization');
  await run();
  await workshop.setToken('OPENAI_API_KEY', 'sk-of-the-runner', 'user');
  await run();

  expect(server.requests('keyed').map(({ headers }) => headers.authorization)).toEqual([
    'Bearer sk-of-the-operator',
    'Bearer sk-of-the-organization',
    'Bearer sk-of-the-runner',
  ]);
});

test('a secret in a prompt reaches the model and nothing that is stored or logged', async () => {
  server.script('leaky', {
    kind: 'stream',
    chunks: ['You sent ', ...secret, ' and ', secret.slice(0, 8), '.'],
    pauseMs: 30,
  });
  await workshop.setToken('GITHUB', secret, 'user');
  const agentId = await workshop.createAgent(
    { model: 'openai-compatible/leaky', system_prompt: 'Use {{github}}.' },
    { github: { token: 'GITHUB' } },
  );
  const id = await workshop.run(agentId);

  expect(await workshop.ended(id)).toMatchObject({
    status: 'completed',
    output: { text: 'You sent ••• and ghp_a-se.' },
  });
  expect(server.requests('leaky')[0]?.body.messages).toMatchObject([
    { content: `Use ${secret}.` },
    { content: 'Hello?' },
  ]);
  expect(await workshop.watchedText(id)).toBe('You sent ••• and ghp_a-se.');
  expect((await workshop.steps(id))[0]?.input.messages[0]?.content).toBe('Use •••.');
  expect(await everythingStored(id)).not.toContain(secret);
  expect(worker.output.join('\n')).not.toContain(secret);
});

test('a provider that quotes the key in its error does not give it away', async () => {
  server.script('quoting', {
    kind: 'status',
    status: 401,
    error: { message: 'Incorrect API key provided: sk-of-the-runner', type: 'auth' },
  });
  await workshop.setToken('OPENAI_API_KEY', 'sk-of-the-runner', 'user');
  const id = await workshop.run(await workshop.createAgent({ model: 'openai/quoting' }));

  expect(await workshop.ended(id)).toMatchObject({
    status: 'failed',
    error_code: 'provider_auth',
    error_message: expect.stringContaining('Incorrect API key provided: •••'),
  });
  expect(await everythingStored(id)).not.toContain('sk-of-the-runner');
});

test('a token that nobody set fails the run, and names it', async () => {
  const agentId = await workshop.createAgent(
    { model: 'demo/echo', system_prompt: '{{x}}' },
    { x: { token: 'NOBODY_SET_THIS' } },
  );
  expect(await workshop.ended(await workshop.run(agentId))).toMatchObject({
    status: 'failed',
    error_code: 'token_missing',
    error_message: expect.stringContaining('NOBODY_SET_THIS'),
    attempt: 1,
  });
});

test("a ciphertext that was moved to another token's row is refused", async () => {
  await workshop.setToken('CHEAP', 'worthless', 'user');
  await workshop.setToken('PRECIOUS', 'precious-value', 'organization');
  await workshop.sql`
    update private.token_values as v
    set ciphertext = (
      select w.ciphertext from private.token_values as w join public.tokens as t on t.id = w.token_id
      where t.key = 'PRECIOUS')
    from public.tokens as t
    where t.id = v.token_id and t.key = 'CHEAP'`;
  const agentId = await workshop.createAgent(
    { model: 'demo/echo', system_prompt: '{{x}}' },
    { x: { token: 'CHEAP' } },
  );
  const id = await workshop.run(agentId);

  expect(await workshop.ended(id)).toMatchObject({ status: 'failed', error_code: 'token_missing' });
  expect(await everythingStored(id)).not.toContain('precious-value');
});

/** Every row about a run, as text. */
async function everythingStored(id: string): Promise<string> {
  const [row] = await workshop.sql`
    select concat(
      (select jsonb_agg(e) from public.executions as e where e.id = ${id}),
      (select jsonb_agg(s) from public.execution_steps as s where s.execution_id = ${id}),
      (select jsonb_agg(l) from public.execution_logs as l where l.execution_id = ${id}),
      (select jsonb_agg(v) from public.execution_events as v where v.execution_id = ${id})) as text`;
  return row!.text;
}
