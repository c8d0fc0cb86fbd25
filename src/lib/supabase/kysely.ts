import {
  CompiledQuery,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import type postgres from 'postgres';
import type { DB } from './database.kysely.ts';

/**
 * Kysely over a pool of postgres.js, for what talks to PostgreSQL itself: workers, commands, benchmarks.
 * Destroying it ends the pool.
 *
 * kysely-postgres-js reserves a connection for every query; when Postgres restarts, postgres.js hands
 * such a connection out again after it died, and the write to its missing socket ends the process. So
 * queries go to the pool itself here, which replaces dead connections; only transactions reserve one,
 * and what must outlive a restart does without them.
 */
export function kyselyOver(pool: postgres.Sql): Kysely<DB> {
  return new Kysely({ dialect: new PoolDialect(pool) });
}

class PoolDialect implements Dialect {
  readonly #pool: postgres.Sql;

  constructor(pool: postgres.Sql) {
    this.#pool = pool;
  }
  createDriver(): Driver {
    return new PoolDriver(this.#pool);
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
  readonly #pool: postgres.Sql;

  constructor(pool: postgres.Sql) {
    this.#pool = pool;
  }
  async init() {}
  async acquireConnection() {
    return new PoolConnection(this.#pool);
  }
  async releaseConnection(connection: PoolConnection) {
    connection.release();
  }
  async beginTransaction(connection: PoolConnection) {
    await connection.reserve();
    await connection.executeQuery(CompiledQuery.raw('begin'));
  }
  async commitTransaction(connection: PoolConnection) {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }
  async rollbackTransaction(connection: PoolConnection) {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }
  async destroy() {
    await this.#pool.end({ timeout: 2 });
  }
}

/** Any connection of the pool, query by query, or from `reserve` to `release` one and the same. */
class PoolConnection implements DatabaseConnection {
  readonly #pool: postgres.Sql;
  #reserved: postgres.ReservedSql | undefined;

  constructor(pool: postgres.Sql) {
    this.#pool = pool;
  }

  async reserve(): Promise<void> {
    this.#reserved = await this.#pool.reserve();
  }

  release(): void {
    this.#reserved?.release();
    this.#reserved = undefined;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const client = this.#reserved ?? this.#pool;
    const rows = await client.unsafe(sql, [...parameters] as never[], { prepare: true });
    return { rows: [...rows] as R[], numAffectedRows: BigInt(rows.count ?? 0) };
  }

  streamQuery(): never {
    throw new Error('The pool streams no queries.');
  }
}
