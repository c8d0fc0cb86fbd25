import { WorkerDatabase } from './database.ts';
import { log } from './log.ts';
import { WorkerLoop } from './loop.ts';
import { Vault } from './secrets.ts';
import { readSettings, type Settings } from './settings.ts';

// The SDK's warnings go into the log of the run that they are about, not to the console.
globalThis.AI_SDK_LOG_WARNINGS = false;

const settings = await readSettings(process.env).catch((error: Error) => {
  log.error(error.message);
  process.exit(1);
});
await work(settings);

/** Works until SIGTERM or Ctrl-C; either one twice ends the grace period. */
async function work(settings: Settings): Promise<void> {
  const database = new WorkerDatabase(settings.databaseUrl, {
    // A run writes one thing at a time; two more claim, renew and reap.
    maxConnections: Math.min(settings.concurrency, 10) + 2,
    applicationName: `agentry worker ${settings.workerName}`,
  });
  const vault = await Vault.open(database.kysely, settings.privateKeys);
  const loop = new WorkerLoop(settings, database, vault);
  process.on('SIGTERM', () => loop.stop());
  process.on('SIGINT', () => loop.stop());
  // Started by the stack, it goes when the stack does, however that ended.
  process.once('disconnect', () => loop.stop());
  process.channel?.unref();

  log.info('worker started', {
    worker: settings.workerName,
    concurrency: settings.concurrency,
    tokens: settings.privateKeys ? 'readable' : 'not readable: AGENTRY_PRIVATE_KEY_FILE is not set',
  });
  // To the stack that started this process, if one did.
  process.send?.('ready');
  await loop.run();
  await database.close();
  log.info('worker stopped');
}
