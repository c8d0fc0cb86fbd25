import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import postgres from 'postgres';
import type { DB } from '../lib/supabase/database.kysely.ts';

/**
 * The worker's connections: a pool under Kysely, and one connection that listens.
 *
 * kysely-postgres-js reserves a connection for every query; when Postgres restarts, postgres.js hands
 * such a connection out again after it died, and the write to its missing socket ends the process. So
 * queries go to the pool itself here, which replaces dead connections. Hence no transactions: each
 * function of the queue is one statement.
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
    this.kysely = new Kysely({ dialect: new PoolDialect(this.#client) });
  }

  /**
   * Calls `onNotify` for every notification on the channel. `onListening` is called once listening has
   * begun and again after every reconnection, when notifications may have been missed.
   */
  async listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListening?: () => void,
  ): Promise<void> {
    await this.#client.listen(channel, onNotify, onListening);
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

/** Calls `operation` until the database answers; waits longer each time, up to two seconds. */
export async function untilAnswered<T>(
  operation: () => Promise<T>,
  signal: AbortSignal,
  onRetry?: () => void,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await operation();
    } catch (error) {
      if (!isConnectionError(error)) throw error;
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

class PoolDialect implements Dialect {
  readonly #client: postgres.Sql;

  constructor(client: postgres.Sql) {
    this.#client = client;
  }
  createDriver(): Driver {
    return new PoolDriver(this.#client);
  }
  createQueryCompiler() {
    return new PostgresQueryCompiler();
  }
  createAdapter() {
    return new PostgresAdapter();
  }
  createIntrospector(database: Kysely<never>) {
    return new PostgresIntrospector(database);
  }
}

class PoolDriver implements Driver {
  readonly #connection: DatabaseConnection;

  constructor(client: postgres.Sql) {
    this.#connection = {
      async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
        const rows = await client.unsafe(sql, [...parameters] as never[], { prepare: true });
        return { rows: [...rows] as R[] };
      },
      streamQuery() {
        throw new Error('The pool streams no queries.');
      },
    };
  }
  async init() {}
  async acquireConnection() {
    return this.#connection;
  }
  async releaseConnection() {}
  async destroy() {}
  async beginTransaction() {
    throw new Error('The pool has no transactions.');
  }
  async commitTransaction() {}
  async rollbackTransaction() {}
}
