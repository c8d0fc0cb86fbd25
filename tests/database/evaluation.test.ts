import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabase } from '../support/stack.ts';

const WORKERS = 20;
const database = await createDatabase();
const sql = postgres(database.url, { max: WORKERS, onnotice: () => {} });
let owner: string;
let organization: string;

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  [{ owner }] = await sql<[{ owner: string }]>`select tests.create_user('examiner') as owner`;
  [{ organization }] = await sql<[{ organization: string }]>`
    select tests.create_organization(${owner}, 'Examiners') as organization`;
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

it('answers that come in at once from many workers, for several runs, are all counted', async () => {
  const cases = 40;
  const runs = 3;
  await askSuite(cases, runs);

  // Some die with their lease, and are taken back by two who look after them at the same time.
  await Promise.all(Array.from({ length: WORKERS }, (_, n) => answer(`worker-${n}`)));
  await sql`update public.executions set max_attempts = 1`;
  await Promise.all(
    Array.from({ length: 6 }, (_, n) => sql`select private.claim_execution(${`lost-${n}`}, 1)`),
  );
  await sql`update private.execution_queue set lease_expires_at = now() - interval '1 second'
    where fencing_token is not null`;
  await Promise.all(Array.from({ length: 4 }, () => sql`select private.reap_executions()`));
  await drain();

  const outcomes = await sql`
    select status, total_tests, passed_tests + failed_tests as ended from public.eval_runs`;
  expect([...outcomes]).toEqual(
    Array.from({ length: runs }, () => ({
      status: 'completed',
      total_tests: cases,
      ended: cases,
    })),
  );
  const [{ errors }] = await sql<[{ errors: number }]>`
    select count(*)::integer as errors from public.eval_results where status = 'error'`;
  expect(errors).toBeGreaterThan(0);
  const [{ passed }] = await sql<[{ passed: number }]>`
    select sum(passed_tests)::integer as passed from public.eval_runs`;
  const [{ counted }] = await sql<[{ counted: number }]>`
    select count(*)::integer as counted from public.eval_results where status = 'passed'`;
  expect(passed).toBe(counted);
  expect([...(await sql`select * from private.recount()`)]).toEqual([]);
});

it('a case is deleted while answers come in, and neither waits for the other for ever', async () => {
  const suite = await askSuite(2, 1);
  const [kept, deleted] = await sql<{ id: string; execution: string }[]>`
    select e.test_case_id as id, e.execution_id as execution
    from public.eval_results as e
      join public.eval_runs as r on r.id = e.run_id
    where r.suite_id = ${suite} order by e.id`;
  await sql`select private.claim_execution('worker') from generate_series(1, 2)`;
  const answerIn = (tx: postgres.Sql, { execution }: { execution: string }) => tx`
    select private.complete_execution(q.execution_id, q.fencing_token, '{"text": "yes"}')
    from private.execution_queue as q where q.execution_id = ${execution}`;

  let deletion: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await answerIn(tx as unknown as postgres.Sql, kept!);
    deletion = as((other) => other`delete from public.eval_test_cases where id = ${deleted!.id}`);
    await vi.waitFor(async () => {
      const blocked = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      expect(blocked).toHaveLength(1);
    }, 10_000);
    await answerIn(tx as unknown as postgres.Sql, deleted!);
  });
  await deletion;

  const results = await sql`
    select status, test_case_id from public.eval_results
    where execution_id in (${kept!.execution}, ${deleted!.execution}) order by id`;
  expect([...results]).toEqual([
    { status: 'passed', test_case_id: kept!.id },
    { status: 'passed', test_case_id: null },
  ]);
});

/** A suite, of which every fourth case expects "no" and the others "yes", that is run so many times. */
async function askSuite(cases: number, runs: number): Promise<string> {
  const [{ agent }] = await as(
    (tx) => tx<[{ agent: string }]>`
      insert into public.agents (organization_id, name, user_prompt_template)
      values (${organization}, 'Examined', 'x') returning id as agent`,
  );
  const [{ suite }] = await as(
    (tx) => tx<[{ suite: string }]>`
      insert into public.eval_suites (organization_id, agent_id, name)
      values (${organization}, ${agent}, 'Many') returning id as suite`,
  );
  await as(
    (tx) => tx`
      insert into public.eval_test_cases (suite_id, name, input, expected_output)
      select ${suite}, 'Case ' || n, '{}', case when n % 4 = 0 then '"no"'::jsonb else '"yes"' end
      from generate_series(1, ${cases}::integer) as n`,
  );
  for (let n = 0; n < runs; n++) await as((tx) => tx`select public.run_eval_suite(${suite})`);
  return suite;
}

/** Answers "yes" to three cases. */
async function answer(worker: string): Promise<void> {
  for (let n = 0; n < 3; n++) await answerOne(worker);
}

async function drain(): Promise<void> {
  while (await answerOne('last'));
}

async function answerOne(worker: string): Promise<boolean> {
  const [claim] = await sql`select * from private.claim_execution(${worker})`;
  if (!claim) return false;
  await sql`
    select private.complete_execution(
      ${claim['execution_id']}, ${claim['fencing_token']}, '{"text": "yes"}')`;
  return true;
}

function as<T>(work: (tx: postgres.Sql) => Promise<T>): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`select tests.sign_in(${owner})`;
    return work(tx as unknown as postgres.Sql);
  }) as Promise<T>;
}
