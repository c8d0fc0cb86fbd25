import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { sql, type Kysely } from 'kysely';
import { Webhook } from 'standardwebhooks';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { workOff } from './backlog.ts';
import { untilAnswered, type WorkerDatabase } from './database.ts';
import { log } from './log.ts';
import { allowsOrigin } from './origins.ts';
import { findHost, findPublicHost, PrivateAddress, type Address } from './public-address.ts';
import { storable } from './queue.ts';
import { UnreadableSecret, type Ciphertext, type Vault } from './secrets.ts';
import type { Settings } from './settings.ts';
import type { Shutdown } from './shutdown.ts';

/** Deliveries under way at once. Most of them wait for a receiver, which costs nothing but a socket. */
const CONCURRENCY = 32;

/** A delivery that failed is due again without announcement. */
const POLL_MS = 2000;

/** How much of an answer is kept. */
const KEPT_BYTES = 1024;

/** As `private.claim_webhook_deliveries` hands it out, for two minutes. */
type Claimed = Ciphertext & {
  delivery_id: string;
  webhook_id: string;
  url: string;
  payload: unknown;
  attempt: number;
};
type Delivery = Claimed & { secret: () => Promise<string> };

/** What a receiver said; without a status, why it said nothing. */
type Answer = { status: number | null; body: string };

export type DeliveryContext = {
  /** Hears of new deliveries. */
  listener: WorkerDatabase;
  database: Kysely<DB>;
  vault: Vault;
  settings: Settings['webhooks'];
  shutdown: Shutdown;
};

/**
 * Delivers what stands in the outbox, as Standard Webhooks says (https://www.standardwebhooks.com): at
 * least once, signed, each attempt under the same `webhook-id`. The database says when something is
 * due again. Resolves after the shutdown; what has not been answered by then is left to another worker.
 */
export async function deliverWebhooks(context: DeliveryContext): Promise<void> {
  await workOff(
    {
      name: 'webhooks',
      channel: 'agentry_webhooks',
      pollMs: POLL_MS,
      concurrency: CONCURRENCY,
      claim: (count) => claimDeliveries(count, context),
      work: (delivery) => deliver(delivery, context),
    },
    context.listener,
    context.shutdown.stopping,
  );
}

async function claimDeliveries(
  count: number,
  { database, vault }: DeliveryContext,
): Promise<Delivery[]> {
  const { rows } = await sql<Claimed>`
    select delivery_id, webhook_id, url, payload, attempt, key_id, ciphertext
    from private.claim_webhook_deliveries(${count})
  `.execute(database);
  // Opening a secret takes as long as a call: once for all deliveries of a webhook.
  const secrets = new Map<string, Promise<string>>();
  return rows.map((row) => {
    const { webhook_id: webhookId } = row;
    const secret = () => {
      const opened = secrets.get(webhookId) ?? vault.open(row, webhookId, 'webhook');
      secrets.set(webhookId, opened);
      return opened;
    };
    return { ...row, secret };
  });
}

async function deliver(delivery: Delivery, context: DeliveryContext): Promise<void> {
  const { leaving } = context.shutdown;
  const about = {
    delivery: delivery.delivery_id,
    webhook: delivery.webhook_id,
    attempt: delivery.attempt,
  };
  try {
    const answer = await send(delivery, context);
    const outcome = await untilAnswered(
      () => finishDelivery(context.database, delivery, answer),
      leaving,
    );
    log.info('webhook called', { ...about, status: answer.status, outcome });
  } catch (error) {
    if (leaving.aborted) log.warning('webhook left to another worker', about);
    else log.error('webhook could not be called', { ...about, error: String(error) });
  }
}

async function finishDelivery(
  database: Kysely<DB>,
  { delivery_id, attempt }: Delivery,
  { status, body }: Answer,
): Promise<string> {
  const { rows } = await sql<{ outcome: string }>`
    select private.finish_webhook_delivery(
      ${delivery_id}, ${attempt}, ${status}, ${storable(body)}) as outcome
  `.execute(database);
  return rows[0]!.outcome;
}

/** The receiver's answer; throws only when the worker leaves, or failed itself. */
async function send(delivery: Delivery, { settings, shutdown }: DeliveryContext): Promise<Answer> {
  let tooLong: AbortSignal | undefined;
  try {
    const message = signed(delivery, await delivery.secret());
    const url = new URL(delivery.url);
    // The receiver's time: opening secrets is ours, looking up its name is not.
    tooLong = AbortSignal.timeout(settings.timeoutMs);
    const signal = AbortSignal.any([tooLong, shutdown.leaving]);
    const isAllowed = allowsOrigin(settings.origins, url.origin);
    const addresses = await (isAllowed ? findHost : findPublicHost)(url.hostname, signal);
    return await post(url, addresses, message, signal);
  } catch (error) {
    shutdown.leaving.throwIfAborted();
    if (tooLong?.aborted) {
      return { status: null, body: `No answer within ${settings.timeoutMs / 1000} seconds.` };
    }
    if (error instanceof PrivateAddress) return { status: null, body: error.message };
    if (error instanceof UnreadableSecret) {
      return { status: null, body: `The signing secret cannot be read: ${error.message}.` };
    }
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string') throw error;
    return { status: null, body: `The receiver could not be reached (${code}).` };
  }
}

type Message = { headers: Record<string, string>; body: string };

function signed(delivery: Delivery, secret: string): Message {
  const body = JSON.stringify(delivery.payload);
  const sentAt = new Date();
  return {
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Agentry-Webhooks/1',
      'webhook-id': delivery.delivery_id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(delivery.delivery_id, sentAt, body),
    },
    body,
  };
}

/** Connects to one of these addresses and no other; what answers with a redirect has answered. */
function post(
  url: URL,
  addresses: Address[],
  { headers, body }: Message,
  signal: AbortSignal,
): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      headers,
      signal,
      agent: false,
      lookup: (_hostname, options, callback) => {
        if (options.all) callback(null, addresses);
        else callback(null, addresses[0]!.address, addresses[0]!.family);
      },
    });
    outgoing.on('response', (response) => {
      resolve(
        firstKilobyte(response).then((kept) => ({ status: response.statusCode!, body: kept })),
      );
    });
    // A protocol that nobody asked for: an answer, and no response.
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode!, body: '' });
    });
    outgoing.on('error', reject);
    // However it ends, it ends; what was settled above stays so.
    outgoing.on('close', () =>
      reject(Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' })),
    );
    outgoing.end(body);
  });
}

/** Reads no further; where the answer breaks off earlier, what came of it. */
async function firstKilobyte(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      length += part.length;
      if (length >= KEPT_BYTES) break;
    }
  } catch {
    // The status has been said, and it is what counts.
  }
  // As a stream, so that half a character at the end is left out.
  return new TextDecoder().decode(Buffer.concat(parts).subarray(0, KEPT_BYTES), { stream: true });
}
