// Keeps the parts of a stack running, and sees to it that none outlives the stack.

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { type DataFolder, logFile, openLog } from './data-folder.ts';
import { StackFailure } from './failure.ts';

const RESTART_DELAYS_MS = [0, 250, 500, 1000, 2000];
const STABLE_AFTER_MS = 60_000;

/** Waits for its input to end, then sends the signals that the last line of it lists. */
const GUARD_SCRIPT = `
while read -r line; do last=$line; done
set -- $last
while [ $# -gt 1 ]; do kill -s "$1" "$2"; shift 2; done`;

export type PartOptions = {
  /** What people know it as, and the name of its log: 'postgres', 'worker'. */
  name: string;
  /**
   * Starts the process with the log as its output; first cleans up what an earlier one that died may
   * have left. Its title begins with the instance's name, so that it is found after a kill -9.
   */
  spawn: (log: number) => Promise<ChildProcess> | ChildProcess;
  /** Resolves once the process serves; it is abandoned when the process ends first. */
  ready: (child: ChildProcess) => Promise<void>;
  stopSignal: 'SIGTERM' | 'SIGINT';
  stopGraceMs: number;
};

export class Supervisor {
  readonly folder: DataFolder;
  readonly log: (line: string) => void;
  readonly #onGiveUp: (error: StackFailure) => void;
  readonly #guarded = new Map<number, PartOptions['stopSignal']>();
  #guard: ChildProcess | undefined;

  /** `onGiveUp` is called when a part kept dying and is not restarted any more. */
  constructor(
    folder: DataFolder,
    log: (line: string) => void,
    onGiveUp: (error: StackFailure) => void,
  ) {
    this.folder = folder;
    this.log = log;
    this.#onGiveUp = onGiveUp;
    this.#startGuard();
  }

  /**
   * Starts a process and keeps it running: one that ends by itself is restarted, at once the first
   * time, later ever more slowly. One that dies five times without a quiet minute between is given up.
   * Rejects when the first start fails.
   */
  async start(options: PartOptions): Promise<Part> {
    const part = new Part(this, options);
    await part.start();
    return part;
  }

  giveUp(error: StackFailure): void {
    this.#onGiveUp(error);
  }

  /** Lets the parts run on by themselves; to be called when all have stopped. */
  close(): void {
    const guard = this.#guard;
    this.#guard = undefined;
    guard?.kill('SIGKILL');
  }

  /** Has the process stopped in case this one is killed, until it has ended. */
  guard(child: ChildProcess, signal: PartOptions['stopSignal']): void {
    const { pid } = child;
    if (pid === undefined) return;
    this.#guarded.set(pid, signal);
    this.#instructGuard();
    child.once('exit', () => {
      this.#guarded.delete(pid);
      this.#instructGuard();
    });
  }

  /** A shell, which waits without cost and needs nothing of ours: its input ends when this process does. */
  #startGuard(): void {
    const guard = spawn('/bin/sh', ['-c', GUARD_SCRIPT], {
      argv0: `${this.folder.instance}-guard`,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    guard.stdin!.on('error', () => {}); // It ended; the next one takes over.
    guard.once('error', (error) => this.log(`no guard against kill -9 (${error.message})`));
    guard.once('exit', () => {
      if (guard === this.#guard) this.#startGuard();
    });
    this.#guard = guard;
    this.#instructGuard();
  }

  #instructGuard(): void {
    const list = [...this.#guarded].map(([pid, signal]) => `${signal.slice('SIG'.length)} ${pid}`);
    this.#guard?.stdin?.write(`${list.join(' ')}\n`);
  }
}

export class Part {
  readonly #supervisor: Supervisor;
  readonly #options: PartOptions;
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  #stopping = false;
  #deaths = 0;
  #lastDeath = 0;
  #restarting: Promise<void> = Promise.resolve();

  constructor(supervisor: Supervisor, options: PartOptions) {
    this.#supervisor = supervisor;
    this.#options = options;
    this.#logFile = logFile(supervisor.folder.path, options.name);
  }

  async start(): Promise<void> {
    const { name, stopSignal, ready } = this.#options;
    const child = await this.#spawn();
    this.#child = child;
    this.#supervisor.guard(child, stopSignal);
    const ended = exit(child);
    const problem = await Promise.race([
      ready(child).then(
        () => undefined,
        (error: unknown) => error,
      ),
      ended.then(
        (how) => new StackFailure(`${name} does not start (${how}). See ${this.#logFile}`),
      ),
    ]);
    if (problem !== undefined) {
      await this.#end(child);
      throw problem;
    }
    void ended.then((how) => {
      if (!this.#stopping) this.#restarting = this.#restart(how);
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    // The present one first, which a restart may be waiting for, then what a restart made meanwhile.
    if (this.#child) await this.#end(this.#child);
    await this.#restarting;
    if (this.#child) await this.#end(this.#child);
  }

  async #spawn(): Promise<ChildProcess> {
    const log = await openLog(this.#supervisor.folder.path, this.#options.name);
    try {
      return await this.#options.spawn(log.fd);
    } finally {
      await log.close();
    }
  }

  async #restart(firstEnding: string): Promise<void> {
    const { name } = this.#options;
    if (Date.now() - this.#lastDeath > STABLE_AFTER_MS) this.#deaths = 0;
    for (let how = firstEnding; !this.#stopping;) {
      this.#lastDeath = Date.now();
      const wait = RESTART_DELAYS_MS[this.#deaths++];
      if (wait === undefined) {
        this.#supervisor.giveUp(
          new StackFailure(
            `Everything stops because ${name} keeps stopping (${how}). See ${this.#logFile}`,
          ),
        );
        return;
      }
      this.#supervisor.log(`${name} stopped (${how}); restarting it`);
      await delay(wait);
      if (this.#stopping) return;
      try {
        await this.start();
        this.#supervisor.log(`${name} is back`);
        return;
      } catch (error) {
        how = error instanceof Error ? error.message : String(error);
      }
    }
  }

  async #end(child: ChildProcess): Promise<void> {
    if (hasEnded(child)) return;
    const ended = exit(child);
    child.kill(this.#options.stopSignal);
    const gone = await Promise.race([
      ended.then(() => true),
      delay(this.#options.stopGraceMs, false, { ref: false }),
    ]);
    if (gone) return;
    this.#supervisor.log(`${this.#options.name} does not stop by itself; killing it`);
    child.kill('SIGKILL');
    await ended;
  }
}

/** Resolves when the process is gone, with how it ended, as words. */
function exit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    if (hasEnded(child)) resolve(ending(child.exitCode, child.signalCode));
    child.once('exit', (code, signal) => resolve(ending(code, signal)));
    child.once('error', (error) => resolve(error.message));
  });
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function ending(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}
