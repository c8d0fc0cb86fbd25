import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { StackFailure } from './failure.ts';
import { PROJECT } from './settings.ts';
import type { Stack } from './stack.ts';

const SEEDS = 'supabase/seeds';

/** The account that every embedded stack begins with; its password is random per installation. */
export const DEMO_EMAIL = 'demo@example.com';

/**
 * On the first start: the demo account, then the files of supabase/seeds in order, which may rely on it.
 * What was loaded is noted where the Supabase CLI notes it (`supabase db push --include-seed`), in the
 * seeds' own transaction, so that neither loads it again.
 */
export async function loadFirstData(stack: Stack, log: (line: string) => void): Promise<void> {
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`
      create table if not exists supabase_migrations.seed_files (
        path text primary key,
        hash text not null
      )`;
    const [loaded] = await sql`
      select from supabase_migrations.seed_files where path like ${`${SEEDS}/%`} limit 1`;
    if (loaded) return;
    log('loading reference and demo data');
    await createDemoAccount(stack);
    const files = (await readdir(join(PROJECT, SEEDS))).filter((file) => file.endsWith('.sql'));
    await sql.begin(async (transaction) => {
      for (const file of files.sort()) {
        const seed = await readFile(join(PROJECT, SEEDS, file), 'utf8');
        await transaction.unsafe(seed);
        await transaction`
          insert into supabase_migrations.seed_files (path, hash)
          values (${`${SEEDS}/${file}`}, encode(sha256(convert_to(${seed}, 'utf8')), 'hex'))`;
      }
    });
  } finally {
    await sql.end();
  }
}

/** As people sign up: through Auth, so that everything that follows from an account follows. */
async function createDemoAccount(stack: Stack): Promise<void> {
  const response = await fetch(`${stack.supabaseUrl}/auth/v1/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', apikey: stack.secretKey },
    body: JSON.stringify({
      email: DEMO_EMAIL,
      password: stack.demoPassword,
      data: { full_name: 'Demo' },
    }),
  });
  const answer = (await response.json()) as { error_code?: string };
  // A first start that was cut short may have come this far.
  if (response.ok || answer.error_code === 'user_already_exists') return;
  throw new StackFailure(`The demo account could not be made: ${JSON.stringify(answer)}`);
}
