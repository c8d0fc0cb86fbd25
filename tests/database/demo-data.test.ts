import { readdirSync, readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { as } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/**
 * What the screens of the demo account show. Not here: what only time or others bring (reviews, installs,
 * purchases, usage, the history of schedules), what agents remember, which no person can write, and
 * what calls out or is secret (webhooks, tokens, keys).
 */
const SHOWN = [
  ...['agents', 'agent_versions', 'agent_parameters', 'agent_variables', 'agent_tags'],
  ...['agent_stats', 'executions', 'conversations', 'messages', 'marketplace_listings'],
  ...['listing_revisions', 'favorites', 'collections', 'collection_items', 'notifications'],
  ...['teams', 'team_agents', 'workflows', 'workflow_versions', 'schedules'],
  ...['eval_suites', 'eval_test_cases', 'eval_runs', 'eval_results', 'audit_logs'],
];
const SEEDS = readdirSync('supabase/seeds')
  .sort()
  .map((file) => readFileSync(`supabase/seeds/${file}`, 'utf8'));

const database = await createDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
let userId: string;

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  // Without the account there is nobody to load it for.
  expect(await load()).toBe(0);
  const [user] = await sql<{ id: string }[]>`select tests.create_user('demo') as id`;
  userId = user!.id;
  expect(await load()).toBeGreaterThan(0);
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** As `npm start` does: all files in one transaction. Answers with how many agents there are then. */
function load(): Promise<number> {
  return sql.begin(async (transaction) => {
    for (const seed of SEEDS) await transaction.unsafe(seed);
    const [agents] = await transaction<{ count: number }[]>`
      select count(*)::integer as count from public.agents`;
    return agents!.count;
  });
}

/** As the demo person sees it. */
function countRows(): Promise<Record<string, number>> {
  return as(userId, sql, async (transaction) => {
    const counts: Record<string, number> = {};
    for (const table of SHOWN) {
      const [row] = await transaction<{ count: number }[]>`
        select count(*)::integer as count from ${transaction(`public.${table}`)}`;
      counts[table] = row!.count;
    }
    return counts;
  });
}

it('gives the demo account something to see on every screen', async () => {
  const counts = await countRows();
  expect(SHOWN.filter((table) => counts[table] === 0)).toEqual([]);
});

it('changes nothing when it is loaded again', async () => {
  const before = await countRows();
  await load();
  expect(await countRows()).toEqual(before);
});

it('leaves counters that a recount confirms', async () => {
  expect(await sql`select * from private.recount()`).toEqual([]);
});

it('has six listings and more in the catalog, with one that waits for review and one draft', async () => {
  const listings = await sql<{ status: string; open: string | null }[]>`
    select l.status, r.status as open
    from public.marketplace_listings as l
      left join public.listing_revisions as r on r.listing_id = l.id and r.status <> 'approved'`;
  expect(listings.filter(({ status }) => status === 'listed').length).toBeGreaterThanOrEqual(6);
  expect(listings.flatMap(({ open }) => open ?? []).sort()).toEqual(['draft', 'pending_review']);
});

it('is found by a word with a typo', async () => {
  const found = await sql<{ title: string }[]>`
    select title from public.search_listings('migrtion')`;
  expect(found[0]).toEqual({ title: 'SQL migration reviewer' });
});

it('runs no workflow by itself, and nothing but offline models by schedule', async () => {
  expect(await sql`select id from public.executions where workflow_id is not null`).toEqual([]);
  expect(
    await sql`select id from public.schedules where enabled and workflow_id is not null`,
  ).toEqual([]);
  const models = await sql<{ model: string }[]>`
    select distinct a.model
    from public.schedules as s
      join public.agents as a on a.id = s.agent_id
    where s.enabled`;
  expect(models.map(({ model }) => model)).toEqual(['demo/echo']);
});
