/** npm and the terminal may both deliver one Ctrl-C: within this time it counts once. */
const SAME_SIGNAL_MS = 1000;

/** How the worker is asked to go: first nothing new is begun, then what still runs is given up. */
export class Shutdown {
  readonly #graceMs: number;
  readonly #stopping = new AbortController();
  readonly #leaving = new AbortController();
  #requestedAt = 0;

  /** @param graceMs how long what runs may go on, in milliseconds */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Begin nothing new. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** End what has not ended by itself. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** The first request starts the grace period, a second one ends it. */
  request(): void {
    if (this.#stopping.signal.aborted) {
      if (performance.now() - this.#requestedAt > SAME_SIGNAL_MS) this.#leaving.abort();
      return;
    }
    this.#requestedAt = performance.now();
    this.#stopping.abort();
    setTimeout(() => this.#leaving.abort(), this.#graceMs).unref();
  }
}
