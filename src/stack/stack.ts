// The embedded Supabase: everything that a hosted project brings, without Docker, so that unmodified
// supabase-js works against it. Its processes are PostgreSQL and PostgREST; Auth, Storage, the live
// channel, the mailbox and the table editor are servers inside the present one.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { prepareAuthSchema } from './auth.ts';
import { openDataFolder } from './data-folder.ts';
import { startGateway } from './gateway.ts';
import { startMailbox } from './mailbox.ts';
import { migrate } from './migrate.ts';
import { requireFreePorts } from './ports.ts';
import { startPostgres, stopPostgresLeftovers } from './postgres.ts';
import { startPostgrest } from './postgrest.ts';
import { stopOrphans } from './processes.ts';
import {
  LOGIN_ROLES,
  type LoginRole,
  type Secrets,
  createSecrets,
  readSecrets,
} from './secrets.ts';
import { startStudio } from './studio.ts';
import { Supervisor } from './supervisor.ts';

export type StackOptions = {
  /** Database, files, secrets, mail and logs; made on the first start, found again on later ones. */
  dataDir: string;
  /** `app` is only seen to be free, for a web app beside the stack. */
  ports: { api: number; db: number; studio: number; mail: number; app?: number };
  /** The web app's address: where links in e-mails lead. */
  siteUrl?: string;
  /** Called when the database is migrated and nothing is connected to it yet, as tests do to copy it. */
  onMigrated?: (databaseUrl: string) => Promise<void>;
  /** Told of every step, one line each. */
  log?: (line: string) => void;
  /** Told why the stack stopped by itself: a part kept dying. Everything is down by then. */
  onFatal?: (error: Error) => void;
};

export type Stack = {
  /** Runs further parts, as long as the stack runs. */
  supervisor: Supervisor;
  /** As the role `postgres`: no superuser, but above row-level security. */
  databaseUrl: string;
  supabaseUrl: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
  studioUrl: string;
  mailUrl: string;
  demoPassword: string;
  /** What programs need to reach this stack, as `npm run stack:env` prints it. */
  env: Record<string, string>;
  /** What the worker needs on top: the file of the key that decrypts people's tokens. */
  workerEnv: Record<string, string>;
  /** Makes the stack known to `npm run stack:env`, once all that belongs to it is ready. */
  announce: () => Promise<void>;
  stop: () => Promise<void>;
};

/**
 * Brings the stack up, migrated, and keeps its parts running: one that dies is restarted; when one
 * keeps dying, the whole stack stops and says which. Rejects with a StackFailure, and leaves nothing
 * running, when it cannot start.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { ports, siteUrl = 'http://127.0.0.1:3000', log = () => {} } = options;
  const parts = new AsyncDisposableStack();
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= parts.disposeAsync());
  const onGiveUp = (error: Error) => void stop().finally(() => options.onFatal?.(error));

  try {
    const folder = await openDataFolder(options.dataDir);
    parts.defer(folder.release);
    await stopOrphans(folder.instance);
    await stopPostgresLeftovers(folder.instance);
    await requireFreePorts([
      ...(ports.app ? [{ port: ports.app, purpose: 'web app', variable: 'APP_PORT' }] : []),
      { port: ports.api, purpose: 'API', variable: 'API_PORT' },
      { port: ports.db, purpose: 'PostgreSQL', variable: 'DB_PORT' },
      { port: ports.studio, purpose: 'table editor', variable: 'STUDIO_PORT' },
      { port: ports.mail, purpose: 'mailbox', variable: 'MAIL_PORT' },
    ]);

    const supervisor = new Supervisor(folder, log, onGiveUp);
    parts.defer(() => supervisor.close());
    const secrets = (await readSecrets(folder.path)) ?? (await createSecrets(folder.path));
    const urls = databaseUrls(secrets, ports.db);
    log('starting PostgreSQL');
    const { supabase_admin: superuserPassword } = secrets.databasePasswords;
    const database = await startPostgres(supervisor, ports.db, superuserPassword);
    parts.defer(() => database.part.stop());
    await prepareDatabase(urls, secrets, database.isFresh);
    await database.markInitialised();

    const applied = await migrate(urls.postgres);
    if (applied) log(`applied ${applied} migration${applied === 1 ? '' : 's'}`);
    await publishEncryptionKey(urls.postgres, secrets);
    await options.onMigrated?.(urls.postgres);

    log('starting the API');
    const supabaseUrl = `http://127.0.0.1:${ports.api}`;
    const rest = await startPostgrest(supervisor, {
      databaseUrl: urls.authenticator,
      jwtSecret: secrets.jwtSecret,
      publicUrl: `${supabaseUrl}/rest/v1`,
    });
    parts.defer(() => rest.part.stop());
    const mailbox = await startMailbox({ port: ports.mail, dir: join(folder.path, 'mail') });
    parts.defer(() => mailbox.close());
    const gateway = await startGateway({
      port: ports.api,
      restUrl: rest.url,
      publishableKey: secrets.publishableKey,
      secretKey: secrets.secretKey,
      jwtSecret: secrets.jwtSecret,
      databaseUrls: {
        postgres: urls.postgres,
        auth: urls.supabase_auth_admin,
        storage: urls.supabase_storage_admin,
        realtime: urls.supabase_realtime_admin,
      },
      storageDir: join(folder.path, 'storage'),
      siteUrl,
      // The same app under the name that people tend to type.
      redirectUrls: [siteUrl, siteUrl.replace('127.0.0.1', 'localhost')].map((url) => `${url}/**`),
      sendMail: (mail) => mailbox.send(mail),
      // Behind a proxy of one's own, whose x-forwarded-for then counts.
      trustProxy: process.env['AGENTRY_TRUST_PROXY'] === '1',
      log,
    });
    parts.defer(() => gateway.close());
    const studio = await startStudio({ port: ports.studio, databaseUrl: urls.postgres });
    parts.defer(() => studio.close());

    const env = {
      DATABASE_URL: urls.postgres,
      SUPABASE_URL: supabaseUrl,
      SUPABASE_PUBLISHABLE_KEY: secrets.publishableKey,
      SUPABASE_SECRET_KEY: secrets.secretKey,
      APP_URL: siteUrl,
    };
    return {
      supervisor,
      databaseUrl: urls.postgres,
      supabaseUrl,
      publishableKey: secrets.publishableKey,
      secretKey: secrets.secretKey,
      jwtSecret: secrets.jwtSecret,
      studioUrl: studio.url,
      mailUrl: mailbox.url,
      demoPassword: secrets.demoPassword,
      env,
      workerEnv: { ...env, AGENTRY_PRIVATE_KEY_FILE: secrets.encryptionPrivateKeyFile },
      announce: () => folder.announce(env),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The database's address for each role that signs in. */
function databaseUrls(secrets: Secrets, port: number): Record<LoginRole, string> {
  return Object.fromEntries(
    LOGIN_ROLES.map((role) => [
      role,
      `postgres://${role}:${secrets.databasePasswords[role]}@127.0.0.1:${port}/postgres`,
    ]),
  ) as Record<LoginRole, string>;
}

/** What a hosted project has before the first migration. Auth's tables follow its version, so they are
 * looked at on every start. */
async function prepareDatabase(
  urls: Record<LoginRole, string>,
  secrets: Secrets,
  isFresh: boolean,
): Promise<void> {
  if (!isFresh) return prepareAuthSchema(urls.supabase_auth_admin);
  const sql = postgres(urls.supabase_admin, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(await stackSql('supabase.sql'));
    for (const role of LOGIN_ROLES) {
      await sql.unsafe(`alter role ${role} password '${secrets.databasePasswords[role]}'`);
    }
    // The gateway counts API keys' requests, so the database need not.
    await sql.unsafe('alter database postgres set agentry.gateway_counts = on');
    await prepareAuthSchema(urls.supabase_auth_admin);
    await sql.unsafe(await stackSql('storage.sql'));
    await sql.unsafe(await stackSql('realtime.sql'));
  } finally {
    await sql.end();
  }
}

function stackSql(name: string): Promise<string> {
  return readFile(new URL(name, import.meta.url), 'utf8');
}

/** People's tokens are encrypted in SQL, to the installation's own key. */
async function publishEncryptionKey(databaseUrl: string, secrets: Secrets): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    await sql`
      select private.set_encryption_key(${secrets.encryptionKeyId}, ${secrets.encryptionPublicKey})`;
  } finally {
    await sql.end();
  }
}
