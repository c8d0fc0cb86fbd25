/** What stands where a secret stood. */
const MASK = '•••';

/** Shorter values would blank out ordinary words, and protect nothing. */
const SHORTEST_SECRET = 4;

/**
 * Takes the secrets of one run out of everything that is written down about it. A prompt may hold a
 * secret on purpose, and a model may repeat it: it goes to the provider, and nowhere else.
 */
export class Redaction {
  readonly #secrets = new Set<string>();

  add(secret: string): void {
    if (secret.length >= SHORTEST_SECRET) this.#secrets.add(secret);
  }

  apply(text: string): string {
    let clean = text;
    // The longest first, for one secret may be a part of another.
    for (const secret of [...this.#secrets].sort((a, b) => b.length - a.length)) {
      clean = clean.replaceAll(secret, MASK);
    }
    return clean;
  }

  /** How many characters at the end of a text may be the beginning of a secret. */
  openEnd(text: string): number {
    let longest = 0;
    for (const secret of this.#secrets) {
      for (let length = Math.min(secret.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(secret.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
