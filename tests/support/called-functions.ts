import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { readSecrets } from '../../src/stack/secrets.ts';

const SESSIONS_END_WITHIN_MS = 2000;

/** Has the cluster count the calls of every function, in every database of it, from now on. */
export async function countCalls(dataDir: string, databaseUrl: string): Promise<void> {
  const secrets = (await readSecrets(dataDir))!;
  const url = new URL(databaseUrl);
  url.username = 'supabase_admin';
  url.password = secrets.databasePasswords.supabase_admin;
  const sql = postgres(url.href, { max: 1 });
  await sql`alter system set track_functions = 'all'`;
  await sql`select pg_reload_conf()`;
  await sql.end();
}

/** Keeps the names of what was called in a database, before it is dropped. */
export async function noteCalls(dataDir: string, databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 });
  // A session hands in its counts when it ends, which takes a moment.
  for (const until = Date.now() + SESSIONS_END_WITHIN_MS; Date.now() < until; await delay(10)) {
    const [row] = await sql<[{ others: number }]>`
      select count(*)::int as others from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    if (row.others === 0) break;
  }
  const called = await sql`
    select schemaname || '.' || funcname as name from pg_stat_user_functions
    where schemaname in ('public', 'private')`;
  await sql.end();
  await appendFile(callsFile(dataDir), called.map(({ name }) => `${name}\n`).join(''));
}

/** The PL/pgSQL functions of ours that no database of this run has called. */
export async function neverCalled(dataDir: string, databaseUrl: string): Promise<string[]> {
  await noteCalls(dataDir, databaseUrl);
  const called = new Set((await readFile(callsFile(dataDir), 'utf8')).split('\n'));
  const sql = postgres(databaseUrl, { max: 1 });
  const functions = await sql`
    select distinct p.pronamespace::regnamespace || '.' || p.proname as name
    from pg_proc as p
      join pg_language as l on l.oid = p.prolang
    where l.lanname = 'plpgsql'
      and p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
    order by 1`;
  await sql.end();
  return functions.map(({ name }) => String(name)).filter((name) => !called.has(name));
}

function callsFile(dataDir: string): string {
  return join(dataDir, 'called-functions.txt');
}
