import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';

/** A variable that is set to nothing counts as not set: that is how shells and .env files clear one. */
const text = z.preprocess((value) => (value === '' ? undefined : value), z.string().optional());
const url = z.preprocess((value) => (value === '' ? undefined : value), z.url().optional());
const count = (fallback: number, minimum = 1, maximum = Number.MAX_SAFE_INTEGER) =>
  z.preprocess(
    (value) => (value === '' ? undefined : value),
    z.coerce.number().int().min(minimum).max(maximum).default(fallback),
  );

const environmentSchema = z.object({
  DATABASE_URL: z.url({
    protocol: /^postgres(ql)?$/,
    error: 'must be a postgres:// URL',
  }),
  /** Armored OpenPGP private keys that open people's tokens; several while keys are being rotated. */
  AGENTRY_PRIVATE_KEY_FILE: text,

  WORKER_CONCURRENCY: count(8),
  /** How long a worker that died keeps its runs; renewed every two seconds or sooner. */
  WORKER_LEASE_SECONDS: count(8, 3),
  /** How long runs may go on after SIGTERM before they are handed back. */
  WORKER_GRACE_SECONDS: count(10, 0),
  /** Silence of a provider, before or within its answer, that ends a try. */
  WORKER_MODEL_IDLE_SECONDS: count(120),
  /** The wait before a second try; it doubles with each further one. */
  WORKER_RETRY_MS: count(1000),

  OPENAI_API_KEY: text,
  OPENAI_BASE_URL: url,
  ANTHROPIC_API_KEY: text,
  ANTHROPIC_BASE_URL: url,
  OPENAI_COMPATIBLE_API_KEY: text,
  OPENAI_COMPATIBLE_BASE_URL: url,
  /** Origins that agents may name as `base_url`, separated by commas; `*` allows every one. */
  MODEL_ORIGINS: text,

  /** Origins that webhooks may call inside private networks, separated by commas; `*` is everywhere. */
  WEBHOOK_ORIGINS: text,
  /** How long a receiver of a webhook may take to answer: well within the claim of two minutes. */
  WEBHOOK_TIMEOUT_SECONDS: count(15, 1, 60),
});

/** Keys and addresses of model providers that the operator gave this worker. */
export type ProviderEnvironment = Pick<
  z.infer<typeof environmentSchema>,
  | 'OPENAI_API_KEY'
  | 'OPENAI_BASE_URL'
  | 'ANTHROPIC_API_KEY'
  | 'ANTHROPIC_BASE_URL'
  | 'OPENAI_COMPATIBLE_API_KEY'
  | 'OPENAI_COMPATIBLE_BASE_URL'
  | 'MODEL_ORIGINS'
>;

export type Settings = {
  /** Names this process in leases and logs. */
  workerName: string;
  databaseUrl: string;
  privateKeys: string | undefined;
  concurrency: number;
  leaseSeconds: number;
  graceMs: number;
  modelIdleMs: number;
  retryMs: number;
  providers: ProviderEnvironment;
  webhooks: { origins: string | undefined; timeoutMs: number };
};

/** Reads the worker's settings; throws one Error that names every variable that is wrong. */
export async function readSettings(environment: NodeJS.ProcessEnv): Promise<Settings> {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) =>
        `${path.join('.')}: ${environment[String(path[0])] ? message : 'is not set'}`,
    );
    throw new Error(`The worker cannot start. ${problems.join('; ')}`);
  }
  const env = parsed.data;
  return {
    workerName: `${hostname()}:${process.pid}`,
    databaseUrl: env.DATABASE_URL,
    privateKeys: env.AGENTRY_PRIVATE_KEY_FILE
      ? await readFile(env.AGENTRY_PRIVATE_KEY_FILE, 'utf8')
      : undefined,
    concurrency: env.WORKER_CONCURRENCY,
    leaseSeconds: env.WORKER_LEASE_SECONDS,
    graceMs: env.WORKER_GRACE_SECONDS * 1000,
    modelIdleMs: env.WORKER_MODEL_IDLE_SECONDS * 1000,
    retryMs: env.WORKER_RETRY_MS,
    providers: env,
    webhooks: { origins: env.WEBHOOK_ORIGINS, timeoutMs: env.WEBHOOK_TIMEOUT_SECONDS * 1000 },
  };
}

/** The keys that the operator gave this worker: they must not be written down. */
export function operatorKeys({ providers }: Settings): string[] {
  return [
    providers.OPENAI_API_KEY,
    providers.ANTHROPIC_API_KEY,
    providers.OPENAI_COMPATIBLE_API_KEY,
  ].filter((key) => key !== undefined);
}
