import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, expect, it, vi } from 'vitest';
import { createDatabase } from '../support/stack.ts';

const database = await createDatabase();
const sql = postgres(database.url, { max: 4, onnotice: () => {} });
afterAll(async () => {
  await sql.end();
  await database.drop();
});

it.each(['team', 'workflow'])('a %s that two restore at once is restored once', async (kind) => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  const [owner] = await sql`select tests.create_user(${kind}) as id`;
  const [column, value] = {
    team: ['type', 'route'],
    workflow: [
      'definition',
      JSON.stringify({
        nodes: ['__start__', '__end__'].map((id) => ({ id, type: 'runnable' })),
        edges: [{ source: '__start__', target: '__end__' }],
      }),
    ],
  }[kind]!;
  const [made] = await sql.unsafe(
    `insert into public.${kind}s (organization_id, created_by_id, name, ${column}, deleted_at)
     values (tests.personal_organization($1), $1, 'Twice', '${value}', now()) returning id`,
    [owner!['id']],
  );
  const restore = (tx: postgres.TransactionSql) =>
    tx.unsafe(`select slug from public.restore_${kind}($1)`, [made!['id']]);

  let other: Promise<unknown> | undefined;
  await as(owner!['id'], async (tx) => {
    await restore(tx);
    other = as(owner!['id'], restore).catch((error: postgres.PostgresError) => error.detail);
    await vi.waitFor(async () => {
      const blocked = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      expect(blocked).toHaveLength(1);
    }, 10_000);
  });
  expect(await other).toBe(`${kind}_not_found`);
  const [found] = await sql.unsafe(`select slug from public.${kind}s where id = $1`, [made!['id']]);
  expect(found!['slug']).toBe('twice');
});

function as<T>(user: string, work: (tx: postgres.TransactionSql) => PromiseLike<T>) {
  return sql.begin(async (tx) => {
    await tx`select tests.sign_in(${user})`;
    return await work(tx);
  });
}
