// The live channel: Realtime's broadcast protocol over WebSocket, for supabase-js. Messages come from
// other clients, from HTTP, and from SQL by realtime.send(). A private channel asks the policies of
// realtime.messages. Presence and database changes are not offered, and the client is told so.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import postgres from 'postgres';
import { type WebSocket, WebSocketServer } from 'ws';
import { readBody, sendJson, urlOf } from './http.ts';
import { type ApiRole, type Caller, type Claims, claimsOf } from './jwt.ts';
import {
  type Broadcast,
  type Message,
  type Version,
  decode,
  encode,
  encodeBroadcast,
} from './live-protocol.ts';
import { startReader } from './live-reader.ts';

const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const MAX_CHANNELS = 100;
const MAX_TOPIC_BYTES = 255;
// Clients send a heartbeat every 25 seconds.
const SILENCE_MS = 70_000;
const SWEEP_MS = 15_000;
const PRUNE_MS = 60_000;

// Close codes of WebSocket (RFC 6455 and its registry).
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

export type LiveOptions = {
  /** Connects as supabase_realtime_admin. */
  databaseUrl: string;
  jwtSecret: string;
  /** The role of an API key: supabase-js sends its key as the token while nobody is signed in. */
  roleOfKey(key: string): ApiRole | null;
  log: (line: string) => void;
};

export type Live = {
  /** Settles when messages arrive from the database. */
  ready: Promise<void>;
  /** Takes over a WebSocket handshake. */
  connect(request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void;
  /** Answers POST /realtime/v1/api/broadcast. */
  handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  close(): Promise<void>;
};

/** One joined channel of one socket. */
type Subscription = {
  client: Client;
  topic: string;
  isPrivate: boolean;
  joinRef: string | null;
  hearsItself: boolean;
  wantsAck: boolean;
  claims: Claims;
  /** Asked at the first broadcast, then kept for the life of the token. */
  maySend: Promise<boolean> | null;
  expiry: NodeJS.Timeout | null;
};

type Client = {
  socket: WebSocket;
  version: Version;
  caller: Caller;
  subscriptions: Map<string, Subscription>;
  lastSeen: number;
  /** Messages of one client are handled one after the other: a broadcast follows its join. */
  turn: Promise<void>;
};

/** Starts the live channel; it listens to the database from now on, and again after each loss. */
export function startLive(options: LiveOptions): Live {
  const { log } = options;
  const sql = postgres(options.databaseUrl, {
    max: 5,
    onnotice() {},
    connection: { application_name: 'live', statement_timeout: 5_000 },
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    clientTracking: false,
  });
  const clients = new Set<Client>();
  const channels = new Map<string, Set<Subscription>>();
  const reader = startReader(options.databaseUrl, sql, {
    isWanted: (topic) =>
      channels.has(channelKey(topic, true)) || channels.has(channelKey(topic, false)),
    deliver: (topic, isPrivate, broadcast) => deliver(topic, isPrivate, broadcast, null),
    lost: () => disconnectAll(TRY_AGAIN_LATER, 'The database connection was lost.'),
    log,
  });

  const sweep = setInterval(() => {
    const limit = Date.now() - SILENCE_MS;
    for (const client of clients) if (client.lastSeen < limit) client.socket.terminate();
  }, SWEEP_MS);
  const prune = setInterval(() => {
    sql`delete from realtime.messages where inserted_at < localtimestamp - interval '10 minutes'`.catch(
      () => {},
    );
  }, PRUNE_MS);

  return { ready: reader.ready, connect, handle, close };

  function connect(request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void {
    // Whoever joined now would miss messages and not know it; clients try again by themselves.
    if (!reader.isListening()) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n');
      return;
    }
    const version = urlOf(request).searchParams.get('vsn');
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const client: Client = {
        socket: webSocket,
        version: version === '2.0.0' ? '2.0.0' : '1.0.0',
        caller,
        subscriptions: new Map(),
        lastSeen: Date.now(),
        turn: Promise.resolve(),
      };
      clients.add(client);
      webSocket.on('message', (data: Buffer, isBinary: boolean) => {
        client.lastSeen = Date.now();
        const message = decode(data, isBinary, client.version);
        if (message === null) return;
        client.turn = client.turn
          .then(() => receive(client, message))
          .catch((error: unknown) => {
            log(`live: ${String(error)}`);
            reply(client, message, 'error', { reason: 'The server failed.' });
          });
      });
      // ws reports oversized and malformed frames here and closes by itself.
      webSocket.on('error', () => {});
      webSocket.on('close', () => {
        clients.delete(client);
        for (const subscription of client.subscriptions.values()) drop(subscription);
      });
    });
  }

  async function receive(client: Client, message: Message): Promise<void> {
    if (message.topic === 'phoenix' && message.event === 'heartbeat')
      return reply(client, message, 'ok', {});
    if (message.event === 'phx_join') return join(client, message);

    const subscription = client.subscriptions.get(message.topic);
    if (!subscription) return reply(client, message, 'error', { reason: 'unmatched topic' });
    switch (message.event) {
      case 'phx_leave':
        drop(subscription);
        reply(client, message, 'ok', {});
        send(client, {
          joinRef: subscription.joinRef,
          ref: message.ref,
          topic: message.topic,
          event: 'phx_close',
          payload: {},
        });
        return;
      case 'access_token':
        return renew(subscription, message);
      case 'broadcast':
        return broadcast(subscription, message);
      default:
        return reply(client, message, 'error', {
          reason: `This server does not offer ${message.event}.`,
        });
    }
  }

  async function join(client: Client, message: Message): Promise<void> {
    const refuse = (reason: string): void => reply(client, message, 'error', { reason });
    const topic = /^realtime:(.+)$/s.exec(message.topic)?.[1];
    if (topic === undefined || Buffer.byteLength(message.topic) > MAX_TOPIC_BYTES)
      return refuse('unmatched topic');

    const config = fieldsOf(message.payload['config']);
    if (Array.isArray(config['postgres_changes']) && config['postgres_changes'].length > 0) {
      return refuse(
        'This server does not offer postgres_changes. Use broadcast from the database (realtime.send).',
      );
    }
    const claims = claimsWith(client.caller, message.payload['access_token']);
    if (claims === null)
      return refuse('InvalidJWTToken: The access token is invalid or has expired.');

    const before = client.subscriptions.get(message.topic);
    if (before) drop(before);
    if (client.subscriptions.size >= MAX_CHANNELS)
      return refuse('ChannelRateLimitReached: Too many channels.');

    const isPrivate = config['private'] === true;
    if (isPrivate && !(await mayUse(topic, claims, 'listen'))) {
      return refuse(
        `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`,
      );
    }
    if (client.socket.readyState !== client.socket.OPEN) return;

    const subscription: Subscription = {
      client,
      topic,
      isPrivate,
      joinRef: message.joinRef ?? message.ref,
      hearsItself: fieldsOf(config['broadcast'])['self'] === true,
      wantsAck: fieldsOf(config['broadcast'])['ack'] === true,
      claims,
      maySend: null,
      expiry: null,
    };
    client.subscriptions.set(message.topic, subscription);
    const key = channelKey(topic, isPrivate);
    const members = channels.get(key);
    if (members) members.add(subscription);
    else channels.set(key, new Set([subscription]));
    expireWithToken(subscription);

    reply(client, message, 'ok', { postgres_changes: [] });
    if (fieldsOf(config['presence'])['enabled'] === true) {
      // Nobody is ever shown as present; the empty state lets a client that waits for one go on.
      send(client, {
        joinRef: subscription.joinRef,
        ref: null,
        topic: message.topic,
        event: 'presence_state',
        payload: {},
      });
    }
  }

  /** A client's new token: asks the policies again, and ends the channel when they refuse now. */
  async function renew(subscription: Subscription, message: Message): Promise<void> {
    const claims = claimsWith(subscription.client.caller, message.payload['access_token']);
    if (claims === null) return end(subscription, 'The access token is invalid or has expired.');
    subscription.claims = claims;
    subscription.maySend = null;
    expireWithToken(subscription);
    if (subscription.isPrivate && !(await mayUse(subscription.topic, claims, 'listen'))) {
      end(subscription, 'You no longer have permission to read from this channel.');
    }
  }

  async function broadcast(subscription: Subscription, message: Message): Promise<void> {
    const event = message.payload['event'];
    if (typeof event !== 'string')
      return reply(subscription.client, message, 'error', {
        reason: 'A broadcast needs an event.',
      });
    if (subscription.isPrivate) {
      subscription.maySend ??= mayUse(subscription.topic, subscription.claims, 'send');
      if (!(await subscription.maySend)) {
        if (subscription.wantsAck)
          reply(subscription.client, message, 'error', { reason: 'Unauthorized' });
        return;
      }
    }
    const from = subscription.hearsItself ? null : subscription;
    deliver(
      subscription.topic,
      subscription.isPrivate,
      { event, payload: message.payload['payload'] },
      from,
    );
    if (subscription.wantsAck) reply(subscription.client, message, 'ok', {});
  }

  /** Hands a message to everybody on a channel except `from`. Each wire format is written once. */
  function deliver(
    topic: string,
    isPrivate: boolean,
    message: Broadcast,
    from: Subscription | null,
  ): void {
    const frames = new Map<Version, string | Buffer | null>();
    for (const subscription of channels.get(channelKey(topic, isPrivate)) ?? []) {
      if (subscription === from) continue;
      const { client } = subscription;
      if (!frames.has(client.version)) {
        frames.set(client.version, encodeBroadcast(`realtime:${topic}`, message, client.version));
      }
      const frame = frames.get(client.version);
      if (frame) write(client, frame);
    }
  }

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
  ): Promise<void> {
    const url = urlOf(request);
    const match = /^\/realtime\/v1\/api\/broadcast(\/.*)?$/.exec(url.pathname);
    if (request.method !== 'POST' || match === null)
      return sendJson(response, 404, { message: 'Not found' });
    const claims = claimsOf(caller, options.jwtSecret);
    if (claims === null)
      return sendJson(response, 401, { message: 'The access token is invalid or has expired.' });

    const body = await readBody(request, MAX_MESSAGE_BYTES);
    const messages =
      match[1] === undefined
        ? batchOf(body)
        : oneOf(match[1], url, body, request.headers['content-type']);
    if (messages === null)
      return sendJson(response, 422, { message: 'The body is not what /api/broadcast takes.' });
    for (const { topic, isPrivate, ...message } of messages) {
      if (isPrivate && !(await mayUse(topic, claims, 'send'))) {
        return sendJson(response, 403, {
          message: `You do not have permissions to send to this Channel topic: ${topic}`,
        });
      }
      deliver(topic, isPrivate, message, null);
    }
    response.writeHead(202).end();
  }

  /**
   * Asks the policies of realtime.messages, as Supabase does: a row of this topic is written and read,
   * one of the two with the caller's role and claims, and rolled back.
   */
  async function mayUse(topic: string, claims: Claims, what: 'listen' | 'send'): Promise<boolean> {
    let allowed = false;
    const asCaller = (tx: postgres.TransactionSql) => tx`
      select set_config('role', ${claims.role}, true), set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    const probe = (tx: postgres.TransactionSql) =>
      tx`insert into realtime.messages (topic, extension, private) values (${topic}, 'broadcast', true)`;
    try {
      await sql.begin(async (tx) => {
        await tx`select set_config('realtime.topic', ${topic}, true)`;
        if (what === 'send') {
          await asCaller(tx);
          await probe(tx);
          allowed = true;
        } else {
          const [row] = await tx`
            insert into realtime.messages (topic, extension, private) values (${topic}, 'broadcast', true) returning id`;
          await asCaller(tx);
          const seen = await tx`select 1 from realtime.messages where id = ${String(row?.['id'])}`;
          allowed = seen.length > 0;
        }
        throw new Rollback();
      });
    } catch (error) {
      if (error instanceof postgres.PostgresError && error.code === INSUFFICIENT_PRIVILEGE)
        return false;
      if (!(error instanceof Rollback)) throw error;
    }
    return allowed;
  }

  /** The claims of a token that came over the socket; without one those that it was opened with. */
  function claimsWith(caller: Caller, token: unknown): Claims | null {
    if (typeof token !== 'string') return claimsOf(caller, options.jwtSecret);
    const role = options.roleOfKey(token);
    return role !== null ? { role } : claimsOf({ ...caller, userToken: token }, options.jwtSecret);
  }

  function expireWithToken(subscription: Subscription): void {
    if (subscription.expiry) clearTimeout(subscription.expiry);
    subscription.expiry = null;
    const { exp } = subscription.claims;
    if (exp === undefined) return;
    const left = exp * 1000 - Date.now();
    subscription.expiry = setTimeout(
      () => end(subscription, 'The access token has expired.'),
      Math.min(left, 2 ** 31 - 1),
    );
  }

  /**
   * Ends a channel from here. `phx_error` rather than `phx_close`: after it realtime-js joins again by
   * itself, so that a laptop which slept past its token's end recovers with the next one.
   */
  function end(subscription: Subscription, message: string): void {
    const { client, joinRef } = subscription;
    const topic = `realtime:${subscription.topic}`;
    drop(subscription);
    const payload = { status: 'error', extension: 'system', message, channel: subscription.topic };
    send(client, { joinRef, ref: null, topic, event: 'system', payload });
    send(client, {
      joinRef,
      ref: joinRef,
      topic,
      event: 'phx_error',
      payload: { reason: message },
    });
  }

  function drop(subscription: Subscription): void {
    if (subscription.expiry) clearTimeout(subscription.expiry);
    subscription.client.subscriptions.delete(`realtime:${subscription.topic}`);
    const key = channelKey(subscription.topic, subscription.isPrivate);
    const members = channels.get(key);
    members?.delete(subscription);
    if (members?.size === 0) channels.delete(key);
  }

  function disconnectAll(code: number, reason: string): void {
    for (const { socket } of clients) socket.close(code, reason);
  }

  async function close(): Promise<void> {
    clearInterval(sweep);
    clearInterval(prune);
    disconnectAll(GOING_AWAY, 'The server stops.');
    // A client that answers the closing handshake is gone at once; the rest is not waited for.
    await new Promise((resolve) => setTimeout(resolve, clients.size > 0 ? 100 : 0));
    for (const { socket } of clients) socket.terminate();
    await reader.close();
    await sql.end({ timeout: 1 });
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

class Rollback extends Error {}

/** Private and public channels of one name are two channels. */
function channelKey(topic: string, isPrivate: boolean): string {
  return `${isPrivate ? 'private' : 'public'} ${topic}`;
}

function reply(
  client: Client,
  to: Message,
  status: 'ok' | 'error',
  response: Record<string, unknown>,
): void {
  send(client, {
    joinRef: to.joinRef,
    ref: to.ref,
    topic: to.topic,
    event: 'phx_reply',
    payload: { status, response },
  });
}

function send(client: Client, message: Message): void {
  write(client, encode(message, client.version));
}

/** A client that reads too slowly is cut off rather than buffered for: it rejoins and refetches. */
function write(client: Client, frame: string | Buffer): void {
  if (client.socket.readyState !== client.socket.OPEN) return;
  if (client.socket.bufferedAmount > MAX_QUEUED_BYTES) client.socket.terminate();
  else client.socket.send(frame);
}

type Addressed = Broadcast & { topic: string; isPrivate: boolean };

function batchOf(body: Buffer): Addressed[] | null {
  const messages = fieldsOf(parsed(body))['messages'];
  if (!Array.isArray(messages)) return null;
  const batch: Addressed[] = [];
  for (const message of messages.map(fieldsOf)) {
    const { topic, event, payload } = message;
    if (typeof topic !== 'string' || typeof event !== 'string') return null;
    batch.push({ topic, event, payload, isPrivate: message['private'] === true });
  }
  return batch;
}

function oneOf(
  path: string,
  url: URL,
  body: Buffer,
  contentType: string | undefined,
): Addressed[] | null {
  const [, topic, event] = /^\/([^/]+)\/events\/([^/]+)$/.exec(path) ?? [];
  if (topic === undefined || event === undefined) return null;
  const payload = contentType === 'application/octet-stream' ? body : parsed(body);
  if (payload === undefined) return null;
  const isPrivate = url.searchParams.get('private') === 'true';
  try {
    return [
      { topic: decodeURIComponent(topic), event: decodeURIComponent(event), payload, isPrivate },
    ];
  } catch {
    return null;
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
