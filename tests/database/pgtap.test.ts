import { globSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { relative, sep } from 'node:path';
import postgres from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/**
 * Runs supabase/tests, one vitest test for each pgTAP assertion. Every file runs in a transaction of its
 * own that is rolled back; a file that stops early fails through its plan.
 */
const folder = 'supabase/tests';
const database = await createDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await sql.end();
  await database.drop();
});

await sql.unsafe(`create schema tap; set search_path = tap; ${pgTap()}`);
await sql.unsafe(`
  grant usage on schema tap to public;
  grant execute on all functions in schema tap to public;
  create schema tests;
  ${readFileSync(`${folder}/helpers.sql`, 'utf8')}`);

type Assertion = { passed: boolean; name: string; diagnosis: string };

for (const file of globSync(`${folder}/*/*.test.sql`).sort()) {
  const { assertions, planned, error } = await run(file);
  describe(
    relative(folder, file)
      .replace(/\.test\.sql$/, '')
      .split(sep)
      .join(' / '),
    () => {
      for (const { passed, name, diagnosis } of assertions) {
        it(name, () => expect(passed, diagnosis).toBe(true));
      }
      it('runs to the end of its plan', () => {
        expect(error).toBeUndefined();
        expect(assertions.length).toBe(planned);
      });
    },
  );
}

/** Runs one file and reads what it printed as TAP (https://testanything.org). */
async function run(file: string) {
  const lines: string[] = [];
  let error: string | undefined;
  try {
    await sql.unsafe('reset role; set search_path = public, extensions, tap');
    const results = await sql.unsafe(readFileSync(file, 'utf8')).simple();
    for (const row of (results as unknown as postgres.Row[][]).flat()) {
      lines.push(...Object.values(row ?? {}).flatMap((value) => String(value ?? '').split('\n')));
    }
  } catch (failure) {
    error = failure instanceof Error ? failure.message : String(failure);
    await sql.unsafe('rollback');
  }
  const assertions: Assertion[] = [];
  let planned: number | undefined;
  for (const line of lines) {
    const plan = /^1\.\.(\d+)$/.exec(line);
    const result = /^(not )?ok \d+(?: - (.*))?$/.exec(line);
    if (plan) planned = Number(plan[1]);
    else if (result) {
      assertions.push({ passed: !result[1], name: result[2] ?? '(unnamed)', diagnosis: '' });
    } else if (line.startsWith('#') && assertions.length > 0) {
      assertions.at(-1)!.diagnosis += `${line}\n`;
    }
  }
  return { assertions, planned, error };
}

/** pgTAP's installation script, from the archive in its npm package: a tar file holds plain 512-byte blocks. */
function pgTap(): string {
  const archive = gunzipSync(
    readFileSync('node_modules/@electric-sql/pglite-pgtap/dist/pgtap.tar.gz'),
  );
  for (let at = 0; at < archive.length;) {
    const name = archive.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = parseInt(archive.toString('utf8', at + 124, at + 136), 8);
    if (/\/pgtap--\d+\.\d+\.\d+\.sql$/.test(name)) {
      return archive.toString('utf8', at + 512, at + 512 + size);
    }
    at += 512 + Math.ceil((size || 0) / 512) * 512;
  }
  throw new Error('the pgTAP archive holds no installation script');
}
