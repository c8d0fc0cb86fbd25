import { sql, type Kysely } from 'kysely';
import { decrypt, readMessage, readPrivateKeys, type PrivateKey } from 'openpgp';
import { z } from 'zod';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { RunFailure } from './failure.ts';

/** Finds the value of a token by its key; undefined when there is none. */
export type ReadToken = (key: string) => Promise<string | undefined>;

/** A secret as `private.encrypt_secret` made it. */
export type Ciphertext = { ciphertext: Buffer; key_id: string };

/** What it holds: it says whose the value is, so that it cannot be moved elsewhere. */
const plaintextSchema = z.object({ owner: z.uuid(), key: z.string(), value: z.string() });

/** A secret that does not open. `message` says why, and is fit for people. */
export class UnreadableSecret extends Error {
  override readonly name = 'UnreadableSecret';
}

/** Opens tokens and webhooks' secrets with the private key that only workers hold. */
export class Vault {
  readonly #database: Kysely<DB>;
  readonly #privateKeys: PrivateKey[];

  private constructor(database: Kysely<DB>, privateKeys: PrivateKey[]) {
    this.#database = database;
    this.#privateKeys = privateKeys;
  }

  static async open(database: Kysely<DB>, armoredKeys: string | undefined): Promise<Vault> {
    return new Vault(database, armoredKeys ? await readPrivateKeys({ armoredKeys }) : []);
  }

  /** The user's own token of this key, else the organization's, else undefined. */
  async readToken(
    organizationId: string,
    userId: string,
    key: string,
  ): Promise<string | undefined> {
    const { rows } = await sql<Ciphertext & { owner: string }>`
      select ciphertext, key_id, owner from private.read_token(${organizationId}, ${userId}, ${key})
    `.execute(this.#database);
    const row = rows[0];
    if (!row) return undefined;
    try {
      if (![organizationId, userId].includes(row.owner)) {
        throw new UnreadableSecret('it belongs to somebody else');
      }
      return await this.open(row, row.owner, key);
    } catch (error) {
      if (!(error instanceof UnreadableSecret)) throw error;
      throw new RunFailure('token_missing', `The token ${key} cannot be read: ${error.message}.`);
    }
  }

  /**
   * The value of a secret that this owner keeps under this key.
   *
   * @throws UnreadableSecret when no private key opens it, or it was encrypted for something else
   */
  async open(secret: Ciphertext, owner: string, key: string): Promise<string> {
    const plaintext = await this.#decrypt(secret);
    if (plaintext.owner !== owner || plaintext.key !== key) {
      throw new UnreadableSecret('it was encrypted for another owner or name');
    }
    return plaintext.value;
  }

  async #decrypt(secret: Ciphertext): Promise<z.infer<typeof plaintextSchema>> {
    if (this.#privateKeys.length === 0) {
      throw new UnreadableSecret('the worker has no private key (AGENTRY_PRIVATE_KEY_FILE)');
    }
    try {
      const message = await readMessage({ binaryMessage: new Uint8Array(secret.ciphertext) });
      const { data } = await decrypt({ message, decryptionKeys: this.#privateKeys });
      return plaintextSchema.parse(JSON.parse(data));
    } catch {
      // The cause stays out: errors of a parser quote what they parsed.
      throw new UnreadableSecret(`no private key of the worker opens it (key id ${secret.key_id})`);
    }
  }
}

/** Puts the token's value where a value says `{"token": "KEY"}`, at any depth. */
export async function resolveTokens(value: unknown, readToken: ReadToken): Promise<unknown> {
  if (Array.isArray(value)) {
    return Promise.all(value.map((item) => resolveTokens(item, readToken)));
  }
  if (typeof value !== 'object' || value === null) return value;

  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === 'token' && typeof first[1] === 'string') {
    return requireToken(first[1], readToken);
  }
  return Object.fromEntries(
    await Promise.all(
      entries.map(async ([key, item]) => [key, await resolveTokens(item, readToken)] as const),
    ),
  );
}

async function requireToken(key: string, readToken: ReadToken): Promise<string> {
  const token = await readToken(key);
  if (token === undefined) {
    throw new RunFailure('token_missing', `The agent needs the token ${key}, which is not set.`);
  }
  return token;
}
