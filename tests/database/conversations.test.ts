import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { allow, as, claim, Crowd, TURNS, WATCH_MS, type Person } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/**
 * Conversations under many connections at once. What a single session can show is in
 * supabase/tests/conversations.
 */
let database: Awaited<ReturnType<typeof createDatabase>>;
let crowd: Crowd;
let person: Person;
let agentId: string;

beforeAll(async () => {
  database = await createDatabase();
  crowd = new Crowd(database.url);
  person = await crowd.person();
  agentId = await crowd.agentOf(person);
});
afterAll(async () => {
  await crowd?.end();
  await database?.drop();
});
afterEach(() => crowd.release());

it('messages that are sent at once are numbered without gaps and answered one by one', async () => {
  const conversationId = await begin();
  const overlaps = watchOverlaps();
  const senders = crowd.connections(10).map(async (sender, n) => {
    for (let turn = 0; turn < 5; turn++) await send(sender, conversationId, `${n}.${turn}`);
  });
  const workers = crowd.connections(4).map(async (worker, n) => {
    for (let idle = 0; idle < 200;) {
      const run = await claim(worker, `worker-${n}`);
      if (!run) {
        idle = (await isQuiet(conversationId, 50)) ? 200 : idle + 1;
        continue;
      }
      await worker`select private.complete_execution(${run.id}, ${run.token}, '{"text": "Yes."}')`;
    }
  });
  await Promise.all([...senders, ...workers]);

  expect(await overlaps.stop()).toEqual([]);
  const messages = await crowd.sql`
    select sequence_number, sender_type from public.messages
    where conversation_id = ${conversationId} order by sequence_number`;
  expect(messages.map(({ sequence_number }) => sequence_number)).toEqual(
    Array.from({ length: 100 }, (_, n) => n + 1),
  );
  expect(messages.filter(({ sender_type }) => sender_type === 'agent').length).toBe(50);
  const order = await crowd.sql`
    select row_number() over (order by m.sequence_number) as asked, row_number() over (order by e.completed_at, e.id) as answered
    from public.messages as m join public.executions as e on e.id = m.execution_id
    where m.conversation_id = ${conversationId} and m.sender_type = 'user'`;
  expect(order.filter(({ asked, answered }) => asked !== answered)).toEqual([]);
});

it('of ten messages that insist on being alone, one is sent', async () => {
  const conversationId = await begin();
  const endings = await Promise.all(
    crowd.connections(10).map((sender) =>
      send(sender, conversationId, 'Me?', 'reject').then(
        () => 'sent',
        (error) => error.detail,
      ),
    ),
  );
  expect(endings.sort()).toEqual([...Array(9).fill('conversation_busy'), 'sent']);
});

it('a run that somebody holds while its conversation is deleted does not wait for ever', async () => {
  const conversationId = await begin();
  await send(crowd.sql, conversationId, 'First?');
  await send(crowd.sql, conversationId, 'Second?');
  const states = () => crowd.sql`
    select status, reserved_usd = 0 as reserves_nothing from public.executions
    where conversation_id = ${conversationId}`;
  const [holder] = crowd.connections(1);
  // As an interrupting message that is refused, because the conversation goes while it waits for it.
  await holder!.begin(async (tx) => {
    await tx`select from public.executions where conversation_id = ${conversationId} for no key update`;
    await as(
      person.id,
      crowd.sql,
      (other) => other`delete from public.conversations where id = ${conversationId}`,
    );
  });
  expect((await states()).map(({ status }) => status)).toEqual(['pending', 'pending']);

  await crowd.sql`select private.cancel_orphaned_runs()`;
  expect([...(await states())]).toEqual(
    Array(2).fill({ status: 'cancelled', reserves_nothing: true }),
  );
});

it('whatever people and workers do at once, nothing deadlocks, gets stuck or is counted wrong', async () => {
  const conversations = await Promise.all([1, 2, 3, 4].map(() => begin()));
  const pick = () => conversations[Math.floor(Math.random() * conversations.length)]!;
  const overlaps = watchOverlaps();
  const deadlocksBefore = await crowd.deadlocks();
  // Near the quota runs are admitted one after the other, which is where locks meet.
  await crowd.sql`
    update public.organizations set monthly_budget_usd = 1000, max_executions_per_month = 100000`;

  const people = crowd.connections(8).map(async (connection, n) => {
    for (let turn = 0; turn < TURNS; turn++) {
      await randomly(
        () => send(connection, pick(), `${n}.${turn}`),
        () => send(connection, pick(), `${n}.${turn}`, 'interrupt'),
        () => send(connection, pick(), `${n}.${turn}`, 'reject').catch(allow('conversation_busy')),
        () => cancelSome(connection),
        () => retrySome(connection),
        () => as(person.id, connection, (tx) => tx`select public.run_agent(${agentId})`),
        () => deleteAndBegin(connection, conversations),
      ).catch(allow('conversation_not_found'));
    }
  });
  let peopleAreBusy = true;
  const workers = crowd.connections(4).map(async (worker, n) => {
    for (let idle = 0; idle < 3;) {
      const run = await claim(worker, `worker-${n}`);
      if (!run) {
        if (!peopleAreBusy) idle++;
        await worker`select pg_sleep(0.01)`;
        continue;
      }
      idle = 0;
      await randomly(
        () =>
          worker`select private.complete_execution(${run.id}, ${run.token}, '{"text": "Yes."}')`,
        () =>
          worker`select private.fail_execution(${run.id}, ${run.token}, 'internal_error', 'No.')`,
        () =>
          worker`select private.fail_execution(${run.id}, ${run.token}, 'provider_unavailable', 'No.', 1)`,
        () => worker`select private.release_execution(${run.id}, ${run.token})`,
        // Dies with the run in hand.
        () =>
          worker`update private.execution_queue set lease_expires_at = now() where execution_id = ${run.id}`,
      ).catch(allow('lease_lost'));
    }
  });
  const reaper = crowd.connection();
  const reaping = (async () => {
    while (peopleAreBusy) {
      await reaper`select private.reap_executions()`;
      await reaper`select private.cancel_orphaned_runs()`;
      await delay(WATCH_MS);
    }
  })();
  await Promise.all(people);
  peopleAreBusy = false;
  await Promise.all([...workers, reaping]);
  await finishEverything();

  expect(await overlaps.stop()).toEqual([]);
  expect((await crowd.deadlocks()) - deadlocksBefore).toBe(0);
  expect(await crowd.sql`select * from private.execution_queue`).toEqual([]);
  expect(
    await crowd.sql`select id from public.executions where status in ('pending', 'running', 'waiting')`,
  ).toEqual([]);
  expect(await crowd.sql`select * from private.recount()`).toEqual([]);
});

async function begin(connection = crowd.sql): Promise<string> {
  const [row] = await as(
    person.id,
    connection,
    (tx) => tx`insert into public.conversations (agent_id) values (${agentId}) returning id`,
  );
  return row!['id'];
}

function send(connection: Sql, conversationId: string, content: string, strategy = 'enqueue') {
  return as(
    person.id,
    connection,
    (tx) => tx`select public.send_message(${conversationId}, ${content}, strategy => ${strategy})`,
  );
}

function cancelSome(connection: Sql) {
  return as(
    person.id,
    connection,
    (tx) => tx`
      select public.cancel_execution(id)
      from (select id from public.executions where completed_at is null order by random() limit 1) as chosen`,
  );
}

function retrySome(connection: Sql) {
  return as(
    person.id,
    connection,
    (tx) => tx`
      select public.retry_execution(id)
      from (
        select id from public.executions
        where completed_at is not null and conversation_id is not null order by random() limit 1) as chosen`,
  ).catch(allow('conversation_busy', 'execution_repeated', 'conversation_not_found'));
}

async function deleteAndBegin(connection: Sql, conversations: string[]) {
  const at = Math.floor(Math.random() * conversations.length);
  const fresh = await begin(connection);
  const [stale] = conversations.splice(at, 1, fresh);
  await as(
    person.id,
    connection,
    (tx) => tx`delete from public.conversations where id = ${stale!}`,
  );
}

/** Picks one of what can happen. */
function randomly(...acts: (() => Promise<unknown>)[]): Promise<unknown> {
  return acts[Math.floor(Math.random() * acts.length)]!();
}

/** Takes what dead workers and back-offs have left, until nothing goes on any more. */
async function finishEverything() {
  await expect
    .poll(
      async () => {
        await crowd.sql`select private.reap_executions()`;
        await crowd.sql`select private.cancel_orphaned_runs()`;
        for (let run; (run = await claim(crowd.sql, 'last'));) {
          await crowd.sql`select private.complete_execution(${run.id}, ${run.token}, '{"text": "Late."}')`;
        }
        const [{ left }] = await crowd.sql<[{ left: number }]>`
          select count(*)::integer as left from private.execution_queue`;
        return left;
      },
      { timeout: 10_000 },
    )
    .toBe(0);
}

async function isQuiet(conversationId: string, messages: number): Promise<boolean> {
  const [{ quiet }] = await crowd.sql<[{ quiet: boolean }]>`
    select count(*) = ${messages} and bool_and(e.completed_at is not null) as quiet
    from public.executions as e where e.conversation_id = ${conversationId}`;
  return quiet;
}

/** Looks all the time for two runs of one conversation that workers hold at once. */
function watchOverlaps() {
  const watcher = crowd.connection();
  const seen: unknown[] = [];
  let watching = true;
  const done = (async () => {
    while (watching) {
      seen.push(
        ...(await watcher`
          select conversation_id from public.executions
          where conversation_id is not null and status in ('running', 'waiting')
          group by conversation_id having count(*) > 1`),
      );
      await delay(WATCH_MS);
    }
  })();
  return {
    stop: async () => {
      watching = false;
      await done;
      return seen;
    },
  };
}
