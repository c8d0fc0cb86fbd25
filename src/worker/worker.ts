import { countApiRequests } from './api-requests.ts';
import { WorkerDatabase } from './database.ts';
import { judgeAnswers } from './judge.ts';
import { log } from './log.ts';
import { WorkerLoop } from './loop.ts';
import { Vault } from './secrets.ts';
import { readSettings, type Settings } from './settings.ts';
import { Shutdown } from './shutdown.ts';
import { runUpkeep } from './upkeep.ts';
import { deliverWebhooks } from './webhooks.ts';

// The SDK's warnings go into the log of the run that they are about, not to the console.
globalThis.AI_SDK_LOG_WARNINGS = false;

const NO_PRIVATE_KEY = 'no: AGENTRY_PRIVATE_KEY_FILE is not set';

const settings = await readSettings(process.env).catch((error: Error) => {
  log.error(error.message);
  process.exit(1);
});
await work(settings);

/** Works until SIGTERM or Ctrl-C; either one twice ends the grace period. */
async function work(settings: Settings): Promise<void> {
  const database = new WorkerDatabase(settings.databaseUrl, {
    // A run writes one thing at a time; three more claim, renew and reap.
    maxConnections: Math.min(settings.concurrency, 10) + 3,
    applicationName: `agentry worker ${settings.workerName}`,
  });
  // Connections of its own, so that no long task keeps a run waiting: for upkeep, webhooks and judges.
  const background = new WorkerDatabase(settings.databaseUrl, {
    maxConnections: 3,
    applicationName: `agentry upkeep ${settings.workerName}`,
  });
  const vault = await Vault.open(database.kysely, settings.privateKeys);
  const shutdown = new Shutdown(settings.graceMs);
  process.on('SIGTERM', () => shutdown.request());
  process.on('SIGINT', () => shutdown.request());
  // Started by the stack, it goes when the stack does, however that ended.
  process.once('disconnect', () => shutdown.request());
  process.channel?.unref();

  log.info('worker started', {
    worker: settings.workerName,
    concurrency: settings.concurrency,
    ...(settings.privateKeys
      ? { tokens: 'readable', webhooks: 'delivered' }
      : { tokens: NO_PRIVATE_KEY, webhooks: NO_PRIVATE_KEY }),
  });
  // To the stack that started this process, if one did.
  process.send?.('ready');
  const upkeep = runUpkeep(background.kysely, shutdown.stopping);
  await Promise.all([
    new WorkerLoop(settings, database, vault, shutdown).run(),
    countApiRequests(settings.databaseUrl, shutdown.stopping),
    judgeAnswers({
      listener: database,
      database: background.kysely,
      vault,
      settings,
      shutdown,
    }),
    // Without the key that signs them they wait for a worker that has it.
    settings.privateKeys &&
      deliverWebhooks({
        listener: database,
        database: background.kysely,
        vault,
        settings: settings.webhooks,
        shutdown,
      }),
  ]);
  // A task that still runs goes on in the database, which needs nobody to wait for it.
  await Promise.all([database.close(), background.close(), upkeep]);
  log.info('worker stopped');
  // Such a task also keeps its connection half open, and the process with it.
  process.exit();
}
