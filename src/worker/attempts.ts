import { isConnectionError } from './database.ts';
import { log } from './log.ts';

/** Attempts of one part of the worker that goes on whatever happens: trouble is logged once, and its end. */
export class Attempts {
  readonly #part: string;
  #trouble = '';

  constructor(part: string) {
    this.#part = part;
  }

  /** The answer, or undefined when the operation failed. */
  async make<T>(operation: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await operation();
      if (this.#trouble) log.info('the database answers again', { part: this.#part });
      this.#trouble = '';
      return answer;
    } catch (error) {
      const trouble = isConnectionError(error) ? 'the database is away' : messageOf(error);
      if (trouble !== this.#trouble) log.error(trouble, { part: this.#part });
      this.#trouble = trouble;
      return undefined;
    }
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
