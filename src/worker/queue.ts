import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { untilAnswered } from './database.ts';
import type { Redaction } from './redaction.ts';

/** A run as `private.claim_execution` hands it out. */
export type Claim = {
  execution_id: string;
  /** A bigint, as text. */
  fencing_token: string;
  attempt: number;
  max_attempts: number;
  /** Until the deadline, from the claim on: the clocks of worker and database may differ. */
  remaining_ms: number;
  organization_id: string;
  user_id: string;
  /** Set when the run is of an agent. */
  agent_version_id: string | null;
  /** Set when the run is of a team; neither is when it is of a workflow. */
  team_id: string | null;
  /** Set when the run answers in a conversation. */
  conversation_id: string | null;
  input: unknown;
};

/** Gives this worker the next run that is due, under a lease; undefined when there is none. */
export async function claimExecution(
  database: Kysely<DB>,
  workerName: string,
  leaseSeconds: number,
): Promise<Claim | undefined> {
  const { rows } = await sql<Claim>`
    select execution_id, fencing_token, attempt, max_attempts, remaining_ms, organization_id, user_id,
      agent_version_id, team_id, conversation_id, input
    from private.claim_execution(${workerName}, ${leaseSeconds})
  `.execute(database);
  return rows[0];
}

/** Takes runs from workers that died; answers how many. */
export async function reapExecutions(database: Kysely<DB>): Promise<number> {
  const { rows } = await sql<{ reaped: number }>`
    select private.reap_executions() as reaped
  `.execute(database);
  return rows[0]?.reaped ?? 0;
}

/** The run was cancelled, taken over or ended by somebody else: nothing more may be written. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';

  constructor() {
    super('This worker no longer holds the run.');
  }
}

export type StepStart = {
  name: string;
  type: 'llm_call' | 'a2a_call' | 'decision';
  parent_step_id?: string;
  model?: string;
  input: unknown;
};

export type StepResult = {
  output?: unknown;
  model?: string;
  prompt_tokens?: number;
  cached_prompt_tokens?: number;
  completion_tokens?: number;
  error_message?: string;
};

/**
 * A worker's hold on one run, and the only way to write about it. Every write carries the fencing
 * token, waits while the database is away, leaves secrets out, and throws {@link LeaseLost} once
 * the run is no longer ours.
 */
export class Lease {
  readonly #database: Kysely<DB>;
  readonly #run: RawBuilder<unknown>;
  readonly #token: RawBuilder<unknown>;
  readonly #redaction: Redaction;
  readonly #patience: AbortSignal;

  /** @param patience ends the waiting for a database that is away */
  constructor(database: Kysely<DB>, claim: Claim, redaction: Redaction, patience: AbortSignal) {
    this.#database = database;
    this.#token = sql`${claim.fencing_token}::bigint`;
    this.#run = sql`${claim.execution_id}::uuid, ${this.#token}`;
    this.#redaction = redaction;
    this.#patience = patience;
  }

  renew(leaseSeconds: number): Promise<'held' | 'cancelled' | 'lost'> {
    return this.#call(sql`private.renew_lease(${this.#run}, ${leaseSeconds})`);
  }

  log(level: 'debug' | 'info' | 'warning' | 'error', message: string): Promise<void> {
    return this.#call(sql`private.log_execution(${this.#run}, ${level}, ${this.#text(message)})`);
  }

  startStep(step: StepStart): Promise<string> {
    return this.#call(sql`private.start_step(${this.#run}, ${this.#json(step)})`);
  }

  finishStep(stepId: string, result: StepResult): Promise<void> {
    return this.#call(
      sql`private.finish_step(${stepId}::uuid, ${this.#token}, ${this.#json(result)})`,
    );
  }

  /** Does not wait for the database: a stream that is repeated blindly would stutter. */
  async sendDelta(payload: { text: string; reset?: true }): Promise<void> {
    await this.#once(sql`private.append_event(${this.#run}, 'delta', ${this.#json(payload)})`);
  }

  complete(output: unknown, resourceUsage: unknown): Promise<void> {
    return this.#call(
      sql`private.complete_execution(${this.#run}, ${this.#json(output)}, ${this.#json(resourceUsage)})`,
    );
  }

  /** Answers `pending` when the run will be tried again, else `failed`. */
  fail(
    code: string,
    message: string,
    retryInMs: number | undefined,
  ): Promise<'pending' | 'failed'> {
    return this.#call(
      sql`private.fail_execution(${this.#run}, ${code}, ${this.#text(message)}, ${retryInMs ?? null})`,
    );
  }

  release(): Promise<void> {
    return this.#call(sql`private.release_execution(${this.#run})`);
  }

  #call<T>(call: RawBuilder<unknown>): Promise<T> {
    return untilAnswered(() => this.#once<T>(call), this.#patience);
  }

  async #once<T>(call: RawBuilder<unknown>): Promise<T> {
    try {
      const { rows } = await sql<{ answer: T }>`select ${call} as answer`.execute(this.#database);
      return rows[0]!.answer;
    } catch (error) {
      const { code, detail } = error as { code?: unknown; detail?: unknown };
      if (code === 'PT409' && detail === 'lease_lost') throw new LeaseLost();
      throw error;
    }
  }

  #text(text: string): string {
    return storable(this.#redaction.apply(text));
  }

  #json(value: unknown): RawBuilder<unknown> {
    const clean = JSON.stringify(value, (_key, item: unknown) =>
      typeof item === 'string' ? this.#text(item) : item,
    );
    return sql`${clean}::text::jsonb`;
  }
}

/** PostgreSQL stores neither NUL nor half of a surrogate pair; models and receivers send both at times. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
