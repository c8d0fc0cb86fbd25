import { sql, type Kysely } from 'kysely';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { Attempts } from './attempts.ts';
import { pause } from './database.ts';
import { log } from './log.ts';

/** The most frequent tasks are due every half second: audit rows are sealed within one. */
const EVERY_MS = 500;

type TaskRun = { task_name: string; error: string | null };

/**
 * Runs the tasks that contexts have registered in `private.upkeep_tasks` as they become due, until the
 * signal aborts. Each worker does; the database gives a task to one of them at a time. A task that
 * fails is logged when it begins to fail and when it is over, and never stops the others.
 */
export async function runUpkeep(database: Kysely<DB>, stopping: AbortSignal): Promise<void> {
  const attempts = new Attempts('upkeep');
  const failing = new Map<string, string>();
  while (!stopping.aborted) {
    await attempts.make(() =>
      runDueTasks(database, failing, stopping).catch((error: unknown) => {
        if (!stopping.aborted) throw error;
      }),
    );
    await pause(EVERY_MS, stopping).catch(() => {});
  }
}

async function runDueTasks(
  database: Kysely<DB>,
  failing: Map<string, string>,
  stopping: AbortSignal,
): Promise<void> {
  const done = new Set<string>();
  while (!stopping.aborted) {
    const task = await runDueTask(database);
    // One that is due again already, because it takes longer than its interval, waits for the next round.
    if (!task || done.has(task.task_name)) return;
    done.add(task.task_name);
    report(task, failing);
  }
}

/** A statement for each, and so a transaction: a slow task holds up neither what others did nor their locks. */
async function runDueTask(database: Kysely<DB>): Promise<TaskRun | undefined> {
  const { rows } = await sql<TaskRun>`
    select task_name, error from private.run_upkeep(1)
  `.execute(database);
  return rows[0];
}

function report({ task_name: task, error }: TaskRun, failing: Map<string, string>): void {
  if (error === null) {
    if (failing.delete(task)) log.info('upkeep works again', { task });
  } else if (failing.get(task) !== error) {
    failing.set(task, error);
    log.error('upkeep failed', { task, error });
  }
}
