import type { Kysely } from 'kysely';
import postgres from 'postgres';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { kyselyOver } from '../lib/supabase/kysely.ts';

/**
 * A worker's connections: a pool under Kysely, and, for whoever listens, one more. They survive a
 * restart of Postgres as long as there are no transactions: what the worker calls is one statement each.
 */
export class WorkerDatabase {
  readonly kysely: Kysely<DB>;
  readonly #client: postgres.Sql;

  constructor(url: string, options: { maxConnections: number; applicationName: string }) {
    this.#client = postgres(url, {
      max: options.maxConnections,
      connection: { application_name: options.applicationName },
      connect_timeout: 5,
      backoff: (failures) => Math.min(2, 0.1 * 2 ** failures),
      onnotice: () => {},
    });
    this.kysely = kyselyOver(this.#client);
  }

  /**
   * Calls `onNotify` for every notification on the channel. `onListening` is called once listening has
   * begun and again after every reconnection, when notifications may have been missed. Resolves once
   * listening has begun, or when the signal ends the waiting for the database.
   */
  async listen(
    channel: string,
    onNotify: (payload: string) => void,
    { onListening, signal }: { onListening: () => void; signal: AbortSignal },
  ): Promise<void> {
    const listen = () => this.#client.listen(channel, onNotify, onListening);
    await untilAnswered(listen, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async close(): Promise<void> {
    await this.#client.end({ timeout: 2 });
  }
}

/** Whether the database went away under a query, which then may or may not have taken effect. */
export function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && CONNECTION_ERRORS.test(code);
}

// postgres.js's own, the sockets', and those of a server that is shutting down, starting or full.
const CONNECTION_ERRORS =
  /^(CONNECTION_(CLOSED|DESTROYED)|CONNECT_TIMEOUT|E(CONN|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)\w*|57P0[1-3]|08\w{3}|53300)$/;

/**
 * Whether a statement that failed may succeed when it is made again: the database went away, or undid all
 * of it because another stood in its way (a deadlock, a serialization failure).
 */
export function isWorthRepeating(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return isConnectionError(error) || code === '40P01' || code === '40001';
}

/**
 * Calls `operation`, one statement, until the database answers; waits longer each time, up to two
 * seconds.
 */
export async function untilAnswered<T>(
  operation: () => Promise<T>,
  signal: AbortSignal,
  onRetry?: () => void,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await operation();
    } catch (error) {
      if (!isWorthRepeating(error)) throw error;
      signal.throwIfAborted();
      onRetry?.();
      await pause(Math.min(2000, 100 * 2 ** failures), signal);
    }
  }
}

/** Waits, or rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
