// The processes that an earlier stack may have left: how they are recognised and stopped.
//
// Each process of a stack carries the stack's instance name where every process list shows it: at the
// beginning of its title, or in Postgres' `cluster_name`. So what a killed stack left behind is found
// again without pid files, which can be lost, and whose numbers are reused by strangers.

import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StackFailure } from './failure.ts';

const POLL_MS = 20;
const ORPHAN_GRACE_MS = 5_000;

/** A running process; `title` is its command line, arguments joined by spaces. */
export type RunningProcess = { pid: number; title: string };

export async function listProcesses(): Promise<RunningProcess[]> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const titles = await Promise.all(pids.map(linuxTitle));
    return pids.map((pid, at) => ({ pid, title: titles[at]! })).filter(({ title }) => title);
  }
  const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'pid=,command='], {
    maxBuffer: 64 << 20,
  });
  return [...stdout.matchAll(/^\s*(\d+) (.*)$/gm)].map(([, pid, title]) => ({
    pid: Number(pid),
    title: title!,
  }));
}

async function linuxTitle(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').join(' ').trim();
  } catch {
    return ''; // It ended meanwhile.
  }
}

/**
 * What tells a process from a later one with the same number: when it was started. Undefined when it
 * is gone, or dead and only not yet collected by its parent, which in a container may take a while.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The program's name, in brackets, may hold anything; the fields after it are plain.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
      return fields[0] === 'Z' ? undefined : `${fields[19]} ${boot.trim()}`;
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Stops processes that are not our children, with one signal after the other until all are gone,
 * each given `graceMs`.
 */
export async function stopProcesses(
  pids: number[],
  signals: NodeJS.Signals[],
  graceMs: number,
): Promise<void> {
  let alive = pids;
  for (const signal of signals) {
    for (const pid of alive) trySignal(pid, signal);
    const deadline = Date.now() + graceMs;
    while ((alive = await stillAlive(alive)).length && Date.now() < deadline) await delay(POLL_MS);
    if (!alive.length) return;
  }
  throw new StackFailure(
    `Process ${alive.join(', ')} of an earlier run does not stop. End it, then start again.`,
  );
}

/** Stops what carries the instance's name as its title: all but Postgres, which titles itself. */
export async function stopOrphans(instance: string): Promise<void> {
  const orphans = (await listProcesses()).filter(({ title }) => title.startsWith(`${instance}-`));
  await stopProcesses(
    orphans.map(({ pid }) => pid),
    ['SIGTERM', 'SIGKILL'],
    ORPHAN_GRACE_MS,
  );
}

async function stillAlive(pids: number[]): Promise<number[]> {
  const identities = await Promise.all(pids.map(processIdentity));
  return pids.filter((_, at) => identities[at]);
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
