import type { Sql } from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { allow, as, claim, Crowd, TURNS, type Person } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/**
 * Counters against counting again, after many connections have inserted, updated and deleted at random.
 */
let database: Awaited<ReturnType<typeof createDatabase>>;
let crowd: Crowd;
let owner: Person;
let guest: Person;
let agentId: string;

beforeAll(async () => {
  database = await createDatabase();
  crowd = new Crowd(database.url);
  owner = await crowd.person();
  guest = await crowd.person();
  agentId = await crowd.agentOf(owner, 'public');
  await crowd.sql`update public.organizations
    set max_agents = 100000, max_executions_per_month = 100000`;
  await crowd.sql`insert into public.agent_shares (agent_id, user_id) values (${agentId}, ${guest.id})`;
});
afterAll(async () => {
  await crowd?.end();
  await database?.drop();
});

it('after any interleaving every counter equals a full recount', async () => {
  // A month that is kept no longer, with runs of then.
  await crowd.sql`select private.add_month_partition('public.executions', (now() - interval '14 months')::date)`;
  const acts: ((connection: Sql) => Promise<unknown>)[] = [
    // A guest's runs count as uses of the agent.
    (c) => as(guest.id, c, (tx) => tx`select public.run_agent(${agentId})`),
    (c) => as(owner.id, c, (tx) => tx`select public.run_agent(${agentId})`),
    work,
    work,
    work,
    startChild,
    deleteRun,
    runLongAgo,
    (c) =>
      as(guest.id, c, (tx) => tx`select public.fork_agent(${agentId}, ${guest.organizationId})`),
    (c) => c`
      delete from public.agents where id in (
        select id from public.agents where forked_from_agent_id is not null
        order by random() limit 1 for update skip locked)`,
    (c) => c`select private.fold_agent_counters()`,
    chat,
    (c) =>
      as(
        guest.id,
        c,
        (tx) => tx`
      delete from public.conversations
      where id = (select id from public.conversations order by random() limit 1)`,
      ),
  ];
  await Promise.all(
    crowd.connections(8).map(async (connection) => {
      for (let turn = 0; turn < TURNS; turn++) {
        await acts[Math.floor(Math.random() * acts.length)]!(connection);
      }
    }),
  );
  expect(await recount()).toEqual([]);

  await crowd.sql`
    insert into private.partition_clock (last_run_at, drops_held_until) values (now(), now() - interval '1 day')
    on conflict (only_row) do update set last_run_at = now(), drops_held_until = excluded.drops_held_until`;
  const steps: string[] = [];
  for (let more = true; more;) {
    const lines = await crowd.sql<{ line: string }[]>`
      select line from private.maintain_partitions() as line`;
    steps.push(...lines.map(({ line }) => line));
    more = lines.length > 0;
  }
  expect(steps.some((step) => step.startsWith('dropped public.executions'))).toBe(true);
  expect(await recount()).toEqual([]);

  const [counts] = await crowd.sql`
    select total_uses > 0 as uses, fork_count > 0 as forks from private.agent_counts(${agentId})`;
  expect(counts).toEqual({ uses: true, forks: true });
});

it('a counter that is wrong is named', async () => {
  await crowd.sql`update private.execution_totals set root_runs = root_runs + 1, tokens = tokens + 3
    where (organization_id, month, shard) = (
      select organization_id, month, shard from private.execution_totals
      where organization_id = ${owner.organizationId} order by month desc limit 1)`;
  await crowd.sql`select private.add_agent_delta(${agentId}, 'total_uses', 5)`;
  expect((await recount()).map(({ counter, id, off }) => ({ counter, id, off }))).toEqual([
    { counter: expect.stringMatching(/^root_runs \d{4}-\d{2}$/), id: owner.organizationId, off: 1 },
    { counter: expect.stringMatching(/^tokens \d{4}-\d{2}$/), id: owner.organizationId, off: 3 },
    { counter: 'total_uses', id: agentId, off: 5 },
  ]);
});

function recount() {
  return crowd.sql`
    select counter, id, stored, counted, (stored - counted)::float8 as off
    from private.recount() order by counter`;
}

/** Takes a run, books a call of a model on it, and ends it somehow. */
async function work(connection: Sql) {
  const run = await claim(connection, `worker-${Math.random()}`);
  if (!run) return;
  const { id, token } = run;
  const fate = Math.random();
  await (async () => {
    const [step] = await connection`
      select private.start_step(${id}, ${token}, '{"name": "Call", "type": "llm_call", "model": "openai/gpt-5"}') as id`;
    await connection`select private.finish_step(${step!['id']}, ${token}, '{"prompt_tokens": 1000, "completion_tokens": 70}')`;
    if (fate < 0.6) {
      await connection`select private.complete_execution(${id}, ${token}, '{"text": "Yes."}')`;
    } else if (fate < 0.8) {
      await connection`select private.fail_execution(${id}, ${token}, 'internal_error', 'No.')`;
    } else if (fate < 0.9) {
      await connection`update public.executions set status = 'cancelled' where id = ${id} and completed_at is null`;
    } else await connection`select private.release_execution(${id}, ${token})`;
  })().catch((error) => {
    // Deleted under the worker's hands.
    if (error.code !== 'P0002') allow('lease_lost')(error);
  });
}

function startChild(connection: Sql) {
  return connection`
    insert into public.executions (organization_id, user_id, agent_id, agent_version_id, parent_execution_id, reserved_usd)
    select organization_id, user_id, agent_id, agent_version_id, id, 0.25
    from public.executions order by random() limit 1`;
}

function deleteRun(connection: Sql) {
  return connection`
    delete from public.executions where id in (
      select id from public.executions order by random() limit 1 for update skip locked)`;
}

async function runLongAgo(connection: Sql) {
  const [run] = await connection`
    insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id, credited_agent_id, created_at)
    select overlay(private.uuid_v7_floor(at)::text placing right(gen_random_uuid()::text, 17) from 20)::uuid,
      ${owner.organizationId}, ${guest.id}, ${agentId}, ${agentId}, ${agentId}, at
    from (select date_trunc('month', now(), 'UTC') - interval '14 months' + interval '3 days' as at) as long_ago
    returning id`;
  if (Math.random() < 0.3) return;
  await connection`update public.executions set status = 'running' where id = ${run!['id']} and status = 'pending'`;
  await connection`
    update public.executions set status = 'completed', cost_usd = 0.125, prompt_tokens = 11
    where id = ${run!['id']} and status = 'running'`;
}

async function chat(connection: Sql) {
  await as(guest.id, connection, async (tx) => {
    const [conversation] = await tx`
      insert into public.conversations (agent_id) values (${agentId}) returning id`;
    for (const word of ['One', 'Two'])
      await tx`select public.send_message(${conversation!['id']}, ${word})`;
  });
}
