// The processes of a stack: how one is recognised after its parent died, stopped, and restarted.
//
// Each carries the stack's instance name where every process list shows it (as its title, or in
// Postgres' `cluster_name`). So what a killed stack left behind is found again without pid files,
// which can be lost, and whose numbers are reused by strangers.

import { type ChildProcess, execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StackFailure } from './failure.ts';

const POLL_MS = 20;
const ORPHAN_GRACE_MS = 5_000;
const RESTART_DELAYS_MS = [0, 250, 500, 1000, 2000];
const STABLE_AFTER_MS = 60_000;

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

export type PartOptions = {
  /** What people know it as: 'postgres', 'worker'. */
  name: string;
  /** Starts the process; also cleans up what an earlier one that died may have left. */
  spawn: () => Promise<ChildProcess> | ChildProcess;
  /** Resolves once the process serves; it is abandoned when the process ends first. */
  ready: (child: ChildProcess) => Promise<void>;
  stopSignal: NodeJS.Signals;
  stopGraceMs: number;
  log: (line: string) => void;
  /** Called once, when the part kept dying and is not restarted any more. */
  onGiveUp: (error: StackFailure) => void;
  /** Where its output goes, named in the last message. */
  logFile: string;
};

/**
 * Starts a process and keeps it running: one that ends by itself is restarted, at once the first
 * time, later ever more slowly. One that dies five times without a quiet minute between is given up.
 * Rejects when the first start fails.
 */
export async function startPart(options: PartOptions): Promise<Part> {
  const part = new Part(options);
  await part.start();
  return part;
}

export class Part {
  #options: PartOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #deaths = 0;
  #lastDeath = 0;
  #settled: Promise<void> = Promise.resolve();

  constructor(options: PartOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const { name, logFile } = this.#options;
    const child = await this.#options.spawn();
    this.#child = child;
    const ended = exit(child);
    const outcome = await Promise.race([
      this.#options.ready(child).then(() => undefined),
      ended.then((how) => new StackFailure(`${name} did not start (${how}). See ${logFile}`)),
    ]).catch((error: unknown) => error);
    if (outcome !== undefined) {
      await this.#end(child);
      throw outcome;
    }
    void ended.then((how) => {
      if (!this.#stopping) this.#settled = this.#restart(how);
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#settled;
    if (this.#child) await this.#end(this.#child);
  }

  async #restart(how: string): Promise<void> {
    const { name, log, onGiveUp, logFile } = this.#options;
    if (Date.now() - this.#lastDeath > STABLE_AFTER_MS) this.#deaths = 0;
    for (;;) {
      this.#lastDeath = Date.now();
      const wait = RESTART_DELAYS_MS[this.#deaths++];
      if (wait === undefined) {
        onGiveUp(
          new StackFailure(`${name} keeps stopping (${how}), so everything stops. See ${logFile}`),
        );
        return;
      }
      log(`${name} stopped (${how}); restarting it`);
      await delay(wait);
      if (this.#stopping) return;
      try {
        await this.start();
        log(`${name} is back`);
        return;
      } catch (error) {
        how = error instanceof Error ? error.message : String(error);
      }
    }
  }

  async #end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = exit(child);
    child.kill(this.#options.stopSignal);
    const gone = await Promise.race([
      ended.then(() => true),
      delay(this.#options.stopGraceMs, false, { ref: false }),
    ]);
    if (gone) return;
    this.#options.log(`${this.#options.name} does not stop by itself; killing it`);
    child.kill('SIGKILL');
    await ended;
  }
}

/** Resolves when the process is gone, with how it ended, as words. */
function exit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null)
      resolve(ending(child.exitCode, child.signalCode));
    child.once('exit', (code, signal) => resolve(ending(code, signal)));
    child.once('error', (error) => resolve(error.message));
  });
}

function ending(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}
