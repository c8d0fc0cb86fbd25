// DATABASE_URL=... npm run -s keys > private-key.asc: a new key pair for people's tokens, where no embedded
// stack makes one. The database gets the public key, standard output the private one, which belongs to the
// workers alone. Tokens that were encrypted to an earlier key still need that one's.

import { fsyncSync, fstatSync, writeFileSync } from 'node:fs';
import postgres from 'postgres';
import { createEncryptionKey } from './secrets.ts';

const STANDARD_OUTPUT = 1;

// From the environment alone: arguments, and the password among them, are there for every user to see.
const databaseUrl = process.env['DATABASE_URL'];
if (!databaseUrl) {
  console.error('Which database? Name it: DATABASE_URL=postgres://... npm run -s keys');
  process.exit(1);
}
const key = await createEncryptionKey();
// The private key first, and on the disk: what is encrypted to a key that got lost stays shut.
writeFileSync(STANDARD_OUTPUT, key.privateKey);
if (fstatSync(STANDARD_OUTPUT).isFile()) fsyncSync(STANDARD_OUTPUT);
const sql = postgres(databaseUrl, { max: 1 });
await sql`select private.set_encryption_key(${key.id}, ${key.publicKey})`;
await sql.end();
