import { setTimeout as delay } from 'node:timers/promises';
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { isProving } from './proving.ts';

/** How often everybody does something at random. */
export const TURNS = isProving ? 60 : 15;

/** How often a watcher looks, who leaves most of the machine to those that he watches. */
export const WATCH_MS = 10;

/**
 * Many at once on one database: each connection a person or a worker of its own, as PostgREST and the
 * workers would open them. For races; what a single session can show is pgTAP's.
 */
export class Crowd {
  readonly sql: Sql;
  readonly #url: string;
  readonly #connections: Sql[] = [];
  #taken = 0;

  constructor(databaseUrl: string) {
    this.#url = databaseUrl;
    this.sql = this.#connect(4);
  }

  /** So many that nobody else has. */
  connections(count: number): Sql[] {
    const from = this.#taken;
    this.#taken += count;
    while (this.#connections.length < this.#taken) this.#connections.push(this.#connect(1));
    return this.#connections.slice(from, this.#taken);
  }

  connection(): Sql {
    return this.connections(1)[0]!;
  }

  /** Whoever had connections is done with them: a new one costs far more than a statement on an old one. */
  release(): void {
    this.#taken = 0;
  }

  async end(): Promise<void> {
    await Promise.all([this.sql, ...this.#connections].map((connection) => connection.end()));
  }

  #connect(max: number): Sql {
    return postgres(this.#url, { max, onnotice: () => {} });
  }

  /** Somebody new, with a personal organization. */
  async person(): Promise<Person> {
    const username = `crowd-${Math.random().toString(36).slice(2, 12)}`;
    const [user] = await this.sql<[{ id: string }]>`
      insert into auth.users (id, aud, role, email, email_confirmed_at, raw_user_meta_data)
      values (gen_random_uuid(), 'authenticated', 'authenticated', ${`${username}@example.com`}, now(),
        ${this.sql.json({ username })})
      returning id`;
    const [member] = await this.sql<[{ organization_id: string }]>`
      select organization_id from public.organization_members where user_id = ${user.id}`;
    return { id: user.id, organizationId: member.organization_id };
  }

  /** An agent of theirs, published. */
  async agentOf(owner: Person, visibility = 'private'): Promise<string> {
    const [agent] = await this.sql<[{ id: string }]>`
      insert into public.agents (organization_id, created_by_id, name, system_prompt, visibility)
      values (${owner.organizationId}, ${owner.id}, 'Echo', 'Repeat.', ${visibility})
      returning id`;
    await as(owner.id, this.sql, (tx) => tx`select public.publish_agent_version(${agent.id})`);
    return agent.id;
  }

  /** Until a statement here waits for a lock that another holds. */
  async somebodyWaits(): Promise<void> {
    const waiting = () => this.sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await waiting()).length === 0) await delay(WATCH_MS);
  }

  /** How often PostgreSQL has had to break a deadlock here. */
  async deadlocks(): Promise<number> {
    await this.sql`select pg_stat_force_next_flush()`;
    const [row] = await this.sql<[{ deadlocks: number }]>`
      select deadlocks::integer from pg_stat_database where datname = current_database()`;
    return row.deadlocks;
  }
}

export type Person = { id: string; organizationId: string };

/** A transaction as PostgREST opens it for somebody's request. */
export function as<T>(userId: string, connection: Sql, work: (tx: TransactionSql) => Promise<T>) {
  return connection.begin(async (tx) => {
    await tx`select set_config('request.jwt.claims', ${JSON.stringify({ sub: userId, role: 'authenticated' })}, true),
      set_config('role', 'authenticated', true)`;
    return work(tx);
  });
}

export type Claimed = {
  id: string;
  token: string;
  conversationId: string | null;
  organizationId: string;
};

/** What a worker gets to do next. */
export async function claim(
  worker: Sql,
  name: string,
  leaseSeconds = 10,
): Promise<Claimed | undefined> {
  const [run] = await worker<Claimed[]>`
    select execution_id as id, fencing_token as token, conversation_id as "conversationId",
      organization_id as "organizationId"
    from private.claim_execution(${name}, ${leaseSeconds})`;
  return run;
}

/** Swallows refusals with one of our codes; anything else is a bug. */
export function allow(...codes: string[]) {
  return (error: postgres.PostgresError) => {
    if (!codes.includes(error.detail ?? '')) throw error;
  };
}
