import { Attempts, messageOf } from './attempts.ts';
import { pause, type WorkerDatabase } from './database.ts';
import { Doorbell } from './doorbell.ts';
import { retryDelayMs, RunFailure } from './failure.ts';
import { log } from './log.ts';
import { claimExecution, Lease, LeaseLost, reapExecutions, type Claim } from './queue.ts';
import { Redaction } from './redaction.ts';
import { carryOut } from './run.ts';
import type { Vault } from './secrets.ts';
import { operatorKeys, type Settings } from './settings.ts';
import type { Shutdown } from './shutdown.ts';

/** A back-off that ends announces nothing, and a notification may get lost: both are found by asking. */
const POLL_MS = 1000;

/** How often leases are renewed and dead workers looked for. */
const RENEWAL_MS = 2000;

/** How long the last writes wait for a database that is away, before the process ends anyway. */
const LAST_WRITES_MS = 5000;

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
  readonly #shutdown: Shutdown;
  readonly #attempts = new Attempts('runs');
  /** No more waiting for the database. */
  readonly #impatient = new AbortController();

  constructor(settings: Settings, database: WorkerDatabase, vault: Vault, shutdown: Shutdown) {
    this.#settings = settings;
    this.#database = database;
    this.#vault = vault;
    this.#shutdown = shutdown;
  }

  /** Works until the shutdown; resolves once every run has ended or was handed back. */
  async run(): Promise<void> {
    const { stopping, leaving } = this.#shutdown;
    stopping.addEventListener('abort', () => {
      log.info('stopping', { running: this.#running.size });
      this.#doorbell.ring();
    });
    leaving.addEventListener('abort', () => this.#handBack());
    const ended = new AbortController();
    const background = Promise.all([this.#listen(ended.signal), this.#keepLeases(ended.signal)]);

    await this.#claimUntilStopped();
    await Promise.all([...this.#running.values()].map((running) => running.ended));

    ended.abort();
    await background;
  }

  async #claimUntilStopped(): Promise<void> {
    const { workerName, concurrency, leaseSeconds } = this.#settings;
    while (!this.#shutdown.stopping.aborted) {
      const claim =
        this.#running.size < concurrency &&
        (await this.#attempts.make(() =>
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
    if (this.#shutdown.leaving.aborted) controller.abort(new ShuttingDown());

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
      claim.remaining_ms,
    );
    try {
      try {
        const { output, resourceUsage } = await carryOut(claim, {
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
    // A write may meet a cancellation before the news of it arrives.
    const isCancelled =
      error instanceof Cancelled ||
      (error instanceof LeaseLost &&
        (await lease.renew(this.#settings.leaseSeconds)) === 'cancelled');
    if (isCancelled) {
      log.info('run cancelled', about);
      return;
    }
    if (error instanceof LeaseLost) throw error;
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
      await this.#database.listen(channel, onNotify, { onListening: ring, signal });
    }
  }

  async #keepLeases(signal: AbortSignal): Promise<void> {
    const every = Math.min(RENEWAL_MS, (this.#settings.leaseSeconds * 1000) / 3);
    let isReaping = false;
    while (!signal.aborted) {
      const running = [...this.#running.values()];
      const renewed = await Promise.all(running.map((run) => this.#renew(run)));
      // Only then: after an outage all leases have expired, and our own runs are not dead. And nobody
      // waits for it: it may wait for locks, while leases run out.
      if (!isReaping && renewed.every(Boolean)) {
        isReaping = true;
        void this.#reap().finally(() => (isReaping = false));
      }
      await pause(every, signal).catch(() => {});
    }
  }

  /** Answers whether the database has answered. */
  async #renew({ lease, controller }: Running): Promise<boolean> {
    const answer = await this.#attempts.make(() => lease.renew(this.#settings.leaseSeconds));
    if (answer === 'cancelled') controller.abort(new Cancelled());
    if (answer === 'lost') controller.abort(new LeaseLost());
    return answer !== undefined;
  }

  async #reap(): Promise<void> {
    const reaped = await this.#attempts.make(() => reapExecutions(this.#database.kysely));
    if (reaped) log.warning('runs taken from lost workers', { runs: reaped });
  }
}
