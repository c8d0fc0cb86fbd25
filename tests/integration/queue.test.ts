import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { allow, as, claim, Crowd, TURNS, WATCH_MS } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/**
 * The queue under many connections at once, each one a worker or a person of its own. What a single
 * session can show is in supabase/tests/executions.
 */
let database: Awaited<ReturnType<typeof createDatabase>>;
let crowd: Crowd;
let sql: Sql;

/** The agent that everybody here runs, and who runs it. */
let agent: { id: string; organizationId: string; versionId: string; userId: string };

beforeAll(async () => {
  database = await createDatabase();
  crowd = new Crowd(database.url);
  sql = crowd.sql;
  agent = await publishedAgent();
});
afterAll(async () => {
  await crowd?.end();
  await database?.drop();
});
afterEach(() => crowd.release());
beforeEach(async () => {
  await sql`delete from public.executions`;
  await sql`delete from private.execution_totals`;
  await sql`update public.organizations set max_executions_per_month = 1000, monthly_budget_usd = null`;
});

it('12 workers that race over 100 runs get each of them exactly once', async () => {
  await enqueue(100);
  const claims = (
    await Promise.all(
      crowd.connections(12).map(async (worker, n) => {
        const claimed: { id: string; token: string }[] = [];
        for (let run; (run = await claim(worker, `worker-${n}`));) {
          claimed.push(run);
          await worker`select private.complete_execution(${run.id}, ${run.token}, '{"text": "done"}')`;
        }
        return claimed;
      }),
    )
  ).flat();

  expect(claims.length).toBe(100);
  expect(new Set(claims.map(({ id }) => id)).size).toBe(100);
  expect(new Set(claims.map(({ token }) => token)).size).toBe(100);
  expect(await statuses()).toEqual({ completed: 100 });
  expect(await queueDiffersFromRuns()).toEqual([]);
});

it('a run is pending or running exactly while it stands in the queue, whatever workers and people do', async () => {
  await enqueue(10 * TURNS);
  const watcher = crowd.connection();
  const differences: unknown[] = [];
  let working = true;
  const watching = (async () => {
    for (; working; await delay(WATCH_MS)) {
      differences.push(...(await queueDiffersFromRuns(watcher)));
    }
  })();

  const [canceller, reaper, ...workers] = crowd.connections(12);
  const endings = [
    (worker: Sql, id: string, token: string) =>
      worker`select private.complete_execution(${id}, ${token}, '{}')`,
    (worker: Sql, id: string, token: string) =>
      worker`select private.fail_execution(${id}, ${token}, 'provider_unavailable', 'Down.', 1)`,
    (worker: Sql, id: string, token: string) =>
      worker`select private.fail_execution(${id}, ${token}, 'internal_error', 'Broken.')`,
    (worker: Sql, id: string, token: string) =>
      worker`select private.release_execution(${id}, ${token})`,
    // Dies with the run in hand.
    (worker: Sql, id: string) =>
      worker`update private.execution_queue set lease_expires_at = now() where execution_id = ${id}`,
  ];
  const work = workers.map(async (worker, n) => {
    for (let turn = 0; turn < 2 * TURNS; turn++) {
      const run = await claim(worker, `worker-${n}`);
      if (!run) continue;
      await endings[(turn + n) % endings.length]!(worker, run.id, run.token).catch(
        allow('lease_lost'),
      );
    }
  });
  const interference = [
    (async () => {
      for (const {
        id,
      } of await canceller!`select id from public.executions order by random() limit ${2 * TURNS}`) {
        await canceller!`update public.executions set status = 'cancelled' where id = ${id} and completed_at is null`;
      }
    })(),
    (async () => {
      for (let turn = 0; turn < 2 * TURNS; turn++) await reaper!`select private.reap_executions()`;
    })(),
  ];
  await Promise.all([...work, ...interference]);
  working = false;
  await watching;

  expect(differences).toEqual([]);
  expect(Object.keys(await statuses()).length).toBeGreaterThan(2);
});

it('a dead worker’s run is taken over, and its late result is refused', async () => {
  await enqueue(1);
  const [dead, heir] = crowd.connections(2);
  const lost = (await claim(dead!, 'dead', 1))!;
  expect(await claim(heir!, 'heir')).toBeUndefined();

  let taken: Awaited<ReturnType<typeof claim>>;
  await expect
    .poll(
      async () => {
        await heir!`select private.reap_executions()`;
        return (taken = await claim(heir!, 'heir'))?.id;
      },
      { timeout: 5000, interval: 100 },
    )
    .toBe(lost.id);
  await expect(
    dead!`select private.complete_execution(${lost.id}, ${lost.token}, '{"text": "late"}')`,
  ).rejects.toMatchObject({ code: 'PT409', detail: 'lease_lost' });
  await heir!`select private.complete_execution(${lost.id}, ${taken!.token}, '{"text": "in time"}')`;

  const [run] = await sql`select status, attempt, output from public.executions`;
  expect(run).toEqual({ status: 'completed', attempt: 2, output: { text: 'in time' } });
});

it('the reaper holds nothing of a run that somebody else is changing', async () => {
  await enqueue(1);
  const [person, reaper] = crowd.connections(2);
  const { id } = (await claim(sql, 'lost'))!;
  await sql`update private.execution_queue set lease_expires_at = now()`;
  await person!.begin(async (change) => {
    await change`select from public.executions where id = ${id} for no key update`;
    await reaper!.begin(async (reaping) => {
      expect(await reaping`select private.reap_executions() as lost`).toEqual([{ lost: 0 }]);
      // Fails when it has to wait for the reaper's transaction.
      await change`set local lock_timeout = '1s'`;
      await change`update public.executions set status = 'cancelled' where id = ${id}`;
    });
  });
  expect(await statuses()).toEqual({ cancelled: 1 });
});

it('cancelling and completing at the same moment: one of them wins, and both agree on which', async () => {
  await enqueue(50);
  const [worker, person] = crowd.connections(2);
  for (let run; (run = await claim(worker!, 'worker'));) {
    const [completing] = await Promise.allSettled([
      worker!`select private.complete_execution(${run.id}, ${run.token}, '{}')`,
      asRunner(person!, (tx) => tx`select public.cancel_execution(${run.id})`),
    ]);
    const [{ status }] = await sql<
      [{ status: string }]
    >`select status from public.executions where id = ${run.id}`;
    expect(status).toBe(completing.status === 'fulfilled' ? 'completed' : 'cancelled');
  }
  expect(await queueDiffersFromRuns()).toEqual([]);
});

it('an organization with a long queue does not keep others waiting', async () => {
  const small = await publishedAgent();
  await enqueue(100);
  await enqueue(5, small);
  const workers = crowd.connections(4);
  const order: string[] = [];
  await Promise.all(
    workers.map(async (worker, n) => {
      for (let turn = 0; turn < 10; turn++) {
        const run = (await claim(worker, `fair-${n}`))!;
        order.push(run.organizationId);
        await worker`select private.complete_execution(${run.id}, ${run.token}, '{}')`;
      }
    }),
  );
  expect(order.slice(0, 20).filter((id) => id === small.organizationId).length).toBe(5);
});

it('20 people who want the last run of the month: one gets it, 19 learn why not', async () => {
  await sql`update public.organizations set max_executions_per_month = 1`;
  expect(await race(20, (tx) => runAgent(tx))).toEqual({ done: 1, execution_quota_exceeded: 19 });
  expect(await statuses()).toEqual({ pending: 1 });
});

it('a budget that covers three runs admits three of twenty', async () => {
  const [{ usd }] = await sql<[{ usd: string }]>`
    select private.reservation(v, '{"parameters": {}}') as usd
    from public.agent_versions as v where v.id = ${agent.versionId}`;
  await sql`update public.organizations set monthly_budget_usd = ceil(${usd}::numeric * 3 * 100) / 100`;
  expect(await race(20, (tx) => runAgent(tx))).toEqual({ done: 3, budget_exceeded: 17 });
});

it('far from its limits an organization’s runs are admitted side by side', async () => {
  const [slow, quick] = crowd.connections(2);
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const held = asRunner(slow!, async (tx) => {
    await runAgent(tx);
    await finished;
  });
  await expect
    .poll(
      async () =>
        (await sql`select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'`).length,
    )
    .toBe(1);
  await asRunner(quick!, async (tx) => {
    await tx`set local statement_timeout = '2s'`;
    await runAgent(tx);
  });
  finish();
  await held;
  expect(await statuses()).toEqual({ pending: 2 });
});

it('20 requests with one idempotency key start one run', async () => {
  const ids = new Set<string>();
  await race(20, async (tx) => {
    const [run] = await tx`
      select id from public.run_agent(${agent.id}, idempotency_key => 'the same click')`;
    ids.add(run!.id);
  });
  expect(ids.size).toBe(1);
  expect(await statuses()).toEqual({ pending: 1 });
});

it('new work and a cancellation reach whoever listens at once', async () => {
  const heard: string[] = [];
  const listener = crowd.connection();
  const channels = [
    await listener.listen('agentry_work', () => heard.push('work')),
    await listener.listen('agentry_cancel', (id) => heard.push(id)),
  ];
  await enqueue(1);
  const [{ id }] = await sql<
    [{ id: string }]
  >`update public.executions set status = 'cancelled' returning id`;
  await expect.poll(() => heard).toEqual(['work', id]);
  for (const { unlisten } of channels) await unlisten();
});

/** Somebody new with an agent of the cheapest kind, published. */
async function publishedAgent() {
  const username = `runner_${Math.random().toString(36).slice(2, 10)}`;
  const [user] = await sql<[{ id: string }]>`
    insert into auth.users (id, aud, role, email, email_confirmed_at, raw_user_meta_data)
    values (gen_random_uuid(), 'authenticated', 'authenticated', ${`${username}@example.com`}, now(),
      ${sql.json({ username })})
    returning id`;
  const [made] = await sql`
    insert into public.agents (organization_id, created_by_id, name, model, system_prompt)
    select m.organization_id, m.user_id, 'Echo', 'openai/gpt-5', 'Repeat.'
    from public.organization_members as m where m.user_id = ${user.id}
    returning id, organization_id`;
  const [version] = await as(
    user.id,
    sql,
    (tx) => tx`select id from public.publish_agent_version(${made!.id})`,
  );
  return {
    id: made!.id as string,
    organizationId: made!.organization_id as string,
    versionId: version!.id as string,
    userId: user.id,
  };
}

/** Runs past admission: what the queue does is the subject, not the quota. */
async function enqueue(count: number, of = agent): Promise<void> {
  await sql`
    insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
    select ${of.organizationId}::uuid, ${of.userId}::uuid, ${of.id}::uuid, ${of.versionId}::uuid
    from generate_series(1, ${count})`;
}

function asRunner<T>(connection: Sql, work: (tx: postgres.TransactionSql) => Promise<T>) {
  return as(agent.userId, connection, work);
}

function runAgent(tx: postgres.TransactionSql) {
  return tx`select id from public.run_agent(${agent.id})`;
}

/** How often `work` ended how, when that many people do it at once. */
async function race(count: number, work: (tx: postgres.TransactionSql) => Promise<unknown>) {
  const people = crowd.connections(count);
  await Promise.all(people.map((person) => person`select 1`));
  const endings: Record<string, number> = {};
  await Promise.all(
    people.map(async (person) => {
      const ending = await asRunner(person, work).then(
        () => 'done',
        (error: postgres.PostgresError) => error.detail ?? error.message,
      );
      endings[ending] = (endings[ending] ?? 0) + 1;
    }),
  );
  return endings;
}

async function statuses(): Promise<Record<string, number>> {
  const rows =
    await sql`select status, count(*)::integer as count from public.executions group by status`;
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** Runs that stand in the queue and should not, or should and do not, at one instant. */
function queueDiffersFromRuns(connection = sql) {
  return connection`
    select coalesce(q.execution_id, e.id) as id, e.status
    from private.execution_queue as q
      full join (select id, status from public.executions where status in ('pending', 'running')) as e
        on e.id = q.execution_id
    where q.execution_id is null or e.id is null
      or (e.status = 'running') <> (q.fencing_token is not null)`;
}
