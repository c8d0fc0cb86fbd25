import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/**
 * The hottest queries at a million executions, 100,000 agents, each with a listing, and 1,000
 * organizations: how each is planned as the person who asks it, under row-level security, and what that
 * security costs beside the same query with the tenant's filter written by hand. Either way the query
 * stands in the transaction that PostgREST sends for a read, pre-request function included, so that the
 * share is that of a request's work in the database. Figures are printed; asserted are the plans, and
 * the share of throughput that is left.
 */
const LEAST_SHARE = 0.75;
const database = await createDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await sql.end();
  await database.drop();
});

await sql.unsafe(readFileSync('tests/prove/scale.sql', 'utf8'));
await sql`vacuum analyze`;
const [world] = await sql`
  select o.id as organization,
    (select m.user_id from public.organization_members as m where m.organization_id = o.id and m.role = 'owner') as owner,
    (select m.user_id from public.organization_members as m where m.organization_id = o.id and m.role = 'member' limit 1) as member,
    (select a.id from public.agents as a where a.organization_id = o.id order by a.id desc limit 1) as agent,
    (select e.id from public.executions as e where e.organization_id = o.id order by e.id desc limit 1) as execution,
    (select c.id from public.conversations as c join public.organization_members as m using (organization_id, user_id)
      where c.organization_id = o.id and m.role = 'owner' limit 1) as conversation,
    (select r.agent_id from public.agent_reviews as r group by r.agent_id order by count(*) desc limit 1) as reviewed,
    (select l.id from public.marketplace_listings as l order by l.trending_score desc, l.id limit 1) as listing,
    (select s.cursor from public.search_listings(sort => 'trending') as s offset 23) as cursor,
    private.uuid_v7_floor(now() - interval '7 days') as week
  from public.organizations as o
  where o.slug = 'organization-1'`;
const {
  organization,
  owner,
  member,
  agent,
  execution,
  conversation,
  reviewed,
  listing,
  cursor,
  week,
} = world as unknown as Record<string, string>;
const sessions = new Map(
  (
    await sql`select s.user_id, s.id from auth.sessions as s where s.user_id in (${owner!}, ${member!})`
  ).map((row) => [row['user_id'] as string, row['id'] as string]),
);

type Query = {
  name: string;
  /** Whose request it is; a visitor's when left out. */
  as?: string;
  text: string;
  limit?: number;
  /** The same rows as somebody finds them whom no policy stops. */
  byHand?: string;
};

type Request = { as?: string | undefined; role: string; text: string; values: string[] };

const runs = `select e.id, e.status, e.agent_id, e.created_at, e.latency_ms, e.total_tokens, e.cost_usd
  from public.executions as e where e.organization_id = '${organization}'`;
const agents = `select a.id, a.name, a.slug, a.status, a.visibility, a.updated_at
  from public.agents as a where a.organization_id = '${organization}'`;
const conversations = `select c.id, c.agent_id, c.title, c.last_message, c.last_message_at
  from public.conversations as c where c.organization_id = '${organization}'`;
const queries: Query[] = [
  {
    name: 'runs, newest first',
    as: owner!,
    text: `${runs} order by e.id desc`,
    byHand: `${runs} order by e.id desc`,
    limit: 20,
  },
  {
    name: 'runs, the next page',
    as: owner!,
    text: `${runs} and e.id < '${week}' order by e.id desc`,
    byHand: `${runs} and e.id < '${week}' order by e.id desc`,
    limit: 20,
  },
  {
    name: 'runs that failed',
    as: owner!,
    text: `${runs} and e.status = 'failed' order by e.id desc`,
    limit: 20,
  },
  {
    name: 'runs of one agent',
    as: owner!,
    text: `${runs} and e.agent_id = '${agent}' order by e.id desc`,
    limit: 20,
  },
  {
    name: "a member's own runs",
    as: member!,
    text: `${runs} and e.user_id = '${member}' order by e.id desc`,
    limit: 20,
  },
  {
    name: 'runs of the last week, counted by status',
    as: owner!,
    text: `select e.status, count(*) from public.executions as e where e.organization_id = '${organization}' and e.id > '${week}' group by 1`,
  },
  {
    name: 'one run',
    as: owner!,
    text: `select e.* from public.executions as e where e.id = '${execution}'`,
    byHand: `select e.* from public.executions as e where e.id = '${execution}' and e.organization_id = '${organization}'`,
  },
  {
    name: 'the steps of a run',
    as: owner!,
    text: `select s.* from public.execution_steps as s where s.execution_id = '${execution}' order by s.sequence_number`,
  },
  {
    name: 'agents, newest first',
    as: owner!,
    text: `${agents} order by a.created_at desc, a.id`,
    byHand: `${agents} and a.deleted_at is null order by a.created_at desc, a.id`,
    limit: 20,
  },
  {
    name: 'agents, as a member',
    as: member!,
    text: `${agents} order by a.created_at desc, a.id`,
    byHand: `${agents} and a.deleted_at is null and (a.visibility <> 'private' or a.created_by_id = '${member}') order by a.created_at desc, a.id`,
    limit: 20,
  },
  {
    name: 'one agent by its slug',
    as: owner!,
    text: `select a.* from public.agents as a where a.organization_id = '${organization}' and a.slug = 'agent-100000'`,
  },
  {
    name: 'the versions of an agent',
    as: owner!,
    text: `select v.* from public.agent_versions as v where v.agent_id = '${agent}' order by v.id desc`,
    limit: 20,
  },
  {
    name: 'the state of an agent',
    as: owner!,
    text: `select public.runtime_status(a) from public.agents as a where a.id = '${agent}'`,
  },
  {
    name: 'the counts of an agent',
    as: owner!,
    text: `select s.* from public.agent_stats as s where s.agent_id = '${agent}'`,
  },
  {
    name: "one's organizations",
    as: owner!,
    text: `select o.* from public.organization_members as m join public.organizations as o on o.id = m.organization_id where m.user_id = '${owner}'`,
  },
  {
    name: 'the members of an organization',
    as: owner!,
    text: `select m.role, p.username from public.organization_members as m join public.profiles as p on p.id = m.user_id where m.organization_id = '${organization}'`,
  },
  {
    name: 'the catalog, trending',
    text: `select * from public.search_listings(sort => 'trending')`,
  },
  {
    name: 'the catalog, the next page',
    text: `select * from public.search_listings(sort => 'trending', after => '${cursor}')`,
  },
  {
    name: 'the catalog, best rated',
    text: `select * from public.search_listings(sort => 'rating')`,
  },
  {
    name: 'the catalog, best rated of a category',
    text: `select * from public.search_listings(category => 'Legal', sort => 'rating')`,
  },
  {
    name: 'the catalog, two words',
    text: `select * from public.search_listings('invoice summary')`,
  },
  {
    name: 'the catalog, a misspelled word',
    text: `select * from public.search_listings('newslettre')`,
  },
  {
    name: 'the facets of the catalog',
    text: `select * from public.listing_facets()`,
  },
  {
    name: 'the facets of a search',
    text: `select * from public.listing_facets('invoice summary')`,
  },
  {
    name: 'one listing with its publisher and counts',
    text: `select l.*, public.publisher(l), to_json(s) as stats from public.marketplace_listings as l cross join public.stats(l) as s where l.id = '${listing}'`,
  },
  {
    name: 'the reviews of a listing',
    text: `select r.* from public.agent_reviews as r where r.agent_id = '${reviewed}' order by r.id desc`,
    limit: 20,
  },
  {
    name: "one's favorites",
    as: owner!,
    text: `select f.created_at, l.id, l.title from public.favorites as f left join public.marketplace_listings as l on l.agent_id = f.agent_id where f.user_id = '${owner}' order by f.created_at desc`,
    limit: 20,
  },
  {
    name: 'my conversations, newest first',
    as: owner!,
    text: `${conversations} order by c.last_message_at desc, c.id`,
    byHand: `${conversations} and c.user_id = '${owner}' order by c.last_message_at desc, c.id`,
    limit: 20,
  },
  {
    name: 'the messages of a conversation',
    as: owner!,
    text: `select m.* from public.messages as m where m.conversation_id = '${conversation}' order by m.sequence_number desc`,
    byHand: `select m.* from public.messages as m join public.conversations as c on c.id = m.conversation_id where m.conversation_id = '${conversation}' and c.user_id = '${owner}' order by m.sequence_number desc`,
    limit: 50,
  },
];

/** A table of fewer rows is read at once, whatever its indexes. */
const SMALL = 1000;
/** The driver would send what has no parameters unprepared. */
const PREPARED = { prepare: true, simple: false } as postgres.UnsafeQueryOptions;

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};

describe('at a million executions', () => {
  it.each(queries)('$name reads no table from end to end', async (query) => {
    const { plan, ms, buffers, readThrough } = await explain(query);
    console.log(
      `${query.name.padEnd(42)} ${ms.toFixed(2).padStart(9)} ms ${String(buffers).padStart(7)} buffers`,
    );
    expect([...scans(plan), ...readThrough]).toEqual([]);
  });

  it.each(queries.filter(({ byHand }) => byHand))(
    `$name keeps ${LEAST_SHARE} of its throughput under row-level security`,
    async (query) => {
      const asked: Request = { as: query.as, role: 'authenticated', ...parametrised(query) };
      const byHand: Request = { as: query.as, role: 'postgres', ...literal(query) };
      expect(await answer(asked)).toEqual(await answer(byHand));
      const secured: number[] = [];
      const plain: number[] = [];
      // In turns, so that whatever else the machine does falls on both alike.
      for (let n = 0; n < 600; n++) {
        secured.push(await milliseconds(asked));
        plain.push(await milliseconds(byHand));
      }
      const share = median(plain) / median(secured);
      console.log(
        `${query.name.padEnd(42)} ${share.toFixed(2)} of ${(1000 / median(plain)).toFixed(0)} a second by hand`,
      );
      expect(share).toBeGreaterThan(LEAST_SHARE);
    },
  );
});

/** A read as PostgREST sends it, in the statements that it sends. */
async function send<T>(
  { as, role }: Pick<Request, 'as' | 'role'>,
  work: (transaction: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  const claims = as
    ? { sub: as, role: 'authenticated', aud: 'authenticated', session_id: sessions.get(as) }
    : { role: 'anon' };
  const settings = {
    search_path: '"public", "public", "extensions"',
    statement_timeout: '8s',
    role,
    'request.jwt.claims': JSON.stringify(claims),
    'request.method': 'GET',
    'request.path': '/',
    'request.headers': '{"host": "localhost", "accept": "*/*", "user-agent": "node"}',
    'request.cookies': '{}',
  };
  const calls = Object.keys(settings).map((name, n) => `set_config('${name}', $${n + 1}, true)`);
  const outcome = await sql.begin('read only', async (transaction) => {
    await transaction.unsafe(`select ${calls.join(', ')}`, Object.values(settings), PREPARED);
    await transaction.unsafe('select private.before_request()', [], PREPARED);
    return { result: await work(transaction) };
  });
  return outcome.result as T;
}

/** As PostgREST asks: every value is a parameter, and the limit is never left out. */
function parametrised({ text, limit = 1000 }: Query): Pick<Request, 'text' | 'values'> {
  const values: string[] = [];
  const parameter = (value: string) => `$${values.push(value)}`;
  const bound = text.replaceAll(/'([^']*)'/g, (_, value: string) => parameter(value));
  return {
    text: wrapped(`${bound} limit ${parameter(`${limit}`)} offset ${parameter('0')}`),
    values,
  };
}

/**
 * With the values in its text, so that it is planned once and for just these. With parameters it would
 * be planned anew each time where security happens not to be, and look slower than it is.
 */
function literal({ byHand, limit = 1000 }: Query): Pick<Request, 'text' | 'values'> {
  return { text: wrapped(`${byHand} limit ${limit} offset 0`), values: [] };
}

function wrapped(text: string): string {
  return `with pgrst_source as (${text})
    select null::bigint as total_result_set, pg_catalog.count(_postgrest_t) as page_total,
      coalesce(json_agg(_postgrest_t), '[]') as body,
      nullif(current_setting('response.headers', true), '') as response_headers,
      nullif(current_setting('response.status', true), '') as response_status,
      '' as response_inserted
    from (select * from pgrst_source) _postgrest_t`;
}

async function explain(query: Query) {
  const { text, values } = parametrised(query);
  const role = query.as ? 'authenticated' : 'anon';
  return send({ as: query.as, role }, async (transaction) => {
    const run = (statement: string) => transaction.unsafe(statement, values, PREPARED);
    await run(text);
    // No plan shows what stands inside of functions; the tables' own counts do.
    const before = await rowsRead(transaction);
    const [row] = await run(`explain (analyze, buffers, format json) ${text}`);
    const after = await rowsRead(transaction);
    const [{ Plan: plan, 'Execution Time': ms }] = row!['QUERY PLAN'] as [
      { Plan: Plan & Record<string, number>; 'Execution Time': number },
    ];
    return {
      plan,
      ms,
      buffers: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
      readThrough: [...after]
        .filter(([table, rows]) => rows - (before.get(table) ?? 0) >= SMALL)
        .map(([table]) => table),
    };
  });
}

/** How many rows of each table this transaction has read by reading all of it. */
async function rowsRead(transaction: postgres.TransactionSql): Promise<Map<string, number>> {
  const tables = await transaction`
    select relname, seq_tup_read from pg_stat_xact_user_tables where seq_tup_read > 0`;
  return new Map(
    tables.map((table) => [table['relname'] as string, Number(table['seq_tup_read'])]),
  );
}

async function answer(request: Request): Promise<unknown[]> {
  const [row] = await send(request, (transaction) =>
    transaction.unsafe(request.text, request.values, PREPARED),
  );
  const body = row!['body'] as unknown[];
  expect(body).not.toEqual([]);
  return body;
}

async function milliseconds(request: Request): Promise<number> {
  const started = performance.now();
  await send(request, (transaction) => transaction.unsafe(request.text, request.values, PREPARED));
  return performance.now() - started;
}

function scans(plan: Plan): string[] {
  const read = (plan['Actual Rows'] ?? 0) + (plan['Rows Removed by Filter'] ?? 0);
  const here =
    plan['Node Type'] === 'Seq Scan' && read >= SMALL ? [plan['Relation Name'] ?? '?'] : [];
  return [...here, ...(plan.Plans ?? []).flatMap(scans)];
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
