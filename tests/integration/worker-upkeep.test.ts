import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase } from '../support/stack.ts';
import { Workshop } from '../support/workshop.ts';

let workshop: Workshop;
let dropDatabase: () => Promise<void>;

beforeAll(async () => {
  const database = await createDatabase();
  dropDatabase = database.drop;
  workshop = await Workshop.open(database.url);
  await workshop.sql.unsafe(`
    create table private.upkeep_marks (task text, at timestamptz default clock_timestamp());
    create function private.mark() returns void language sql set search_path = ''
      as $$ insert into private.upkeep_marks values ('mark') $$;
    create function private.break() returns void language plpgsql set search_path = ''
      as $$ begin
        if not exists (select from private.upkeep_marks where task = 'mend') then
          raise exception 'broken on purpose';
        end if;
      end $$;
    create function private.dawdle() returns void language plpgsql set search_path = ''
      as $$ begin perform pg_sleep(600); end $$;`);
});
afterAll(async () => {
  await workshop?.close();
  await dropDatabase?.();
});

async function register(name: string, every: string): Promise<void> {
  await workshop.sql`
    insert into private.upkeep_tasks (name, task, every)
    values (${name}, ${`private.${name}()`}, ${every}::interval)`;
}

const marks = async () => {
  const [row] = await workshop.sql`
    select count(*)::int as marks from private.upkeep_marks where task = 'mark'`;
  return row!.marks as number;
};

test('a due task runs as often as it asks, and one that fails is logged and stops no other', async () => {
  await register('break', '100 milliseconds');
  await register('mark', '100 milliseconds');
  const worker = await workshop.startWorker();
  const failures = () => worker.output.filter((line) => line.includes('"message":"upkeep failed"'));

  await workshop.until(marks, (count) => count >= 3);
  expect(failures()).toHaveLength(1);
  expect(JSON.parse(failures()[0]!)).toMatchObject({
    level: 'error',
    task: 'break',
    error: 'broken on purpose',
  });

  await workshop.sql`insert into private.upkeep_marks values ('mend')`;
  await worker.saying('upkeep works again');
});

test('what contexts have registered runs and succeeds', async () => {
  const ours = await workshop.until(
    () => workshop.sql`
      select name, last_error from private.upkeep_tasks
      where name not in ('mark', 'break', 'dawdle') and (last_run_at is null or last_error is not null)`,
    (tasks) => tasks.length === 0,
  );
  expect(ours).toEqual([]);
});

test('reads with an API key are counted once, however many workers listen, and one of them is killed', async () => {
  const { id, key } = await workshop.createApiKey(['agents:read']);
  const read = () =>
    workshop.sql.begin('read only', async (sql) => {
      await sql`set local role anon`;
      await sql`select private.authenticate_api_key(${key})`;
    });
  const counted = async () => {
    const [row] = await workshop.sql`
      select coalesce(sum(requests), 0)::int as requests from private.api_request_counts
      where api_key_id = ${id}`;
    return row!.requests as number;
  };

  const [counting] = workshop.workers;
  await workshop.startWorker();
  for (let i = 0; i < 40; i++) await read();
  expect(await workshop.until(counted, (requests) => requests >= 40, 2000)).toBe(40);

  await workshop.sql`select pg_notify('agentry_api_request', 'no key at all')`;
  await counting!.kill('SIGKILL');
  await workshop.until(
    async () => {
      await read();
      return counted();
    },
    (requests) => requests > 40,
  );
});

test('a task that takes long keeps no run waiting, and no worker from going', async () => {
  const agentId = await workshop.createAgent({ model: 'demo/echo' });
  await register('dawdle', '1 hour');
  await workshop.until(
    () => workshop.sql`select from pg_stat_activity where wait_event = 'PgSleep'`,
    (sleeping) => sleeping.length === 1,
  );

  // Whoever waited for the ten minutes of this task would outlast the test.
  const id = await workshop.run(agentId);
  expect(await workshop.ended(id)).toMatchObject({ status: 'completed' });
  for (const worker of workshop.workers) await worker.kill('SIGTERM');
});
