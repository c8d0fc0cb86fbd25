import { Attempts } from './attempts.ts';
import type { WorkerDatabase } from './database.ts';
import { Doorbell } from './doorbell.ts';

/** Work that stands in the database until a worker claims it. */
export type Backlog<Item> = {
  /** Names it in the worker's log. */
  name: string;
  /** On which the database announces what is new. */
  channel: string;
  /** What comes due again is announced by nobody: how often to ask, in milliseconds. */
  pollMs: number;
  /** The most items under way at once. */
  concurrency: number;
  claim: (count: number) => Promise<Item[]>;
  /** Never rejects. */
  work: (item: Item) => Promise<void>;
};

/**
 * Claims what is due and works on it, so many items at a time, until the signal aborts. Resolves once
 * what was under way by then has ended.
 *
 * @param listener hears of new items
 */
export async function workOff<Item>(
  { name, channel, pollMs, concurrency, claim, work }: Backlog<Item>,
  listener: WorkerDatabase,
  stopping: AbortSignal,
): Promise<void> {
  const attempts = new Attempts(name);
  const underWay = new Set<Promise<void>>();
  const doorbell = new Doorbell();
  const ring = () => doorbell.ring();
  stopping.addEventListener('abort', ring);
  const listening = listener.listen(channel, ring, { onListening: ring, signal: stopping });

  while (!stopping.aborted) {
    const free = concurrency - underWay.size;
    const due = free > 0 ? await attempts.make(() => claim(free)) : undefined;
    for (const item of due ?? []) {
      const ended = work(item).finally(() => {
        underWay.delete(ended);
        ring();
      });
      underWay.add(ended);
    }
    if (!due?.length) await doorbell.wait(pollMs);
  }
  await Promise.all([listening, ...underWay]);
}
