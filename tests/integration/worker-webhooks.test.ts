import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase } from '../support/stack.ts';
import { WebhookReceiver, type Reception } from '../support/webhook-receiver.ts';
import { Workshop, type WorkerProcess } from '../support/workshop.ts';

let receiver: WebhookReceiver;
let databaseUrl: string;
let dropDatabase: () => Promise<void>;
/** Its two workers serve everybody; tests have organizations of their own. */
let operator: Workshop;
let workers: WorkerProcess[];
let environment: Record<string, string>;
const workshops: Workshop[] = [];

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  const database = await createDatabase();
  databaseUrl = database.url;
  dropDatabase = database.drop;
  operator = await Workshop.open(databaseUrl);
  environment = {
    AGENTRY_PRIVATE_KEY_FILE: await operator.createKeyPair(),
    WEBHOOK_ORIGINS: receiver.origin,
    WEBHOOK_TIMEOUT_SECONDS: '3',
  };
  workers = await Promise.all([
    operator.startWorker(environment),
    operator.startWorker(environment),
  ]);
});
afterAll(async () => {
  for (const workshop of [...workshops, operator]) await workshop?.close();
  await dropDatabase?.();
  await receiver?.stop();
});

type Delivery = {
  id: string;
  status: string;
  response_status_code: number | null;
  response_body: string | null;
  attempt_number: number;
  next_retry_at: Date | null;
};

/** Somebody whose webhook hears of published agents; the path is the receiver's, scripted as given. */
async function subscriber(path: string, ...receptions: Reception[]) {
  return subscriberAt(receiver.script(path, ...receptions));
}

async function subscriberAt(url: string) {
  const workshop = await Workshop.open(databaseUrl);
  workshops.push(workshop);
  const webhook = await workshop.createWebhook(url, ['agent.published']);
  const delivery = async () => {
    const [row] = await workshop.sql<Delivery[]>`
      select id, status, response_status_code, response_body, attempt_number, next_retry_at
      from public.webhook_deliveries where webhook_id = ${webhook.id} order by id limit 1`;
    return row!;
  };
  return {
    workshop,
    webhook,
    publish: () => workshop.createAgent({ model: 'demo/echo' }),
    /** The delivery, once it has been answered so many times. */
    answered: (times = 1) =>
      workshop.until(delivery, (row) => {
        const isUnderWay = row?.response_body === null && row.response_status_code === null;
        return row?.attempt_number === times && !isUnderWay;
      }),
  };
}

const ok: Reception = { kind: 'status', status: 200, body: 'thanks' };

describe.concurrent('webhooks', { timeout: 60_000 }, () => {
  test('an event arrives, signed as the receiver can verify', async () => {
    const { webhook, publish, answered, workshop } = await subscriber('/ok', ok);
    const agentId = await publish();

    expect(await answered()).toMatchObject({
      status: 'success',
      response_status_code: 200,
      response_body: 'thanks',
      attempt_number: 1,
      next_retry_at: null,
    });
    const [seen] = receiver.seen('/ok');
    expect(new Webhook(webhook.secret).verify(seen!.body, seen!.headers)).toMatchObject({
      type: 'agent.published',
      data: { agent_id: agentId },
    });
    expect(seen!.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': (await answered()).id,
    });
    expect(() =>
      new Webhook('whsec_c29tZWJvZHkgZWxzZQ==').verify(seen!.body, seen!.headers),
    ).toThrow();
    const [counts] = await workshop.sql`
      select total_deliveries, successful_deliveries, failed_deliveries from public.webhooks
      where id = ${webhook.id}`;
    expect(counts).toEqual({
      total_deliveries: 1,
      successful_deliveries: 1,
      failed_deliveries: 0,
    });
  });

  test('after a 500 it is sent again five seconds later, under the same id', async () => {
    const { webhook, publish, answered, workshop } = await subscriber(
      '/shaky',
      { kind: 'status', status: 500, body: 'oops' },
      { kind: 'status', status: 204 },
    );
    await publish();

    expect(await answered(1)).toMatchObject({ status: 'pending', response_body: 'oops' });
    const delivery = await workshop.until(
      () => answered(2),
      ({ status }) => status !== 'pending',
    );
    expect(delivery).toMatchObject({ status: 'success', response_status_code: 204 });
    const [first, second] = receiver.seen('/shaky');
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.at - first!.at).toBeGreaterThan(4900);
    new Webhook(webhook.secret).verify(second!.body, second!.headers);
  });

  test('410 switches the webhook off', async () => {
    const { webhook, publish, answered, workshop } = await subscriber('/gone', {
      kind: 'status',
      status: 410,
    });
    await publish();

    expect(await answered()).toMatchObject({ status: 'failed', response_status_code: 410 });
    const [row] = await workshop.sql`
      select is_active from public.webhooks where id = ${webhook.id}`;
    expect(row).toEqual({ is_active: false });
  });

  test('a receiver that hangs is given up, and tried again later', async () => {
    const { publish, answered } = await subscriber('/hanging', { kind: 'hang' });
    await publish();

    expect(await answered()).toMatchObject({
      status: 'pending',
      response_status_code: null,
      response_body: 'No answer within 3 seconds.',
      next_retry_at: expect.any(Date),
    });
  });

  test('a redirect is an answer, and is not followed', async () => {
    const target = receiver.script('/target', ok);
    const { publish, answered } = await subscriber('/moved', {
      kind: 'status',
      status: 307,
      headers: { location: target },
    });
    await publish();

    expect(await answered()).toMatchObject({ status: 'pending', response_status_code: 307 });
    expect(receiver.seen('/target')).toEqual([]);
  });

  test('a receiver that changes the protocol has answered, and has not received', async () => {
    const { publish, answered } = await subscriber('/switching', { kind: 'switch' });
    await publish();
    expect(await answered()).toMatchObject({ status: 'pending', response_status_code: 101 });
  });

  test('of an answer without end the first kilobyte is kept', async () => {
    const { publish, answered } = await subscriber('/endless', { kind: 'endless', status: 200 });
    await publish();

    expect(await answered()).toMatchObject({
      status: 'success',
      response_status_code: 200,
      response_body: 'ä'.repeat(512),
    });
  });

  test('what PostgreSQL could not store of an answer is replaced', async () => {
    const { publish, answered } = await subscriber('/nul', { ...ok, body: 'a\0b' });
    await publish();
    expect(await answered()).toMatchObject({ response_body: 'a\ufffdb' });
  });

  test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])(
    'nothing is sent to %s, which the operator did not allow',
    async (host) => {
      const other = await WebhookReceiver.start();
      const url = other.script('/private', ok).replace('127.0.0.1', host);
      const { publish, answered } = await subscriberAt(url);
      await publish();

      expect(await answered()).toMatchObject({
        status: 'pending',
        response_status_code: null,
        response_body: 'The address lies inside a private network.',
      });
      expect(other.seen('/private')).toEqual([]);
      await other.stop();
    },
  );

  test('a receiver that nobody runs is named as such', async () => {
    const { publish, answered } = await subscriberAt('http://nowhere.invalid/');
    await publish();
    expect(await answered()).toMatchObject({
      response_body: expect.stringMatching(/could not be reached \(E[A-Z]+\)|No answer/),
    });
  });

  test("another webhook's secret signs nothing", async () => {
    const { webhook, publish, answered, workshop } = await subscriber('/moved-secret', ok);
    const other = await workshop.createWebhook(receiver.origin, ['agent.deleted']);
    await workshop.sql`
      update private.webhook_secrets
      set ciphertext = (
        select ciphertext from private.webhook_secrets where webhook_id = ${other.id})
      where webhook_id = ${webhook.id}`;
    await publish();

    expect(await answered()).toMatchObject({
      status: 'pending',
      response_body: expect.stringContaining('encrypted for another owner'),
    });
    expect(receiver.seen('/moved-secret')).toEqual([]);
  });

  test('two workers deliver each of sixty events once', async () => {
    const { webhook, workshop } = await subscriber('/many', ok);
    await workshop.sql`
      select private.emit_event(${workshop.organizationId}, 'agent.published', jsonb_build_object('n', n))
      from generate_series(1, 60) as n`;

    await workshop.until(
      async () => {
        const [row] = await workshop.sql`
          select successful_deliveries from public.webhooks where id = ${webhook.id}`;
        return row!.successful_deliveries;
      },
      (delivered) => delivered === 60,
    );
    const ids = receiver.seen('/many').map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(60);
    expect(ids).toHaveLength(60);
  });
});

test('a worker that is told to go leaves what hangs to the others', async () => {
  const { publish, answered } = await subscriber('/left', { kind: 'hang' });
  for (const worker of workers) await worker.kill('SIGTERM');
  const patient = { ...environment, WEBHOOK_TIMEOUT_SECONDS: '60', WORKER_GRACE_SECONDS: '0' };
  const worker = await operator.startWorker(patient);
  await publish();
  await operator.until(
    async () => receiver.seen('/left').length,
    (requests) => requests === 1,
  );

  expect(await worker.kill('SIGTERM')).toBe(0);
  expect(worker.output.join('\n')).toContain('webhook left to another worker');

  await operator.sql`update public.webhook_deliveries set next_retry_at = now() where status = 'pending'`;
  await operator.startWorker(environment);
  expect(await answered(2)).toMatchObject({ response_body: 'No answer within 3 seconds.' });
});
