import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../src/stack/ports.ts';
import { startStack, type Stack } from '../../src/stack/stack.ts';
import { Installation, kill } from '../support/installation.ts';
import { ModelServer } from '../support/model-server.ts';
import { Workshop } from '../support/workshop.ts';

/** What goes wrong less often than what tests/integration/stack.test.ts and worker-leases.test.ts try. */
describe('an installation', () => {
  let stack: Installation;
  beforeAll(async () => {
    stack = await Installation.create();
    await stack.start();
    await stack.query('create table public.kept (n int primary key)');
  });
  afterAll(() => stack.remove());

  it('stops what a kill -9 of all who could stop it left running, before it starts again', async () => {
    await stack.query('insert into public.kept values (1)');
    await kill(...(await stack.processes(/-guard /)), stack.process!.pid!);
    expect(await stack.processes(/-postgrest$/)).toHaveLength(1);
    await stack.start();
    expect(await stack.query('select n from public.kept order by n')).toHaveLength(1);
    expect(await stack.processes(/cluster_name=/)).toHaveLength(1);
    expect(await stack.processes(/-postgrest$/)).toHaveLength(1);
  });

  it('stops as a whole, naming the part, when one keeps dying', async () => {
    const ended = once(stack.process!, 'close');
    let hasEnded = false;
    void ended.then(() => (hasEnded = true));
    while (!hasEnded) await kill(...(await stack.processes(/-postgrest$/)));
    expect(stack.said).toMatch(
      /Everything stops because postgrest keeps stopping .*postgrest\.log/,
    );
    expect(await stack.processes()).toEqual([]);
  });
});

describe('a database that restarts', () => {
  let dataDir: string;
  let stack: Stack;
  let server: ModelServer;
  let workshop: Workshop;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'agentry-restart-'));
    const [api, db, studio, mail] = await freePorts(4);
    stack = await startStack({
      dataDir,
      ports: { api: api!, db: db!, studio: studio!, mail: mail! },
    });
    server = await ModelServer.start();
    workshop = await Workshop.open(stack.databaseUrl);
    await workshop.startWorker({ OPENAI_COMPATIBLE_BASE_URL: server.url });
  });
  afterAll(async () => {
    await workshop?.close();
    await server?.stop();
    await stack?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it.each([
    ['shuts down', 'SIGINT'],
    ['is killed', 'SIGKILL'],
  ] as const)('when it %s, the run goes on and ends without a gap', async (_, signal) => {
    const chunks = Array.from({ length: 60 }, (_, index) => `word${index} `);
    const model = `restart-${signal.toLowerCase()}`;
    server.script(model, { kind: 'stream', chunks, pauseMs: 50 }, { kind: 'stream', chunks });
    const agentId = await workshop.createAgent({ model: `openai-compatible/${model}` });
    const id = await workshop.run(agentId);
    await workshop.streamed(id, 'word3');

    const before = await postmaster(workshop);
    process.kill(before, signal);
    await workshop.until(
      () => postmaster(workshop).catch(() => before),
      (now) => now !== before,
    );

    expect(await workshop.ended(id)).toMatchObject({
      status: 'completed',
      attempt: 1,
      output: { text: chunks.join('') },
    });
    expect(await workshop.watchedText(id)).toBe(chunks.join(''));
    expect(await workshop.ended(await workshop.run(agentId))).toMatchObject({
      status: 'completed',
      attempt: 1,
    });
  });
});

/** The process id of the server. */
async function postmaster(workshop: Workshop): Promise<number> {
  const [row] = await workshop.sql`select current_setting('data_directory') as directory`;
  return Number.parseInt(await readFile(join(row!.directory, 'postmaster.pid'), 'utf8'));
}
