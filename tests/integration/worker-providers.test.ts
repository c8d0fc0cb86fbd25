import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelServer, type Answer } from '../support/model-server.ts';
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
  await workshop.startWorker({
    OPENAI_API_KEY: 'sk-openai-of-the-operator',
    OPENAI_BASE_URL: server.url,
    ANTHROPIC_API_KEY: 'sk-ant-of-the-operator',
    ANTHROPIC_BASE_URL: server.url,
    OPENAI_COMPATIBLE_BASE_URL: server.url,
    OPENAI_COMPATIBLE_API_KEY: 'key-of-the-operator',
    WORKER_MODEL_IDLE_SECONDS: '3',
    WORKER_CONCURRENCY: '16',
  });
});
afterAll(async () => {
  await workshop?.close();
  await dropDatabase?.();
  await server?.stop();
});

/** Runs an agent on a model of this name that answers as scripted; every test has a name of its own. */
async function runOn(provider: string, name: string, ...answers: Answer[]) {
  if (answers.length > 0) server.script(name, ...answers);
  const agentId = await workshop.createAgent({ model: `${provider}/${name}` });
  const id = await workshop.run(agentId);
  return { id, run: await workshop.ended(id) };
}

const hello: Answer = { kind: 'stream', chunks: ['Hel', 'lo ', 'there.'] };

describe.concurrent.each(['openai', 'anthropic', 'openai-compatible'])('%s', (provider) => {
  test('streams an answer and records the step with its tokens', async () => {
    const { id, run } = await runOn(provider, `${provider}-hello`, hello);

    expect(run).toMatchObject({
      status: 'completed',
      attempt: 1,
      output: { text: 'Hello there.', finish_reason: 'stop' },
      prompt_tokens: 7,
      completion_tokens: 3,
    });
    expect(await workshop.watchedText(id)).toBe('Hello there.');
    expect(await workshop.steps(id)).toMatchObject([
      {
        step_type: 'llm_call',
        status: 'completed',
        model: `${provider}/${provider}-hello`,
        input: {
          messages: [
            { role: 'system', content: 'You are terse.' },
            { role: 'user', content: 'Hello?' },
          ],
        },
        output: { text: 'Hello there.' },
        prompt_tokens: 7,
        completion_tokens: 3,
      },
    ]);
  });

  test('is tried again after 429, not before Retry-After has passed', async () => {
    const startedAt = Date.now();
    const { id, run } = await runOn(
      provider,
      `${provider}-limited`,
      { kind: 'status', status: 429, headers: { 'retry-after': '2' } },
      hello,
    );

    expect(run).toMatchObject({ status: 'completed', attempt: 2, error_code: null });
    expect(Date.now() - startedAt).toBeGreaterThan(2000);
    expect(await workshop.steps(id)).toMatchObject([
      { attempt: 1, status: 'failed', error_message: expect.stringMatching(/limiting requests/) },
      { attempt: 2, status: 'completed' },
    ]);
    expect(await workshop.logLines(id)).toContainEqual(
      expect.stringMatching(
        /^warning: Attempt 1 of 3 failed \(provider_rate_limited\).*Trying again/,
      ),
    );
  });

  test('is tried again after 500', async () => {
    const { run } = await runOn(
      provider,
      `${provider}-shaky`,
      { kind: 'status', status: 500 },
      hello,
    );
    expect(run).toMatchObject({ status: 'completed', attempt: 2 });
  });

  test('fails when every try meets 500', async () => {
    const name = `${provider}-down`;
    const { id, run } = await runOn(provider, name, { kind: 'status', status: 503 });

    expect(run).toMatchObject({ status: 'failed', error_code: 'provider_unavailable', attempt: 3 });
    expect(server.requests(name)).toHaveLength(3);
    expect((await workshop.steps(id)).map((step) => step.status)).toEqual([
      'failed',
      'failed',
      'failed',
    ]);
  });

  test('is not tried again after 401', async () => {
    const name = `${provider}-locked`;
    const { id, run } = await runOn(provider, name, {
      kind: 'status',
      status: 401,
      error: { message: 'Incorrect API key provided', type: 'authentication_error' },
    });

    expect(run).toMatchObject({
      status: 'failed',
      error_code: 'provider_auth',
      error_message: expect.stringContaining('Incorrect API key provided'),
      attempt: 1,
    });
    expect(server.requests(name)).toHaveLength(1);
    expect(await workshop.steps(id)).toMatchObject([{ status: 'failed' }]);
  });

  test('starts over when the stream is cut, and watchers see one answer', async () => {
    const { id, run } = await runOn(
      provider,
      `${provider}-cut`,
      { kind: 'cut', chunks: ['Hel', 'p! The con'] },
      hello,
    );

    expect(run).toMatchObject({
      status: 'completed',
      attempt: 2,
      output: { text: 'Hello there.' },
    });
    expect(await workshop.watchedText(id)).toBe('Hello there.');
    expect((await workshop.steps(id))[0]).toMatchObject({
      status: 'failed',
      output: { text: 'Help! The con' },
    });
  });

  test('fails as interrupted when every stream ends early', async () => {
    const { id, run } = await runOn(provider, `${provider}-unfinished`, {
      kind: 'unfinished',
      chunks: ['Hel'],
    });

    expect(run).toMatchObject({ status: 'failed', error_code: 'stream_interrupted', attempt: 3 });
    expect(await workshop.watchedText(id)).toBe('Hel');
  });

  test('fails on a provider that never answers', async () => {
    const { run } = await runOn(provider, `${provider}-silent`, { kind: 'stall', chunks: [] });
    expect(run).toMatchObject({ status: 'failed', error_code: 'provider_timeout', attempt: 3 });
  });

  test('is tried again when the provider falls silent within its answer', async () => {
    const { run } = await runOn(
      provider,
      `${provider}-stalls`,
      { kind: 'stall', chunks: ['Hel'] },
      hello,
    );
    expect(run).toMatchObject({
      status: 'completed',
      attempt: 2,
      output: { text: 'Hello there.' },
    });
  });

  test.each(['text/event-stream', 'text/html'] as const)(
    'fails at once on garbage that calls itself %s',
    async (contentType) => {
      const { run } = await runOn(provider, `${provider}-${contentType}`, {
        kind: 'garbage',
        contentType,
      });
      expect(run).toMatchObject({
        status: 'failed',
        error_code: 'provider_bad_response',
        attempt: 1,
      });
    },
  );

  test('fails at once on an empty answer', async () => {
    const { run } = await runOn(provider, `${provider}-mute`, { kind: 'stream', chunks: [] });
    expect(run).toMatchObject({
      status: 'failed',
      error_code: 'provider_bad_response',
      attempt: 1,
    });
  });

  test('is tried again after an error within the stream', async () => {
    const { run } = await runOn(
      provider,
      `${provider}-overloaded`,
      {
        kind: 'error-event',
        chunks: ['Hel'],
        error: { message: 'Overloaded', type: 'overloaded_error' },
      },
      hello,
    );
    expect(run).toMatchObject({ status: 'completed', attempt: 2 });
  });

  test('fails at once when the answer is filtered', async () => {
    const { run } = await runOn(provider, `${provider}-filtered`, {
      kind: 'stream',
      chunks: ['I'],
      finish: 'content_filter',
    });
    expect(run).toMatchObject({ status: 'failed', error_code: 'provider_refused', attempt: 1 });
  });

  test('fails at once on a prompt that is too long', async () => {
    const { run } = await runOn(provider, `${provider}-long`, {
      kind: 'status',
      status: 400,
      error: { message: 'prompt is too long: 250000 tokens', type: 'invalid_request_error' },
    });
    expect(run).toMatchObject({ status: 'failed', error_code: 'context_too_long', attempt: 1 });
  });

  test('fails at once on a model that the provider does not know', async () => {
    const { run } = await runOn(provider, `${provider}-unheard-of`);
    expect(run).toMatchObject({ status: 'failed', error_code: 'model_unknown', attempt: 1 });
  });

  test('says so when the answer ended at the limit of tokens', async () => {
    const { id, run } = await runOn(provider, `${provider}-wordy`, {
      kind: 'stream',
      chunks: ['And', ' so'],
      finish: 'length',
    });
    expect(run).toMatchObject({
      status: 'completed',
      output: { text: 'And so', finish_reason: 'length' },
    });
    expect(await workshop.logLines(id)).toContainEqual(
      expect.stringMatching(/^warning: .*cut off/),
    );
  });
});

test('sends the settings of the version and renders the prompt once, values as data', async () => {
  server.script('settings', hello);
  const agentId = await workshop.createAgent(
    {
      model: 'openai-compatible/settings',
      system_prompt: 'Act as {{role}}; keep {{unknown}}.',
      user_prompt_template: 'Greet {{ role }}.',
      temperature: 0.25,
      max_tokens: 77,
    },
    { role: 'a {{role}} of ${roles}' },
  );
  await workshop.ended(await workshop.run(agentId, { message: 'Now, {{role}}!' }));

  expect(server.requests('settings')).toMatchObject([
    {
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer key-of-the-operator' },
      body: {
        temperature: 0.25,
        max_tokens: 77,
        stream: true,
        messages: [
          { role: 'system', content: 'Act as a {{role}} of ${roles}; keep {{unknown}}.' },
          { role: 'user', content: 'Greet a {{role}} of ${roles}.\n\nNow, {{role}}!' },
        ],
      },
    },
  ]);
});

test('stores answers that PostgreSQL would refuse', async () => {
  const { run } = await runOn('openai-compatible', 'odd-characters', {
    kind: 'stream',
    chunks: ['NUL\0, half \ud83d', ' and whole \ud83d', '\ude00'],
  });
  expect(run.output?.text).toBe('NUL\ufffd, half \ufffd and whole \u{1f600}');
});

test('sends an answer of many tokens in few batches', async () => {
  const { id, run } = await runOn('openai-compatible', 'chatty', {
    kind: 'stream',
    chunks: Array.from({ length: 300 }, (_, index) => `${index} `),
  });
  expect(run.status).toBe('completed');
  expect(await workshop.watchedText(id)).toBe(run.output?.text);
  expect((await workshop.deltas(id)).length).toBeLessThan(40);
});

test('calls no address that the operator did not allow', async () => {
  server.script('elsewhere', hello);
  const other = await ModelServer.start();
  const agentId = await workshop.createAgent({
    model: 'openai-compatible/elsewhere',
    configuration: { base_url: other.url },
  });
  const run = await workshop.ended(await workshop.run(agentId));

  expect(run).toMatchObject({ status: 'failed', error_code: 'provider_refused' });
  expect(run.error_message).toContain('MODEL_ORIGINS');
  expect(other.requests('elsewhere')).toHaveLength(0);
  await other.stop();
});

test('a model of a provider that nobody serves fails at once', async () => {
  const agentId = await workshop.createAgent({ model: 'demo/parrot' });
  const run = await workshop.ended(await workshop.run(agentId));
  expect(run).toMatchObject({ status: 'failed', error_code: 'model_unknown', attempt: 1 });
});
