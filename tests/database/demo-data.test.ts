import { readdirSync, readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/** Every table that a screen of the demo account shows, and the rows that are its own there. */
const OWN_ROWS = {
  agents: 'organization_id = $2',
  agent_versions: 'organization_id = $2',
  agent_parameters: 'agent_id in (select id from public.agents where organization_id = $2)',
  agent_variables: 'agent_id in (select id from public.agents where organization_id = $2)',
  agent_tags: 'agent_id in (select id from public.agents where organization_id = $2)',
  executions: 'organization_id = $2',
  conversations: 'user_id = $1',
  messages: 'conversation_id in (select id from public.conversations where user_id = $1)',
  marketplace_listings: 'organization_id = $2',
  listing_revisions: 'organization_id = $2',
  favorites: 'user_id = $1',
  collections: 'user_id = $1',
  collection_items: 'collection_id in (select id from public.collections where user_id = $1)',
  notifications: 'user_id = $1',
  teams: 'organization_id = $2',
  team_agents: 'organization_id = $2',
  workflows: 'organization_id = $2',
  workflow_versions: 'organization_id = $2',
  schedules: 'organization_id = $2',
  eval_suites: 'organization_id = $2',
  eval_test_cases: 'suite_id in (select id from public.eval_suites where organization_id = $2)',
  eval_runs: 'organization_id = $2',
  eval_results: 'run_id in (select id from public.eval_runs where organization_id = $2)',
  audit_logs: 'organization_id = $2',
} as const;
const SEEDS = readdirSync('supabase/seeds')
  .sort()
  .map((file) => readFileSync(`supabase/seeds/${file}`, 'utf8'));

const database = await createDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
let userId: string;
let organizationId: string;

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  // Without the account there is nobody to load it for.
  expect(await load()).toBe(0);
  const [user] = await sql<{ id: string }[]>`select tests.create_user('demo') as id`;
  userId = user!.id;
  const [organization] = await sql<{ id: string }[]>`
    select tests.personal_organization(${userId}) as id`;
  organizationId = organization!.id;
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

async function countRows(): Promise<Record<string, number>> {
  const counts = Object.entries(OWN_ROWS).map(async ([table, condition]) => {
    const [row] = await sql.unsafe<{ count: number }[]>(
      `select count(*)::integer as count from public.${table}
       where $1::uuid is not null and $2::uuid is not null and ${condition}`,
      [userId, organizationId],
    );
    return [table, row!.count] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

it.each(Object.keys(OWN_ROWS))('gives the demo account something to see in %s', async (table) => {
  expect((await countRows())[table]).toBeGreaterThan(0);
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
