import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { expect } from 'vitest';
import { instanceName, runningStackEnv } from '../../src/stack/data-folder.ts';
import { freePorts } from '../../src/stack/ports.ts';
import { listProcesses, processIdentity } from '../../src/stack/processes.ts';

const SCRIPT = join(import.meta.dirname, 'stack-process.ts');

/** One installation, whose stack runs in a process of its own. */
export class Installation {
  readonly folder: string;
  readonly ports: number[];
  process: ChildProcess | undefined;
  said = '';

  private constructor(folder: string, ports: number[]) {
    this.folder = folder;
    this.ports = ports;
  }

  static async create(): Promise<Installation> {
    // A space, as people's folders have.
    return new Installation(await mkdtemp(join(tmpdir(), 'agentry stack-')), await freePorts(4));
  }

  /** Another stack from the same folder. */
  async twin(): Promise<Installation> {
    return new Installation(this.folder, await freePorts(4));
  }

  /** Resolves when the stack is ready; rejects with its last words when it ends first. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [SCRIPT, this.folder, ...this.ports.map(String)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.process = child;
    this.said = '';
    child.stderr!.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    const outcome = await Promise.race([
      once(child, 'message').then(() => 'ready'),
      once(child, 'close').then(() => 'ended'),
    ]);
    if (outcome === 'ended') throw new Error(this.said);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode) return;
    const closed = once(this.process, 'close');
    this.process.kill(signal);
    await closed;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async query(text: string): Promise<unknown[]> {
    const { DATABASE_URL } = (await runningStackEnv(this.folder))!;
    const sql = postgres(DATABASE_URL!, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      return [...(await sql.unsafe(text))];
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async rest(): Promise<number> {
    const env = (await runningStackEnv(this.folder))!;
    const response = await fetch(`${env['SUPABASE_URL']}/rest/v1/profiles?select=id&limit=1`, {
      headers: { apikey: env['SUPABASE_PUBLISHABLE_KEY']! },
    });
    await response.body?.cancel();
    return response.status;
  }

  /** Its living processes beside the one of its own, by what their titles say. */
  async processes(title = /./): Promise<number[]> {
    return (await listProcesses())
      .filter((one) => one.title.includes(instanceName(this.folder)) && title.test(one.title))
      .map(({ pid }) => pid);
  }
}

/** Kills with -9, and waits until they are gone. */
export async function kill(...pids: number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  await expect
    .poll(() => Promise.all(pids.map(processIdentity)))
    .toEqual(pids.map(() => undefined));
}
