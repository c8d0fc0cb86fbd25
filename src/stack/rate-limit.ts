/**
 * Counts events per key in windows of fixed length, in memory. `spent` says for how many seconds a key
 * has used up its allowance (0 when it has not); `count` adds one event.
 */
export class RateLimit {
  readonly #allowed: number;
  readonly #windowMs: number;
  #windows = new Map<string, { count: number; endsAt: number }>();

  constructor(allowed: number, windowSeconds: number) {
    this.#allowed = allowed;
    this.#windowMs = windowSeconds * 1000;
  }

  spent(key: string): number {
    const window = this.#windows.get(key);
    const now = Date.now();
    if (!window || window.endsAt <= now || window.count < this.#allowed) return 0;
    return Math.ceil((window.endsAt - now) / 1000);
  }

  count(key: string): void {
    const now = Date.now();
    if (this.#windows.size > 10_000) this.#dropEnded(now);
    const window = this.#windows.get(key);
    if (window && window.endsAt > now) window.count += 1;
    else this.#windows.set(key, { count: 1, endsAt: now + this.#windowMs });
  }

  /** Counts one event unless the allowance is used up; answers like `spent`. */
  take(key: string): number {
    const wait = this.spent(key);
    if (wait === 0) this.count(key);
    return wait;
  }

  #dropEnded(now: number): void {
    for (const [key, window] of this.#windows) if (window.endsAt <= now) this.#windows.delete(key);
  }
}
