import { isConnectionError, pause, type WorkerDatabase } from './database.ts';
import { Doorbell } from './doorbell.ts';
import { retryDelayMs, RunFailure } from './failure.ts';
import { log } from './log.ts';
import { claimExecution, Lease, LeaseLost, reapExecutions, type Claim } from './queue.ts';
import { Redaction } from './redaction.ts';
import { runAgent } from './run-agent.ts';
import type { Vault } from './secrets.ts';
import type { Settings } from './settings.ts';

/** A back-off that ends announces nothing, and a notification may get lost: both are found by asking. */
const POLL_MS = 1000;

/** How often leases are renewed and dead workers looked for. */
const UPKEEP_MS = 2000;

/** How long the last writes wait for a database that is away, before the process ends anyway. */
const LAST_WRITES_MS = 5000;

/** npm and the terminal may both deliver one Ctrl-C: within this time it counts once. */
const SAME_SIGNAL_MS = 1000;

/** The worker is going: its runs are handed back. */
class ShuttingDown extends Error {}

/** Somebody cancelled the run. */
class Cancelled extends Error {}

type Running = { lease: Lease; controller: AbortController; ended: Promise<void> };

/**
 * Claims runs and carries them out, so many at a time. It holds them under leases, which it renews,
 * takes over from workers that died, and waits out a database that is away.
 */
export class WorkerLoop {
  readonly #settings: Settings;
  readonly #database: WorkerDatabase;
  readonly #vault: Vault;
  readonly #running = new Map<string, Running>();
  readonly #doorbell = new Doorbell();
  /** No more claims. */
  readonly #stopping = new AbortController();
  /** No more runs: what is left is handed back. */
  readonly #handingBack = new AbortController();
  /** No more waiting for the database. */
  readonly #impatient = new AbortController();
  #stoppedAt = 0;
  #trouble = '';

  constructor(settings: Settings, database: WorkerDatabase, vault: Vault) {
    this.#settings = settings;
    this.#database = database;
    this.#vault = vault;
  }

  /** Works until {@link stop}; resolves once every run has ended or was handed back. */
  async run(): Promise<void> {
    const ended = new AbortController();
    const background = Promise.all([this.#listen(ended.signal), this.#upkeep(ended.signal)]);

    await this.#claimUntilStopped();
    const handBack = setTimeout(() => this.#handBack(), this.#settings.graceMs);
    await Promise.all([...this.#running.values()].map((running) => running.ended));

    clearTimeout(handBack);
    ended.abort();
    await background;
  }

  /** Claims nothing more; what runs may end within the grace period. A second call ends the grace. */
  stop(): void {
    if (this.#stopping.signal.aborted) {
      if (performance.now() - this.#stoppedAt > SAME_SIGNAL_MS) this.#handBack();
      return;
    }
    this.#stoppedAt = performance.now();
    log.info('stopping', { running: this.#running.size });
    this.#stopping.abort();
    this.#doorbell.ring();
  }

  async #claimUntilStopped(): Promise<void> {
    const { workerName, concurrency, leaseSeconds } = this.#settings;
    while (!this.#stopping.signal.aborted) {
      const claim =
        this.#running.size < concurrency &&
        (await this.#attempt(() =>
          claimExecution(this.#database.kysely, workerName, leaseSeconds),
        ));
      if (claim) this.#start(claim);
      else await this.#doorbell.wait(POLL_MS);
    }
  }

  #start(claim: Claim): void {
    const controller = new AbortController();
    const redaction = new Redaction();
    for (const key of operatorKeys(this.#settings)) redaction.add(key);
    const lease = new Lease(this.#database.kysely, claim, redaction, this.#impatient.signal);
    if (this.#handingBack.signal.aborted) controller.abort(new ShuttingDown());

    const ended = this.#carryOut(claim, lease, redaction, controller).finally(() => {
      this.#running.delete(claim.execution_id);
      this.#doorbell.ring();
    });
    this.#running.set(claim.execution_id, { lease, controller, ended });
  }

  async #carryOut(
    claim: Claim,
    lease: Lease,
    redaction: Redaction,
    controller: AbortController,
  ): Promise<void> {
    const about = { execution: claim.execution_id, attempt: claim.attempt };
    log.info('run claimed', about);
    const deadline = setTimeout(
      () => controller.abort(new RunFailure('deadline_exceeded', 'It took longer than it may.')),
      claim.deadline_at.getTime() - Date.now(),
    );
    try {
      try {
        const { output, resourceUsage } = await runAgent(claim, {
          database: this.#database.kysely,
          vault: this.#vault,
          settings: this.#settings,
          lease,
          redaction,
          signal: controller.signal,
          abort: (reason) => controller.abort(reason),
        });
        await lease.complete(output, resourceUsage);
        log.info('run completed', about);
      } catch (error) {
        await this.#endAttempt(claim, lease, error);
      }
    } catch (error) {
      if (error instanceof LeaseLost) log.warning('run lost to another', about);
      else if (error instanceof ShuttingDown) log.warning('run left to its lease', about);
      else log.error('run could not be ended', { ...about, error: messageOf(error) });
    } finally {
      clearTimeout(deadline);
    }
  }

  async #endAttempt(claim: Claim, lease: Lease, error: unknown): Promise<void> {
    const about = { execution: claim.execution_id, attempt: claim.attempt };
    if (error instanceof LeaseLost) throw error;
    if (error instanceof Cancelled) {
      log.info('run cancelled', about);
      return;
    }
    if (error instanceof ShuttingDown) {
      await lease.release();
      log.info('run handed back', about);
      return;
    }
    if (!(error instanceof RunFailure)) {
      log.error('run met an unexpected error', { ...about, error: messageOf(error) });
    }
    const failure =
      error instanceof RunFailure
        ? error
        : new RunFailure('internal_error', 'The worker met an error of its own.');
    const status = await lease.fail(
      failure.code,
      failure.message,
      retryDelayMs(failure, claim.attempt, this.#settings.retryMs, Math.random()),
    );
    log.warning(status === 'pending' ? 'run will be tried again' : 'run failed', {
      ...about,
      code: failure.code,
    });
  }

  #handBack(): void {
    this.#handingBack.abort();
    for (const { controller } of this.#running.values()) controller.abort(new ShuttingDown());
    setTimeout(() => this.#impatient.abort(new ShuttingDown()), LAST_WRITES_MS).unref();
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const ring = () => this.#doorbell.ring();
    const channels = {
      agentry_work: ring,
      agentry_cancel: (executionId: string) =>
        this.#running.get(executionId)?.controller.abort(new Cancelled()),
    };
    for (const [channel, onNotify] of Object.entries(channels)) {
      const listen = () => this.#database.listen(channel, onNotify, ring).then(() => true);
      while (!signal.aborted && !(await this.#attempt(listen))) {
        await pause(POLL_MS, signal).catch(() => {});
      }
    }
  }

  async #upkeep(signal: AbortSignal): Promise<void> {
    const every = Math.min(UPKEEP_MS, (this.#settings.leaseSeconds * 1000) / 3);
    while (!signal.aborted) {
      // Renewals first: after an outage all leases have expired, and our own runs are not dead.
      await Promise.all([...this.#running.values()].map((running) => this.#renew(running)));
      const reaped = await this.#attempt(() => reapExecutions(this.#database.kysely));
      if (reaped) log.warning('runs taken from lost workers', { runs: reaped });
      await pause(every, signal).catch(() => {});
    }
  }

  async #renew({ lease, controller }: Running): Promise<void> {
    const answer = await this.#attempt(() => lease.renew(this.#settings.leaseSeconds));
    if (answer === 'cancelled') controller.abort(new Cancelled());
    if (answer === 'lost') controller.abort(new LeaseLost());
  }

  /** The answer, or undefined when the database gave none; trouble is logged once, not every time. */
  async #attempt<T>(operation: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await operation();
      if (this.#trouble) log.info('the database answers again');
      this.#trouble = '';
      return answer;
    } catch (error) {
      const trouble = isConnectionError(error) ? 'the database is away' : messageOf(error);
      if (trouble !== this.#trouble) log.error(trouble);
      this.#trouble = trouble;
      return undefined;
    }
  }
}

function operatorKeys({ providers }: Settings): string[] {
  return [
    providers.OPENAI_API_KEY,
    providers.ANTHROPIC_API_KEY,
    providers.OPENAI_COMPATIBLE_API_KEY,
  ].filter((key) => key !== undefined);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
