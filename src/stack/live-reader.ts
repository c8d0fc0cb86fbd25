// How messages come from SQL to the live channel: realtime.send() writes a row and announces its id.

import postgres from 'postgres';
import type { Broadcast } from './live-protocol.ts';

const FETCHED_AT_ONCE = 200;

export type Delivery = {
  isWanted(topic: string): boolean;
  deliver(topic: string, isPrivate: boolean, broadcast: Broadcast): void;
  /** The database was away: messages may have been missed. */
  lost(): void;
  log(line: string): void;
};

export type Reader = {
  /** Whether messages arrive just now. */
  isListening(): boolean;
  /** Settles when they arrive for the first time. */
  ready: Promise<void>;
  close(): Promise<void>;
};

/**
 * Reads what realtime.send() wrote, in the order of the commits: notifications carry ids, and a single
 * loop fetches them one batch after the other (parallel reads would scramble them).
 */
export function startReader(databaseUrl: string, sql: postgres.Sql, delivery: Delivery): Reader {
  const waiting: string[] = [];
  let isFetching = false;
  let isClosed = false;
  let isListening = false;
  let listener: postgres.Sql | null = null;
  let retry: NodeJS.Timeout | null = null;
  const ready = Promise.withResolvers<void>();
  void listen();

  return {
    isListening: () => isListening,
    ready: ready.promise,
    async close() {
      isClosed = true;
      if (retry) clearTimeout(retry);
      await listener?.end({ timeout: 1 });
    },
  };

  /** A connection of its own: postgres.js listens again by itself only once, and tells nobody. */
  async function listen(): Promise<void> {
    const settings: postgres.Options<Record<string, never>> & {
      onnotify(channel: string, payload: string): void;
    } = {
      max: 1,
      max_lifetime: null,
      onnotice() {},
      connection: { application_name: 'live listener' },
      onnotify: (_channel, payload) => notified(payload),
      onclose: () => {
        if (isClosed || connection !== listener) return;
        listener = null;
        isListening = false;
        waiting.length = 0;
        delivery.lost();
        void connection.end({ timeout: 0 }).catch(() => {});
        retry = setTimeout(() => void listen(), 100);
      },
    };
    const connection = postgres(databaseUrl, settings);
    listener = connection;
    try {
      await connection`listen realtime_messages`;
      isListening = true;
      ready.resolve();
    } catch {
      if (isClosed || connection !== listener) return;
      listener = null;
      await connection.end({ timeout: 0 }).catch(() => {});
      retry = setTimeout(() => void listen(), 250);
    }
  }

  function notified(payload: string): void {
    const space = payload.indexOf(' ');
    if (!delivery.isWanted(payload.slice(space + 1))) return;
    waiting.push(payload.slice(0, space));
    if (!isFetching) void fetchWaiting();
  }

  async function fetchWaiting(): Promise<void> {
    isFetching = true;
    try {
      while (waiting.length > 0) {
        const ids = waiting.splice(0, FETCHED_AT_ONCE);
        const rows = await sql<
          { id: string; topic: string; event: string; payload: unknown; private: boolean }[]
        >`
          select id, topic, event, payload, private from realtime.messages where id = any(${ids}::uuid[])`;
        const found = new Map(rows.map((row) => [row.id, row]));
        for (const id of ids) {
          const row = found.get(id);
          if (row)
            delivery.deliver(row.topic, row.private, { event: row.event, payload: row.payload });
        }
      }
    } catch (error) {
      waiting.length = 0;
      delivery.log(`live: messages could not be read: ${String(error)}`);
      delivery.lost();
    } finally {
      isFetching = false;
    }
  }
}
