// npm run -s keys -- --database-url URL > private-key.asc: a new key pair for people's tokens, where no
// embedded stack makes one. The database gets the public key, standard output the private one, which
// belongs to the workers alone. Tokens that were encrypted to an earlier key still need that one's.

import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { createEncryptionKey } from './secrets.ts';

const { values } = parseArgs({ options: { 'database-url': { type: 'string' } } });
const databaseUrl = values['database-url'] ?? process.env['DATABASE_URL'];
if (!databaseUrl) {
  console.error('Which database? Name it: npm run -s keys -- --database-url postgres://...');
  process.exit(1);
}
const key = await createEncryptionKey();
const sql = postgres(databaseUrl, { max: 1 });
await sql`select private.set_encryption_key(${key.id}, ${key.publicKey})`;
await sql.end();
process.stdout.write(key.privateKey);
