import { expect, test } from 'vitest';
import { readSettings } from '../../src/worker/settings.ts';

const DATABASE_URL = 'postgres://postgres:secret@127.0.0.1:54322/postgres';

test('a database is all that a worker needs', async () => {
  expect(await readSettings({ DATABASE_URL })).toMatchObject({
    databaseUrl: DATABASE_URL,
    concurrency: 8,
    leaseSeconds: 8,
    privateKeys: undefined,
  });
});

test('a variable that is set to nothing is not set', async () => {
  const settings = await readSettings({ DATABASE_URL, WORKER_CONCURRENCY: '', OPENAI_API_KEY: '' });
  expect(settings.concurrency).toBe(8);
  expect(settings.providers.OPENAI_API_KEY).toBeUndefined();
});

test('everything that is wrong is named at once, without its value', async () => {
  const problem = readSettings({
    DATABASE_URL: 'mysql://root:hunter2@db',
    WORKER_CONCURRENCY: 'many',
  });
  await expect(problem).rejects.toThrow(
    /DATABASE_URL: must be a postgres:\/\/ URL; WORKER_CONCURRENCY/,
  );
  await expect(problem).rejects.not.toThrow(/hunter2/);
});

test('a receiver of webhooks may not take longer than a delivery is held', async () => {
  await expect(readSettings({ DATABASE_URL, WEBHOOK_TIMEOUT_SECONDS: '61' })).rejects.toThrow(
    'WEBHOOK_TIMEOUT_SECONDS',
  );
});

test('a missing database is named', async () => {
  await expect(readSettings({})).rejects.toThrow('DATABASE_URL: is not set');
});
