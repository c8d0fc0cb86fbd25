import { afterEach, describe, expect, test, vi } from 'vitest';
import { findModel, type ModelContext } from '../../src/worker/providers.ts';

function context(overrides: Partial<ModelContext> & { tokens?: Record<string, string> } = {}) {
  const { tokens = {}, ...rest } = overrides;
  return {
    environment: {
      OPENAI_API_KEY: undefined,
      OPENAI_BASE_URL: undefined,
      ANTHROPIC_API_KEY: undefined,
      ANTHROPIC_BASE_URL: undefined,
      OPENAI_COMPATIBLE_API_KEY: undefined,
      OPENAI_COMPATIBLE_BASE_URL: undefined,
      MODEL_ORIGINS: undefined,
      ...rest.environment,
    },
    readToken: async (key: string) => tokens[key],
    baseUrl: undefined,
    parameters: {},
    ...rest,
  } as ModelContext;
}

const failingWith = (code: string) => expect.objectContaining({ code });

describe('finding a model', () => {
  test.each(['gpt-5', '', '/x', 'openai/', 'nobody/x', 'demo/parrot', 'constructor/x'])(
    '%j is unknown',
    async (reference) => {
      await expect(findModel(reference, context())).rejects.toThrow(failingWith('model_unknown'));
    },
  );

  test('names may contain slashes', async () => {
    const model = await findModel(
      'openai-compatible/meta/llama-3',
      context({ environment: { OPENAI_COMPATIBLE_BASE_URL: 'http://127.0.0.1:11434' } as never }),
    );
    expect(model.modelId).toBe('meta/llama-3');
  });

  test.each(['openai/gpt-5', 'anthropic/claude-opus-5-5'])('%s needs a key', async (reference) => {
    await expect(findModel(reference, context())).rejects.toThrow(failingWith('token_missing'));
  });

  test('a token serves as the key', async () => {
    const model = await findModel('openai/gpt-5', context({ tokens: { OPENAI_API_KEY: 'sk-1' } }));
    expect(model.modelId).toBe('gpt-5');
  });

  test('an OpenAI-compatible server must be set up', async () => {
    await expect(findModel('openai-compatible/x', context())).rejects.toThrow(
      failingWith('model_unknown'),
    );
  });
});

describe('an address that an agent names', () => {
  const at = (baseUrl: string, allowed?: string) =>
    findModel(
      'openai-compatible/x',
      context({
        baseUrl,
        environment: {
          OPENAI_COMPATIBLE_BASE_URL: 'http://models.internal:8000/v1',
          MODEL_ORIGINS: allowed,
        } as never,
      }),
    );

  test.each([
    ['http://169.254.169.254/latest', undefined],
    ['http://models.internal:9000/v1', undefined],
    ['https://models.internal:8000/v1', undefined],
    ['http://evil.test/http://models.internal:8000', undefined],
    ['http://models.internal:8000@evil.test/v1', 'https://api.example.com'],
    ['file:///etc/passwd', '*'],
    ['not a url', '*'],
  ])('%s is refused (allowed: %s)', async (address, allowed) => {
    await expect(at(address, allowed)).rejects.toThrow(failingWith('provider_refused'));
  });

  test.each([
    ['http://models.internal:8000/other/v1', undefined],
    ['https://api.example.com/v1', 'http://localhost:1234, https://api.example.com'],
    ['http://127.0.0.1:11434', '*'],
  ])('%s is taken (allowed: %s)', async (address, allowed) => {
    await expect(at(address, allowed)).resolves.toMatchObject({ modelId: 'x' });
  });
});

describe('the key of an OpenAI-compatible server', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** Which server is called, and the key that it gets. */
  async function keySent(tokens: Record<string, string>, baseUrl?: string) {
    const called = vi.fn<typeof fetch>(() => Promise.reject(new TypeError('fetch failed')));
    vi.stubGlobal('fetch', called);
    const model = await findModel(
      'openai-compatible/x',
      context({
        baseUrl,
        tokens,
        environment: {
          OPENAI_COMPATIBLE_BASE_URL: 'http://models.internal/v1',
          OPENAI_COMPATIBLE_API_KEY: 'operators',
          MODEL_ORIGINS: '*',
        } as never,
      }),
    );
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi' }] }];
    await expect(model.doGenerate({ prompt })).rejects.toThrow();
    const [url, init] = called.mock.calls[0]!;
    const key = new Headers(init?.headers).get('authorization');
    return `${new URL(String(url)).host}: ${key?.replace('Bearer ', '') ?? 'none'}`;
  }

  const key = { OPENAI_COMPATIBLE_API_KEY: 'runners' };
  const address = { OPENAI_COMPATIBLE_BASE_URL: 'http://mine.test/v1' };

  test.each([
    ['the operator', {}, undefined, 'models.internal: operators'],
    ['the runner, for the operator’s server', key, undefined, 'models.internal: runners'],
    ['the runner, for their own', { ...key, ...address }, undefined, 'mine.test: runners'],
  ])('is that of %s', async (_name, tokens, baseUrl, sent) => {
    expect(await keySent(tokens, baseUrl)).toBe(sent);
  });

  test.each([
    ['an address that its author chose', key, 'http://author.test/v1', 'author.test: none'],
    ['another port', key, 'http://models.internal:81/v1', 'models.internal:81: none'],
    [
      'the operator’s server, if the runner’s is another',
      { ...key, ...address },
      'http://models.internal/v1',
      'models.internal: operators',
    ],
    ['the runner’s own server', { ...key, ...address }, 'http://mine.test', 'mine.test: runners'],
  ])(
    'goes with an agent to %s only if it was saved for it',
    async (_name, tokens, baseUrl, sent) => {
      expect(await keySent(tokens, baseUrl)).toBe(sent);
    },
  );
});
