import { afterAll, beforeAll, describe, expect, test as base } from 'vitest';
import { ModelServer, type Answer } from '../support/model-server.ts';
import { isProving } from '../support/proving.ts';
import { createDatabase } from '../support/stack.ts';
import { Workshop, type WorkerProcess } from '../support/workshop.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server?.stop());

const environment = () => ({ OPENAI_COMPATIBLE_BASE_URL: server.url });

/** An answer of a minute, which no test waits for, in words that can be recognised on the way. */
const slow: Answer = {
  kind: 'stream',
  chunks: Array.from({ length: 600 }, (_, index) => `word${index} `),
  pauseMs: 100,
};
/** An answer that begins and never ends. */
const endless: Answer = { kind: 'stall', chunks: ['word1 ', 'word2 ', 'word3 '] };
const quick: Answer = { kind: 'stream', chunks: ['taken ', 'over'] };

type Fixtures = {
  /** A database of the test's own, for workers of its own, so that tests can run side by side. */
  workshop: Workshop;
  /** Where one worker does for several tests, since it outlives them. */
  busy: { workshop: Workshop; worker: WorkerProcess };
};

const test = base.extend<Fixtures>({
  // eslint-disable-next-line no-empty-pattern -- Vitest reads the names of fixtures from the pattern.
  workshop: async ({}, use) => {
    await withWorkshop(use);
  },
  busy: [
    // eslint-disable-next-line no-empty-pattern -- as above
    async ({}, use) => {
      await withWorkshop(async (workshop) => {
        await use({ workshop, worker: await workshop.startWorker(environment()) });
      });
    },
    { scope: 'file' },
  ],
});

/** What workers seldom meet, `npm run prove` has them meet. */
const rarely = test.runIf(isProving);

async function withWorkshop(use: (workshop: Workshop) => Promise<void>): Promise<void> {
  const database = await createDatabase();
  const workshop = await Workshop.open(database.url);
  await use(workshop);
  await workshop.close();
  await database.drop();
}

describe.concurrent('workers and leases', { timeout: 120_000 }, () => {
  test('within 15 seconds of a kill -9 another worker takes the run over and it finishes once', async ({
    workshop,
  }) => {
    server.script('killed', endless, quick);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/killed' });
    const first = await workshop.startWorker(environment());
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    await workshop.startWorker(environment());

    const killedAt = Date.now();
    await first.kill('SIGKILL');

    await workshop.until(
      async () => server.requests('killed').length,
      (requests) => requests === 2,
    );
    expect(Date.now() - killedAt).toBeLessThan(15_000);
    expect(await workshop.ended(id)).toMatchObject({
      status: 'completed',
      attempt: 2,
      output: { text: 'taken over' },
    });
    expect(await workshop.watchedText(id)).toBe('taken over');
    expect(await workshop.steps(id)).toMatchObject([
      { attempt: 1, status: 'failed' },
      { attempt: 2, status: 'completed' },
    ]);
    expect(await statuses(workshop, id)).toEqual(['running', 'pending', 'running', 'completed']);
  });

  test('a run whose workers all die fails as worker_lost', async ({ workshop }) => {
    server.script('deadly', endless);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/deadly' });
    const id = await workshop.run(agentId);
    await workshop.sql`update public.executions set max_attempts = 2 where id = ${id}`;
    for (let attempt = 1; attempt <= 2; attempt++) {
      const worker = await workshop.startWorker({ ...environment(), WORKER_LEASE_SECONDS: '3' });
      await workshop.until(
        () => workshop.execution(id),
        (run) => run.attempt === attempt && run.status === 'running',
      );
      await worker.kill('SIGKILL');
    }
    await workshop.startWorker(environment());

    expect(await workshop.ended(id)).toMatchObject({
      status: 'failed',
      error_code: 'worker_lost',
      attempt: 2,
    });
  });

  rarely(
    'a run that outlasts its lease stays with its worker, whose clock is an hour ahead',
    async ({ workshop }) => {
      const chunks = Array.from({ length: 50 }, (_, index) => `word${index} `);
      server.script('long', { kind: 'stream', chunks, pauseMs: 100 });
      const agentId = await workshop.createAgent({ model: 'openai-compatible/long' });
      const ahead = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
      const short = {
        ...environment(),
        WORKER_LEASE_SECONDS: '3',
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}`,
      };
      await Promise.all([workshop.startWorker(short), workshop.startWorker(short)]);

      expect(await workshop.ended(await workshop.run(agentId))).toMatchObject({
        status: 'completed',
        attempt: 1,
        output: { text: chunks.join('') },
      });
      expect(server.requests('long')).toHaveLength(1);
    },
  );

  rarely(
    'a worker that waits for a lock to take runs from the dead keeps its own',
    async ({ workshop }) => {
      server.script('kept', slow);
      const agentId = await workshop.createAgent({ model: 'openai-compatible/kept' });
      await workshop.startWorker({
        ...environment(),
        WORKER_CONCURRENCY: '1',
        WORKER_LEASE_SECONDS: '3',
      });
      const id = await workshop.run(agentId);
      await workshop.streamed(id, 'word3');
      await workshop.run(agentId);
      const lease = async () => {
        const [row] = await workshop.sql`
        select lease_expires_at as until from private.execution_queue where execution_id = ${id}`;
        return (row!.until as Date).getTime();
      };

      await workshop.sql.begin(async (sql) => {
        await sql`lock table public.execution_logs in share mode`;
        await workshop.sql`select private.claim_execution('dead', 1)`;
        await workshop.until(
          () => workshop.sql`
          select from pg_stat_activity
          where query like '%reap_executions%' and wait_event_type = 'Lock'`,
          (waiting) => waiting.length > 0,
        );
        const before = await lease();
        await workshop.until(lease, (until) => until > before + 3000);
      });
      expect((await workshop.execution(id)).attempt).toBe(1);
    },
  );

  rarely('two workers share fifty runs, and none is run twice', async ({ workshop }) => {
    server.script('shared', { kind: 'stream', chunks: ['done'], pauseMs: 40 });
    const agentId = await workshop.createAgent({ model: 'openai-compatible/shared' });
    await Promise.all([
      workshop.startWorker({ ...environment(), WORKER_CONCURRENCY: '3' }),
      workshop.startWorker({ ...environment(), WORKER_CONCURRENCY: '3' }),
    ]);
    const ids = await Promise.all(Array.from({ length: 50 }, () => workshop.run(agentId)));

    for (const id of ids) expect(await workshop.ended(id)).toMatchObject({ status: 'completed' });
    expect(server.requests('shared')).toHaveLength(50);
    const workers = await workshop.sql`
      select resource_usage ->> 'worker' as worker, count(*)::int as runs
      from public.executions group by 1`;
    expect(workers).toHaveLength(2);
  });

  test('SIGTERM claims nothing more and lets a run end', async ({ workshop }) => {
    server.script('ending', { kind: 'stream', chunks: ['all ', 'of ', 'it'], pauseMs: 300 });
    const agentId = await workshop.createAgent({ model: 'openai-compatible/ending' });
    const worker = await workshop.startWorker(environment());
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'all');

    const gone = worker.kill('SIGTERM');
    await worker.saying('stopping');
    const later = await workshop.run(agentId);

    expect(await gone).toBe(0);
    expect(await workshop.execution(id)).toMatchObject({
      status: 'completed',
      attempt: 1,
      output: { text: 'all of it' },
    });
    expect(await workshop.execution(later)).toMatchObject({ status: 'pending', attempt: 1 });
  });

  test('SIGTERM hands back what does not end in time, and it costs the run no attempt', async ({
    workshop,
  }) => {
    server.script('handed-back', slow, quick);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/handed-back' });
    const worker = await workshop.startWorker({ ...environment(), WORKER_GRACE_SECONDS: '1' });
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    expect(await worker.kill('SIGTERM')).toBe(0);
    expect((await workshop.execution(id)).status).toBe('pending');

    await workshop.startWorker(environment());
    expect(await workshop.ended(id)).toMatchObject({
      status: 'completed',
      output: { text: 'taken over' },
    });
    expect(await workshop.logLines(id)).toContainEqual(
      expect.stringContaining('handed the run back'),
    );
  });

  rarely('a second Ctrl-C does not wait for the grace period', async ({ workshop }) => {
    server.script('impatient', slow);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/impatient' });
    const worker = await workshop.startWorker({ ...environment(), WORKER_GRACE_SECONDS: '60' });
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    // npm passes on the Ctrl-C that the terminal has delivered already.
    const gone = Promise.all([worker.kill('SIGINT'), worker.kill('SIGINT')]);
    await worker.saying('stopping');
    await workshop.streamed(id, 'word20');
    expect(await worker.kill('SIGINT')).toBe(0);
    await gone;
    expect((await workshop.execution(id)).status).toBe('pending');
  });

  test('cancelling a run aborts the call to the model', async ({ busy: { workshop, worker } }) => {
    server.script('cancelled', slow);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/cancelled' });
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    await workshop.cancel(id);
    await worker.saying('run cancelled');

    await abandoned(workshop, 'cancelled');
    expect((await workshop.execution(id)).status).toBe('cancelled');
    const seen = await workshop.watchedText(id);
    expect(seen).not.toContain('word50');
    expect(await workshop.steps(id)).toMatchObject([
      { status: 'failed', completion_tokens: Math.ceil(seen.length / 3) },
    ]);
  });

  test('a run that takes longer than it may is ended', async ({ busy: { workshop } }) => {
    server.script('endless', slow);
    const agentId = await workshop.createAgent({
      model: 'openai-compatible/endless',
      configuration: { timeout_seconds: 3 },
    });
    const id = await workshop.run(agentId);

    expect(await workshop.ended(id)).toMatchObject({
      status: 'failed',
      error_code: 'deadline_exceeded',
      attempt: 1,
    });
    await abandoned(workshop, 'endless');
  });

  test('a worker whose run was given to another writes nothing more', async ({
    busy: { workshop, worker },
  }) => {
    server.script('stolen', slow);
    const agentId = await workshop.createAgent({ model: 'openai-compatible/stolen' });
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    await workshop.sql`
      update private.execution_queue set fencing_token = nextval('private.fencing_tokens')
      where execution_id = ${id}`;
    await worker.saying('run lost to another');

    await abandoned(workshop, 'stolen');
    expect((await workshop.execution(id)).status).toBe('running');
  });
});

/** Waits until the worker has hung up on the model. */
async function abandoned(workshop: Workshop, model: string): Promise<void> {
  await workshop.until(
    async () => server.abandoned(model),
    (calls) => calls === 1,
  );
}

/** What the run became, in the order in which watchers were told. */
async function statuses(workshop: Workshop, id: string): Promise<string[]> {
  const rows = await workshop.sql`
    select payload ->> 'status' as status from public.execution_events
    where execution_id = ${id} and kind = 'status' order by seq`;
  return rows.map(({ status }) => status);
}
