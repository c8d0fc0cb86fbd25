// npm start: everything, from a built web app to a demo account, until Ctrl-C or SIGTERM. With --dev
// the web app and the worker take changes of the code in as they are made.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildWebApp } from './build.ts';
import { requireNotRunning } from './data-folder.ts';
import { StackFailure } from './failure.ts';
import { DEMO_EMAIL, loadFirstData } from './first-data.ts';
import { PROJECT, type Ports, dataDir, ports as portsOf } from './settings.ts';
import { type Stack, startStack } from './stack.ts';
import type { Part, Supervisor } from './supervisor.ts';

const VITE = join(PROJECT, 'node_modules', 'vite', 'bin', 'vite.js');
const READY_WITHIN_MS = 120_000;
const WEB_GRACE_MS = 5_000;
/** Longer than the worker gives the runs in its hands before it hands them back. */
const WORKER_GRACE_MS = 20_000;
const POLL_MS = 50;

const isDev = process.argv.includes('--dev');
const stopping = new AbortController();
const running = new AsyncDisposableStack();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort());
}
// Whoever started this is gone without a word, or reads no more.
process.on('disconnect', () => stopping.abort());
process.stdout.on('error', () => stopping.abort());
// A server inside this process broke: rather none than half a stack.
process.on('uncaughtException', giveUp);
let failure: unknown;
try {
  await start();
  if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
} catch (error) {
  giveUp(error);
}
if (failure === undefined) say('stopping');
await running.disposeAsync();
if (failure !== undefined) fail(failure);
else say('stopped');
process.exit();

async function start(): Promise<void> {
  const started = Date.now();
  const ports = portsOf(process.env);
  const appUrl = `http://127.0.0.1:${ports.app}`;
  await requireNotRunning(dataDir(process.env));

  // The stack comes up while the web app is being built.
  const building = isDev ? undefined : buildWebApp(say, { signal: stopping.signal });
  building?.catch(giveUp);
  const stack = await startStack({
    dataDir: dataDir(process.env),
    ports,
    siteUrl: appUrl,
    log: say,
    onFatal: giveUp,
  });
  running.defer(() => stack.stop());
  await building;
  stopping.signal.throwIfAborted();
  await loadFirstData(stack, say);

  stopping.signal.throwIfAborted();
  say('starting the worker and the web app');
  const parts = await Promise.allSettled([
    startWorker(stack),
    startWebApp(stack, ports.app, appUrl),
  ]);
  for (const part of parts) if (part.status === 'fulfilled') running.defer(() => part.value.stop());
  for (const part of parts) if (part.status === 'rejected') throw part.reason;
  await stack.announce();
  console.log(greeting(stack, ports, appUrl, Date.now() - started));
}

function startWorker({ supervisor, workerEnv }: Stack): Promise<Part> {
  // Whoever signs up here has this machine already: every address may be called.
  const { MODEL_ORIGINS = '*', WEBHOOK_ORIGINS = '*' } = process.env;
  const watch = isDev ? ['--watch', '--watch-preserve-output'] : [];
  return supervisor.start({
    name: 'worker',
    spawn: (log) =>
      spawnNode(
        supervisor,
        'worker',
        [...watch, join('src', 'worker', 'worker.ts')],
        { ...workerEnv, MODEL_ORIGINS, WEBHOOK_ORIGINS },
        log,
      ),
    // The first thing that a worker says.
    ready: async (child) => {
      await once(child, 'message', { signal: AbortSignal.timeout(READY_WITHIN_MS) });
    },
    stopSignal: 'SIGTERM',
    stopGraceMs: WORKER_GRACE_MS,
  });
}

function startWebApp(stack: Stack, port: number, appUrl: string): Promise<Part> {
  const server = isDev
    ? [VITE, 'dev', '--host', '127.0.0.1', '--port', String(port), '--strictPort']
    : [join('build', 'index.js')];
  const env = {
    PUBLIC_SUPABASE_URL: stack.supabaseUrl,
    PUBLIC_SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
    SUPABASE_URL: stack.supabaseUrl,
    HOST: '127.0.0.1',
    PORT: String(port),
    ORIGIN: appUrl,
    BODY_SIZE_LIMIT: '50M',
    SHUTDOWN_TIMEOUT: '3',
  };
  return stack.supervisor.start({
    name: 'web',
    spawn: (log) => spawnNode(stack.supervisor, 'web', server, env, log),
    ready: () => untilHealthy(`${appUrl}/healthz`),
    stopSignal: 'SIGTERM',
    stopGraceMs: WEB_GRACE_MS,
  });
}

function spawnNode(
  { folder }: Supervisor,
  name: string,
  args: string[],
  env: Record<string, string>,
  log: number,
): ChildProcess {
  const output = isDev ? 'inherit' : log;
  return spawn(process.execPath, [`--title=${folder.instance}-${name}`, ...args], {
    cwd: PROJECT,
    env: { ...process.env, ...env },
    // Out of the terminal's reach: on Ctrl-C the parts stop in order, not all at once.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let last = 'no answer';
  while (Date.now() < deadline) {
    try {
      const response = await fetch(url);
      last = await response.text();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await delay(POLL_MS, undefined, { signal: stopping.signal });
  }
  throw new StackFailure(`The web app is not healthy after ${READY_WITHIN_MS / 1000} s (${last})`);
}

/** Ends everything because of an error, unless it is ending already: what fails then is a consequence. */
function giveUp(error: unknown): void {
  if (!stopping.signal.aborted) failure = error;
  stopping.abort();
}

function fail(error: unknown): void {
  console.error(error instanceof StackFailure ? `\n${error.message}` : error);
  process.exitCode = 1;
}

function say(line: string): void {
  console.log(`  ${line}`);
}

function greeting(stack: Stack, ports: Ports, appUrl: string, elapsedMs: number): string {
  return `
Agentry is ready after ${(elapsedMs / 1000).toFixed(1)} s.

  Web app       ${appUrl}
  API           ${stack.supabaseUrl}
  PostgreSQL    127.0.0.1:${ports.db} (npm run -s stack:env says how to connect)
  Table editor  ${stack.studioUrl}
  Mailbox       ${stack.mailUrl}

  Demo sign-in  ${DEMO_EMAIL}, password ${stack.demoPassword}

Data, secrets and logs are in ${stack.supervisor.folder.path}. Ctrl-C stops everything.
`;
}
