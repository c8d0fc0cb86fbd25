import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { openDataFolder } from '../../src/stack/data-folder.ts';
import { startGateway } from '../../src/stack/gateway.ts';
import { freePorts } from '../../src/stack/ports.ts';
import { startPostgrest } from '../../src/stack/postgrest.ts';
import { type LoginRole, readSecrets } from '../../src/stack/secrets.ts';
import { Supervisor } from '../../src/stack/supervisor.ts';

/** A gateway and a PostgREST over a database of one's own. */
export type Api = {
  url: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
  stop: () => Promise<void>;
};

/**
 * Serves the database at `databaseUrl`, one that createDatabase() made in the cluster of this run's
 * stack, as the stack serves its own, except that `Prefer: tx=rollback` undoes a request.
 */
export async function startApi(databaseUrl: string): Promise<Api> {
  const parts = new AsyncDisposableStack();
  const stop = () => parts.disposeAsync();
  try {
    const secrets = (await readSecrets(inject('dataDir')))!;
    const as = (role: LoginRole): string => {
      const url = new URL(databaseUrl);
      url.username = role;
      url.password = secrets.databasePasswords[role];
      return url.href;
    };
    const scratch = await mkdtemp(join(tmpdir(), 'agentry-api-'));
    parts.defer(() => rm(scratch, { recursive: true, force: true }));
    const folder = await openDataFolder(scratch);
    const supervisor = new Supervisor(
      folder,
      () => {},
      (error) => {
        throw error;
      },
    );
    parts.defer(() => supervisor.close());

    const [port] = (await freePorts(1)) as [number];
    const url = `http://127.0.0.1:${port}`;
    const rest = await startPostgrest(supervisor, {
      databaseUrl: as('authenticator'),
      jwtSecret: secrets.jwtSecret,
      publicUrl: `${url}/rest/v1`,
      allowRollback: true,
    });
    parts.defer(() => rest.part.stop());
    const gateway = await startGateway({
      port,
      restUrl: rest.url,
      publishableKey: secrets.publishableKey,
      secretKey: secrets.secretKey,
      jwtSecret: secrets.jwtSecret,
      databaseUrls: {
        postgres: databaseUrl,
        auth: as('supabase_auth_admin'),
        storage: as('supabase_storage_admin'),
        realtime: as('supabase_realtime_admin'),
      },
      storageDir: join(folder.path, 'storage'),
      siteUrl: 'http://127.0.0.1:3000',
      sendMail: () => Promise.reject(new Error('nobody signs up here')),
    });
    parts.defer(() => gateway.close());
    const { publishableKey, secretKey, jwtSecret } = secrets;
    return { url, publishableKey, secretKey, jwtSecret, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
