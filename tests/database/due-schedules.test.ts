import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { allow, as, claim, Crowd, TURNS, type Person } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/** Schedules carried out by several workers at once. Their rules are in supabase/tests/executions. */
let database: Awaited<ReturnType<typeof createDatabase>>;
let crowd: Crowd;
let people: { person: Person; agentId: string }[];

beforeAll(async () => {
  database = await createDatabase();
  crowd = new Crowd(database.url);
  people = [];
  for (let n = 0; n < 6; n++) {
    const person = await crowd.person();
    people.push({ person, agentId: await crowd.agentOf(person) });
  }
});
afterAll(async () => {
  await crowd?.end();
  await database?.drop();
});
afterEach(() => crowd.release());

it('300 slots that eight workers see due at once are carried out once each', async () => {
  await schedule(50);
  await crowd.sql`update public.schedules set next_run_at = now() - interval '1 minute'`;
  const fired = await Promise.all(
    crowd.connections(8).map(async (worker) => {
      let mine = 0;
      for (let n; (n = await fire(worker)) > 0;) mine += n;
      return mine;
    }),
  );

  expect(fired.reduce((sum, n) => sum + n, 0)).toBe(300);
  expect(fired.filter((n) => n > 0).length).toBeGreaterThan(1);
  const [counts] = await crowd.sql`
    select count(*)::integer as runs, count(distinct e.id)::integer as executions,
      count(distinct r.schedule_id)::integer as schedules
    from public.schedule_runs as r join public.executions as e on e.id = r.execution_id`;
  expect(counts).toEqual({ runs: 300, executions: 300, schedules: 300 });
});

it('firing, ending, editing and running side by side deadlocks nobody and miscounts nothing', async () => {
  await crowd.sql`update public.organizations set monthly_budget_usd = 1000, max_executions_per_month = 100000`;
  await crowd.sql`update public.schedules set overlap = 'allow'`;
  const deadlocksBefore = await crowd.deadlocks();
  let isOn = true;
  const until = async (act: (n: number) => Promise<unknown>) => {
    for (let n = 0; isOn; n++) await act(n);
  };
  const firing = crowd.connections(3).map((worker) => until(() => fire(worker)));
  const working = crowd.connections(4).map((worker, w) =>
    until(async (n) => {
      const run = await claim(worker, `worker-${w}`);
      if (!run) return worker`select pg_sleep(0.01)`;
      return (
        (n + w) % 3 === 0
          ? worker`select private.fail_execution(${run.id}, ${run.token}, 'internal_error', 'No.')`
          : (n + w) % 3 === 1
            ? worker`update private.execution_queue set lease_expires_at = now() where execution_id = ${run.id}`
            : worker`select private.complete_execution(${run.id}, ${run.token}, '{"text": "Yes."}')`
      ).catch(allow('lease_lost'));
    }),
  );
  const reaper = crowd.connection();
  const reaping = until(() => reaper`select private.reap_executions()`);
  const editing = people.slice(0, 3).map(({ person, agentId }) => {
    const connection = crowd.connection();
    return until((n) =>
      as(person.id, connection, (tx) =>
        n % 2
          ? tx`select public.run_agent(${agentId})`
          : tx`update public.schedules set name = 'Renamed', enabled = true
              where id = (select id from public.schedules order by random() limit 1)`,
      ),
    );
  });
  const clock = crowd.connection();
  for (let tick = 0; tick < 2 * TURNS; tick++) {
    await clock`
      update public.schedules set next_run_at = now() - make_interval(secs => ${1000 - tick})
      where enabled and id in (select id from public.schedules order by random() limit ${4 * TURNS} for no key update skip locked)`;
  }
  isOn = false;
  await Promise.all([...firing, ...working, reaping, ...editing]);

  expect((await crowd.deadlocks()) - deadlocksBefore).toBe(0);
  expect(
    await crowd.sql`
      select execution_id from public.schedule_runs where outcome = 'started'
      group by execution_id having count(*) > 1
      union all
      select id from public.executions as e
      where trigger_source = 'schedule'
        and not exists (select from public.schedule_runs as r where r.execution_id = e.id)`,
  ).toEqual([]);
  expect(await crowd.sql`select * from private.recount()`).toEqual([]);
});

async function schedule(each: number) {
  for (const { person, agentId } of people) {
    await crowd.sql`
      insert into public.schedules (organization_id, created_by_id, agent_id, name, frequency, interval)
      select ${person.organizationId}::uuid, ${person.id}::uuid, ${agentId}::uuid, 'Often', 'minutes', 10
      from generate_series(1, ${each})`;
  }
}

async function fire(worker: Sql): Promise<number> {
  const [{ fired }] = await worker<[{ fired: number }]>`
    select private.fire_due_schedules() as fired`;
  return fired;
}
