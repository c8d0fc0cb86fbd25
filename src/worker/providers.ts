import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { LanguageModelV4 } from '@ai-sdk/provider';
import { echoModel } from './echo-model.ts';
import { RunFailure } from './failure.ts';
import { allowsOrigin, httpOrigin } from './origins.ts';
import type { ReadToken } from './secrets.ts';
import type { ProviderEnvironment } from './settings.ts';

/** What a provider may need to know about the run that it is called for. */
export type ModelContext = {
  environment: ProviderEnvironment;
  readToken: ReadToken;
  /** `base_url` of the agent's configuration. */
  baseUrl: string | undefined;
  /** For the demo model, which shows what it was given. */
  parameters: Record<string, unknown>;
};

/**
 * The model that `agents.model` names, `<provider>/<name>`, ready to be called. Keys come from the
 * runner's tokens, then the organization's, then the worker's environment.
 *
 * @throws RunFailure `model_unknown`, `token_missing`, or `provider_refused` for an address that is
 *   not allowed
 */
export async function findModel(
  reference: string,
  context: ModelContext,
): Promise<LanguageModelV4> {
  const slash = reference.indexOf('/');
  const provider = PROVIDERS.get(reference.slice(0, slash));
  const name = reference.slice(slash + 1);
  if (slash < 1 || !provider || !name) {
    throw new RunFailure(
      'model_unknown',
      `No provider serves the model ${reference}. Models are named ${[...PROVIDERS.keys()].join('/…, ')}/….`,
    );
  }
  return provider(name, context);
}

type Provider = (name: string, context: ModelContext) => Promise<LanguageModelV4>;

async function openai(name: string, context: ModelContext) {
  // Chat Completions rather than Responses: it is what gateways behind OPENAI_BASE_URL speak too.
  return createOpenAI({
    apiKey: await requireKey('OPENAI_API_KEY', context),
    baseURL: apiRoot(context.environment.OPENAI_BASE_URL),
  }).chat(name);
}

async function anthropic(name: string, context: ModelContext) {
  return createAnthropic({
    apiKey: await requireKey('ANTHROPIC_API_KEY', context),
    baseURL: apiRoot(context.environment.ANTHROPIC_BASE_URL),
  })(name);
}

async function openaiCompatible(name: string, context: ModelContext) {
  const { baseUrl, apiKey } = await compatibleServer(context);
  return createOpenAICompatible({
    name: 'openai-compatible',
    baseURL: baseUrl,
    apiKey,
    includeUsage: true,
    // A redirect would carry the prompt past the check of the address.
    fetch: (input, init) => fetch(input, { ...init, redirect: 'error' }),
  })(name);
}

async function demo(name: string, { parameters }: ModelContext) {
  if (name === 'echo') return echoModel(parameters);
  throw new RunFailure('model_unknown', `There is no demo model ${name}, only demo/echo.`);
}

const PROVIDERS = new Map<string, Provider>([
  ['openai', openai],
  ['anthropic', anthropic],
  ['openai-compatible', openaiCompatible],
  ['demo', demo],
]);

async function requireKey(
  key: 'OPENAI_API_KEY' | 'ANTHROPIC_API_KEY',
  { environment, readToken }: ModelContext,
): Promise<string> {
  const value = (await readToken(key)) ?? environment[key];
  if (!value) {
    throw new RunFailure(
      'token_missing',
      `The model needs the token ${key}, which is set neither for you nor for the organization.`,
    );
  }
  return value;
}

/**
 * Which server `openai-compatible/…` means, and the key for it: the agent's own, the runner's or the
 * organization's, else the operator's. The worker stands inside the operator's network, so an address
 * that a tenant chose is called only where the operator allows its origin. A key goes to the server of
 * whoever gave it alone: the agent's author could collect those of all who run it.
 */
async function compatibleServer({
  environment,
  readToken,
  baseUrl,
}: ModelContext): Promise<{ baseUrl: string; apiKey: string | undefined }> {
  const operators = apiRoot(environment.OPENAI_COMPATIBLE_BASE_URL);
  const runners = apiRoot(await readToken('OPENAI_COMPATIBLE_BASE_URL')) ?? operators;
  const chosen = apiRoot(baseUrl) ?? runners;
  if (!chosen) {
    throw new RunFailure(
      'model_unknown',
      'No OpenAI-compatible server is set up: the operator sets OPENAI_COMPATIBLE_BASE_URL.',
    );
  }
  const origin = originOf(chosen);
  const isAt = (address: string | undefined) =>
    address !== undefined && httpOrigin(address) === origin;
  const isOperators = isAt(operators);
  if (!isOperators && !allowsOrigin(environment.MODEL_ORIGINS, origin)) {
    throw new RunFailure(
      'provider_refused',
      `Agents may not call ${origin}: the operator allows addresses in MODEL_ORIGINS.`,
    );
  }
  const token = isAt(runners) ? await readToken('OPENAI_COMPATIBLE_API_KEY') : undefined;
  return {
    baseUrl: chosen,
    apiKey: token ?? (isOperators ? environment.OPENAI_COMPATIBLE_API_KEY : undefined),
  };
}

function originOf(address: string): string {
  const origin = httpOrigin(address);
  if (!origin) {
    throw new RunFailure('provider_refused', `${address} is not the address of an HTTP server.`);
  }
  return origin;
}

/** People give an address with and without the `/v1` that the API is under; a path is left as it is. */
function apiRoot(address: string | undefined): string | undefined {
  if (!address) return undefined;
  const url = URL.parse(address);
  return url?.pathname === '/' ? new URL('/v1', url).href : address;
}
