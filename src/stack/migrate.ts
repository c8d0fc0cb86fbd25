import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { StackFailure } from './failure.ts';
import { PROJECT } from './settings.ts';

/**
 * Brings a database up to the newest of supabase/migrations. The history is the Supabase CLI's own
 * table, so that both may be used on one database. A failing migration rolls back and stops.
 *
 * @param databaseUrl as the role `postgres`, which owns what the migrations make
 * @returns how many were applied
 */
export async function migrate(databaseUrl: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)(
      dbmateProgram(),
      [
        '--migrations-dir',
        join(PROJECT, 'supabase', 'migrations'),
        '--migrations-table',
        'supabase_migrations.schema_migrations',
        '--no-dump-schema',
        'migrate',
      ],
      // Not as an argument: those are for everybody to see.
      { env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: withoutTls(databaseUrl) } },
    );
    const applied = stdout.match(/^Applied: /gm)?.length ?? 0;
    if (applied) await reloadRestSchema(databaseUrl);
    return applied;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const said = `${stdout}${stderr}`.trim();
    throw said ? new StackFailure(`Migrating failed.\n${said}`) : error;
  }
}

async function reloadRestSchema(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    await sql`notify pgrst`;
  } finally {
    await sql.end();
  }
}

/** dbmate insists on TLS unless told otherwise; the embedded server on loopback has none. */
function withoutTls(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (isLocal && !url.searchParams.has('sslmode')) url.searchParams.set('sslmode', 'disable');
  return url.href;
}

function dbmateProgram(): string {
  const name = `@dbmate/${process.platform}-${process.arch}`;
  try {
    return join(
      dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)),
      'bin',
      'dbmate',
    );
  } catch {
    throw new StackFailure(`There is no dbmate for ${process.platform} on ${process.arch}.`);
  }
}
