import { isWorthRepeating } from './database.ts';
import type { Redaction } from './redaction.ts';

/** Each batch is a row and a broadcast, which costs the same for one token as for twenty. */
const BATCH_MS = 60;

/** Writes one batch; `reset` means that the text replaces what watchers have. */
export type SendDelta = (payload: { text: string; reset?: true }) => Promise<void>;

/**
 * Carries the answer to those who watch the run, in batches. What might be the beginning of a secret
 * waits until it is known to be none. After a lost connection it is unknown whether the last batch
 * arrived, so the next one repeats the whole text and says that it replaces what came before.
 */
export class DeltaStream {
  readonly #send: SendDelta;
  readonly #redaction: Redaction;
  #text = '';
  #sent = 0;
  #reset = false;
  #flushing: Promise<void> | undefined;
  readonly #onFailure: (error: unknown) => void;

  /** @param onFailure called once when a batch is refused; nothing more is sent then */
  constructor(send: SendDelta, redaction: Redaction, onFailure: (error: unknown) => void) {
    this.#send = send;
    this.#redaction = redaction;
    this.#onFailure = onFailure;
  }

  /** Takes back what watchers hold of an earlier attempt. */
  async startOver(): Promise<void> {
    this.#reset = true;
    await this.#flushTo(0);
  }

  /** Everything that was pushed, secrets included. */
  get text(): string {
    return this.#text;
  }

  push(text: string): void {
    this.#text += text;
    this.#flushing ??= this.#flushSoon();
  }

  /** Sends what is left; while the database is away, the output of the run will have to do. */
  async end(): Promise<void> {
    await this.#flushing;
    if (this.#sent < this.#text.length) await this.#flushTo(this.#text.length);
  }

  async #flushSoon(): Promise<void> {
    try {
      while (this.#settled() > this.#sent) {
        await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
        await this.#flushTo(this.#settled());
      }
      this.#flushing = undefined;
    } catch (error) {
      // #flushing stays set, so that nothing more is sent.
      this.#onFailure(error);
    }
  }

  /** Up to where the text can be shown: no half secret and no half character at its end. */
  #settled(): number {
    const end = this.#text.length - this.#redaction.openEnd(this.#text.slice(this.#sent));
    const last = this.#text.charCodeAt(end - 1);
    return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
  }

  async #flushTo(end: number): Promise<void> {
    const from = this.#reset ? 0 : this.#sent;
    const text = this.#redaction.apply(this.#text.slice(from, end));
    try {
      await this.#send(this.#reset ? { text, reset: true } : { text });
    } catch (error) {
      if (!isWorthRepeating(error)) throw error;
      this.#reset = true;
      return;
    }
    this.#reset = false;
    this.#sent = end;
  }
}
