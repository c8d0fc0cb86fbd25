import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { buildWebApp } from '../../src/stack/build.ts';
import { freePorts } from '../../src/stack/ports.ts';
import { startStack } from '../../src/stack/stack.ts';
import { ModelServer } from '../support/model-server.ts';
import { WorkerProcess } from '../support/workshop.ts';
import { MODELS, PRICED_MODEL } from './models.ts';

/**
 * Brings up what the journeys walk through, all of it real: the stack in a folder of its own, the built
 * web app, a worker. Only the model provider is the tests' own, on a real socket.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const running = new AsyncDisposableStack();
  try {
    const dataDir = await mkdtemp(join(tmpdir(), 'agentry-e2e-'));
    running.defer(() => rm(dataDir, { recursive: true, force: true }));
    const [api, db, studio, mail, app] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const appUrl = `http://127.0.0.1:${app}`;
    const [stack] = await Promise.all([
      startStack({ dataDir, ports: { api, db, studio, mail }, siteUrl: appUrl }),
      buildWebApp(() => undefined),
    ]);
    running.defer(() => stack.stop());
    await setPrice(stack.databaseUrl);

    const models = await ModelServer.start();
    running.defer(() => models.stop());
    for (const [model, answers] of Object.entries(MODELS)) models.script(model, ...answers);

    const worker = await WorkerProcess.start({
      ...stack.workerEnv,
      OPENAI_COMPATIBLE_BASE_URL: models.url,
    });
    running.defer(async () => void (await worker.kill('SIGKILL')));

    const web = spawn(process.execPath, [join('build', 'index.js')], {
      env: {
        ...process.env,
        PUBLIC_SUPABASE_URL: stack.supabaseUrl,
        PUBLIC_SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
        HOST: '127.0.0.1',
        PORT: String(app),
        ORIGIN: appUrl,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    running.defer(() => ended(web));
    await untilHealthy(`${appUrl}/healthz`);

    process.env.E2E_APP_URL = appUrl;
    process.env.E2E_SUPABASE_URL = stack.supabaseUrl;
    process.env.E2E_PUBLISHABLE_KEY = stack.publishableKey;
    process.env.E2E_MAIL_URL = stack.mailUrl;
    return () => running.disposeAsync();
  } catch (error) {
    await running.disposeAsync();
    throw error;
  }
}

/** Prices are the operator's to set: $100 a million tokens in, $200 out, so that small runs cost something. */
async function setPrice(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  const [provider, name] = PRICED_MODEL.split('/') as [string, string];
  await sql`
    insert into public.models (provider, name, title, context_window, max_output_tokens,
      input_usd_per_million, cached_input_usd_per_million, output_usd_per_million, source_url, priced_at)
    values (${provider}, ${name}, 'Priced model', 100000, 10000, 100, 10, 200,
      'https://example.com/prices', '2026-01-01')`;
  await sql.end();
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const response = await fetch(url).catch(() => null);
    if (response?.ok) return;
    await delay(50);
  }
  throw new Error(`${url} is not healthy after 20 s`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
