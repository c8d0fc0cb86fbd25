import postgres from 'postgres';
import { z } from 'zod';
import { Attempts } from './attempts.ts';
import { pause } from './database.ts';

/** Reads are counted within a second; many of them in one statement. */
const BATCH_MS = 200;
const LARGEST_BATCH = 500;

/** How soon another worker counts when the one that did is gone. */
const TAKE_OVER_MS = 1000;

const apiKeyIdSchema = z.uuid();

/**
 * Counts the reads that API keys make where no gateway does, as on hosted Supabase: PostgREST runs them
 * in read-only transactions, which can do no more than announce the key on `agentry_api_request`. Every
 * listener hears every announcement, so only the worker that holds an advisory lock counts; the lock
 * lives and dies with the connection that listens. What is announced while nobody holds it goes
 * uncounted: the limits are close there, not exact.
 *
 * @param databaseUrl for one connection, which lock and listening share
 */
export async function countApiRequests(databaseUrl: string, stopping: AbortSignal): Promise<void> {
  const attempts = new Attempts('API requests');
  const pending: string[] = [];
  let isCounting = false;
  const client = postgres(databaseUrl, {
    max: 1,
    max_lifetime: null,
    connect_timeout: 5,
    connection: { application_name: 'agentry API requests' },
    onnotice: () => {},
    onclose: () => (isCounting = false),
    onnotify: (_channel: string, apiKeyId: string) => {
      if (isCounting && apiKeyIdSchema.safeParse(apiKeyId).success) pending.push(apiKeyId);
    },
  } as postgres.Options<Record<string, never>>);

  while (!stopping.aborted) {
    if (!isCounting) {
      // One round trip on one connection: whoever has the lock listens already.
      const answers = await attempts.make(() =>
        client
          .unsafe(
            `listen agentry_api_request;
             select pg_try_advisory_lock(hashtextextended('agentry_api_request', 0)) as is_ours`,
          )
          .simple(),
      );
      isCounting = answers?.at(-1)?.[0]?.is_ours ?? false;
    }
    await pause(isCounting ? BATCH_MS : TAKE_OVER_MS, stopping).catch(() => {});
    while (pending.length > 0) {
      const batch = pending.splice(0, LARGEST_BATCH);
      // Not tried again: it may have been counted before the connection broke.
      await attempts.make(
        () => client`select private.record_api_request(id) from unnest(${batch}::uuid[]) as id`,
      );
    }
  }
  await client.end({ timeout: 2 });
}
