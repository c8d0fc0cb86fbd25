import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/**
 * The hottest queries at a million executions, 100,000 agents and 1,000 organizations: how each is
 * planned as the person who asks it, under row-level security, and what that security costs beside the
 * same query with the tenant's filter written by hand in the same shape of transaction. Figures are
 * printed; asserted are the plans, and the share of throughput that is left.
 */
const LEAST_SHARE = 0.75;
const database = await createDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await sql.end();
  await database.drop();
});

await sql.unsafe(readFileSync('tests/prove/scale.sql', 'utf8'));
const [world] = await sql`
  select o.id as organization,
    (select m.user_id from public.organization_members as m where m.organization_id = o.id and m.role = 'owner') as owner,
    (select m.user_id from public.organization_members as m where m.organization_id = o.id and m.role = 'member' limit 1) as member,
    (select a.id from public.agents as a where a.organization_id = o.id order by a.id desc limit 1) as agent,
    (select e.id from public.executions as e where e.organization_id = o.id order by e.id desc limit 1) as execution,
    private.uuid_v7_floor(now() - interval '7 days') as week
  from public.organizations as o
  where o.slug = 'organization-1'`;
const { organization, owner, member, agent, execution, week } = world as unknown as Record<
  string,
  string
>;

type Query = { name: string; as: string; text: string; byHand?: string };

const runs = `select e.id, e.status, e.agent_id, e.created_at, e.latency_ms, e.total_tokens, e.cost_usd
  from public.executions as e where e.organization_id = '${organization}'`;
const agents = `select a.id, a.name, a.slug, a.status, a.visibility, a.updated_at
  from public.agents as a where a.organization_id = '${organization}'`;
const newest = 'order by e.id desc limit 20';
const queries: Query[] = [
  {
    name: 'runs, newest first',
    as: owner!,
    text: `${runs} ${newest}`,
    byHand: `${runs} ${newest}`,
  },
  {
    name: 'runs, the next page',
    as: owner!,
    text: `${runs} and e.id < '${week}' ${newest}`,
    byHand: `${runs} and e.id < '${week}' ${newest}`,
  },
  { name: 'runs that failed', as: owner!, text: `${runs} and e.status = 'failed' ${newest}` },
  { name: 'runs of one agent', as: owner!, text: `${runs} and e.agent_id = '${agent}' ${newest}` },
  {
    name: "a member's own runs",
    as: member!,
    text: `${runs} and e.user_id = '${member}' ${newest}`,
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
    name: 'the logs of a run',
    as: owner!,
    text: `select l.* from public.execution_logs as l where l.execution_id = '${execution}' order by l.id`,
  },
  {
    name: 'missed events of a run',
    as: owner!,
    text: `select v.* from public.execution_events as v where v.execution_id = '${execution}' and v.seq > 10 order by v.seq`,
  },
  {
    name: 'agents, newest first',
    as: owner!,
    text: `${agents} order by a.created_at desc, a.id limit 20`,
    byHand: `${agents} and a.deleted_at is null order by a.created_at desc, a.id limit 20`,
  },
  {
    name: 'agents, as a member',
    as: member!,
    text: `${agents} order by a.created_at desc, a.id limit 20`,
    byHand: `${agents} and a.deleted_at is null and (a.visibility <> 'private' or a.created_by_id = '${member}') order by a.created_at desc, a.id limit 20`,
  },
  {
    name: 'one agent by its slug',
    as: owner!,
    text: `select a.* from public.agents as a where a.organization_id = '${organization}' and a.slug = 'agent-100000'`,
  },
  {
    name: 'the versions of an agent',
    as: owner!,
    text: `select v.* from public.agent_versions as v where v.agent_id = '${agent}' order by v.id desc limit 20`,
  },
  {
    name: 'the parameters of an agent',
    as: owner!,
    text: `select p.* from public.agent_parameters as p where p.agent_id = '${agent}' order by p.display_order`,
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
    name: 'unread notifications',
    as: owner!,
    text: `select n.* from public.notifications as n where n.user_id = '${owner}' and n.read_at is null order by n.id desc limit 20`,
  },
];

/** A table of fewer rows is read at once, whatever its indexes. */
const SMALL = 1000;
/** As PostgREST sends its queries; the driver would send one without parameters unprepared. */
const PREPARED = { prepare: true, simple: false } as postgres.UnsafeQueryOptions;

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};

describe('at a million executions', () => {
  it.each(queries)('$name reads no table from end to end', async ({ name, as, text }) => {
    const { plan, ms, buffers } = await explain(as, text);
    console.log(
      `${name.padEnd(42)} ${ms.toFixed(2).padStart(9)} ms ${String(buffers).padStart(7)} buffers`,
    );
    expect(scans(plan)).toEqual([]);
  });

  it.each(queries.filter(({ byHand }) => byHand))(
    `$name keeps ${LEAST_SHARE} of its throughput under row-level security`,
    async ({ name, as, text, byHand }) => {
      const secured: number[] = [];
      const plain: number[] = [];
      // In turns, so that whatever else the machine does falls on both alike.
      for (let round = 0; round < 30; round++) {
        secured.push(await perSecond(as, 'authenticated', text));
        plain.push(await perSecond(as, 'postgres', byHand!));
      }
      const share = median(secured) / median(plain);
      console.log(`${name.padEnd(42)} ${share.toFixed(2)} of the throughput by hand`);
      expect(share).toBeGreaterThan(LEAST_SHARE);
    },
  );
});

async function explain(as: string, text: string) {
  return sql.begin(async (transaction) => {
    await become(transaction, as, 'authenticated');
    await transaction.unsafe(text);
    const [row] = await transaction.unsafe(`explain (analyze, buffers, format json) ${text}`);
    const [{ Plan: plan, 'Execution Time': ms }] = row!['QUERY PLAN'] as [
      { Plan: Plan & Record<string, number>; 'Execution Time': number },
    ];
    return {
      plan,
      ms,
      buffers: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
    };
  });
}

/** How often a second a query runs, with its claims and role set anew for each, as PostgREST does. */
async function perSecond(as: string, role: string, text: string): Promise<number> {
  const times = 10;
  const started = performance.now();
  for (let n = 0; n < times; n++) {
    await sql.begin(async (transaction) => {
      await become(transaction, as, role);
      await transaction.unsafe(text, [], PREPARED);
    });
  }
  return (times * 1000) / (performance.now() - started);
}

async function become(
  transaction: postgres.TransactionSql,
  as: string,
  role: string,
): Promise<void> {
  const claims = JSON.stringify({ sub: as, role: 'authenticated' });
  await transaction`
    select set_config('request.jwt.claims', ${claims}, true), set_config('role', ${role}, true)`;
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
