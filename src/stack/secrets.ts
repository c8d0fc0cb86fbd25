import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import { StackFailure } from './failure.ts';
import { writePrivateFile } from './data-folder.ts';

/** The database roles that sign in with a password. */
export const LOGIN_ROLES = [
  'supabase_admin',
  'postgres',
  'authenticator',
  'supabase_auth_admin',
  'supabase_storage_admin',
  'supabase_realtime_admin',
] as const;
export type LoginRole = (typeof LOGIN_ROLES)[number];

/** What is random per installation. Without it, what the cluster holds cannot be reached. */
export type Secrets = {
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  databasePasswords: Record<LoginRole, string>;
  demoPassword: string;
  /** People's tokens are encrypted to this OpenPGP key in SQL; the database never sees its other half. */
  encryptionKeyId: string;
  encryptionPublicKey: string;
  /** Armored, for the worker alone. */
  encryptionPrivateKeyFile: string;
};

/** The installation's secrets; undefined in a data folder that has none yet. */
export async function readSecrets(dataDir: string): Promise<Secrets | undefined> {
  const file = join(dataDir, 'secrets.json');
  try {
    return {
      ...(JSON.parse(await readFile(file, 'utf8')) as Secrets),
      encryptionPrivateKeyFile: privateKeyFile(dataDir),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES') {
      throw new StackFailure(
        `${file} belongs to another user. Start as that user, or set AGENTRY_DATA to a folder of your own.`,
      );
    }
    throw error;
  }
}

export async function createSecrets(dataDir: string): Promise<Secrets> {
  if (existsSync(join(dataDir, 'postgres'))) {
    throw new StackFailure(
      `${join(dataDir, 'secrets.json')} is missing, and without it the database there stays shut. ` +
        'Put it back from a backup, or move the folder away to start anew.',
    );
  }
  const key = await createEncryptionKey();
  const secrets = {
    jwtSecret: random(48),
    publishableKey: `sb_publishable_${random(24)}`,
    secretKey: `sb_secret_${random(24)}`,
    databasePasswords: Object.fromEntries(
      LOGIN_ROLES.map((role) => [role, random(24)]),
    ) as Secrets['databasePasswords'],
    demoPassword: random(12),
    encryptionKeyId: key.id,
    encryptionPublicKey: key.publicKey,
  };
  // The private key first: secrets.json is what says that there are secrets.
  await writePrivateFile(privateKeyFile(dataDir), key.privateKey);
  await writePrivateFile(join(dataDir, 'secrets.json'), `${JSON.stringify(secrets, null, 2)}\n`);
  return { ...secrets, encryptionPrivateKeyFile: privateKeyFile(dataDir) };
}

/** An OpenPGP key pair, armored: SQL encrypts people's tokens to it, workers decrypt them. */
export async function createEncryptionKey(): Promise<{
  id: string;
  publicKey: string;
  privateKey: string;
}> {
  const pair = await openpgp.generateKey({
    type: 'rsa',
    rsaBits: 3072,
    userIDs: [{ name: 'Agentry' }],
    format: 'object',
  });
  return {
    id: pair.publicKey.getKeyID().toHex(),
    publicKey: pair.publicKey.armor(),
    privateKey: pair.privateKey.armor(),
  };
}

function privateKeyFile(dataDir: string): string {
  return join(dataDir, 'encryption-key.asc');
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
