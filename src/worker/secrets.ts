import { sql, type Kysely } from 'kysely';
import { decrypt, readMessage, readPrivateKeys, type PrivateKey } from 'openpgp';
import { z } from 'zod';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { RunFailure } from './failure.ts';

/** Finds the value of a token by its key; undefined when there is none. */
export type ReadToken = (key: string) => Promise<string | undefined>;

/** Where a token stands, as `private.read_token` finds it. */
type Ciphertext = { ciphertext: Buffer; key_id: string; owner: string };

/** What `set_token` encrypts: it says whose the value is, so that it cannot be moved elsewhere. */
const plaintextSchema = z.object({ owner: z.uuid(), key: z.string(), value: z.string() });

/** Opens people's tokens with the private key that only workers hold. */
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
    const { rows } = await sql<Ciphertext>`
      select ciphertext, key_id, owner from private.read_token(${organizationId}, ${userId}, ${key})
    `.execute(this.#database);
    const row = rows[0];
    if (!row) return undefined;

    if (![organizationId, userId].includes(row.owner)) {
      throw unreadableToken(key, 'it belongs to somebody else');
    }
    const plaintext = await this.#decrypt(row, key);
    if (plaintext.owner !== row.owner || plaintext.key !== key) {
      throw unreadableToken(key, 'it was encrypted for another owner or name');
    }
    return plaintext.value;
  }

  async #decrypt(row: Ciphertext, key: string): Promise<z.infer<typeof plaintextSchema>> {
    if (this.#privateKeys.length === 0) {
      throw unreadableToken(key, 'the worker has no private key (AGENTRY_PRIVATE_KEY_FILE)');
    }
    try {
      const message = await readMessage({ binaryMessage: new Uint8Array(row.ciphertext) });
      const { data } = await decrypt({ message, decryptionKeys: this.#privateKeys });
      return plaintextSchema.parse(JSON.parse(data));
    } catch {
      // The cause stays out: errors of a parser quote what they parsed.
      throw unreadableToken(key, `no private key of the worker opens it (key id ${row.key_id})`);
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

function unreadableToken(key: string, reason: string): RunFailure {
  return new RunFailure('token_missing', `The token ${key} cannot be read: ${reason}.`);
}
