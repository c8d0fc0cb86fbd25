// The folder of one installation (AGENTRY_DATA): database, files, mail, secrets, logs. One stack at a
// time owns it.

import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StackFailure } from './failure.ts';
import { processIdentity } from './processes.ts';

const MAX_LOG_BYTES = 10 << 20;

export type DataFolder = {
  path: string;
  /** By which this installation's processes are recognised. */
  instance: string;
  /** Leaves word for `npm run stack:env` that everything is ready, and how to reach it. */
  announce: (env: Record<string, string>) => Promise<void>;
  release: () => Promise<void>;
};

/** Who owns a data folder, and since when it can be used. */
type Owner = { pid: number; identity: string; env?: Record<string, string> };

/** Makes the folder where it is missing, and takes it; refused while another stack runs from it. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = await makeDataFolder(path);
  await requireNotRunning(folder);
  const owner: Owner = { pid: process.pid, identity: (await processIdentity(process.pid)) ?? '' };
  await writePrivateFile(ownerFile(folder), JSON.stringify(owner));
  return {
    path: folder,
    instance: instanceName(folder),
    announce: (env) => writePrivateFile(ownerFile(folder), JSON.stringify({ ...owner, env })),
    release: () => rm(ownerFile(folder), { force: true }),
  };
}

/** What a data folder's processes are called: the same for the same folder, different for any other. */
export function instanceName(folder: string): string {
  return `agentry-${createHash('sha256').update(folder).digest('hex').slice(0, 10)}`;
}

/** Refuses a data folder that another stack runs from. */
export async function requireNotRunning(path: string): Promise<void> {
  const folder = resolve(path);
  const running = await runningOwner(folder);
  if (!running) return;
  const where = running.env?.['APP_URL'];
  throw new StackFailure(
    `A stack already runs from ${folder}${where ? ` at ${where}` : ''} (process ${running.pid}). ` +
      'Use that one, stop it, or set AGENTRY_DATA and the ports for another.',
  );
}

/** How to reach the stack that runs from a data folder; undefined when none is ready there. */
export async function runningStackEnv(path: string): Promise<Record<string, string> | undefined> {
  return (await runningOwner(resolve(path)))?.env;
}

async function makeDataFolder(path: string): Promise<string> {
  const folder = resolve(path);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // As root, Postgres runs as another user and has to pass through; what it must not see is 0600.
    const mine = (await stat(folder)).uid === process.getuid?.();
    if (mine) await chmod(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
    await mkdir(join(folder, 'logs'), { recursive: true, mode: 0o700 });
    return await realpath(folder);
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw new StackFailure(
        `The data folder ${folder} cannot be written to. Set AGENTRY_DATA to a folder of your own.`,
      );
    }
    throw error;
  }
}

async function runningOwner(folder: string): Promise<Owner | undefined> {
  let owner: Owner;
  try {
    owner = JSON.parse(await readFile(ownerFile(folder), 'utf8')) as Owner;
  } catch {
    return undefined; // Absent, or cut short by a crash.
  }
  return (await processIdentity(owner.pid)) === owner.identity ? owner : undefined;
}

function ownerFile(folder: string): string {
  return join(folder, 'running.json');
}

/** Where the named part writes what it has to say. */
export function logFile(dataDir: string, name: string): string {
  return join(dataDir, 'logs', `${name}.log`);
}

/**
 * Opens a part's log for appending, for its standard output; the caller closes it. One that grew too
 * long is put aside first, in place of the one put aside before.
 */
export async function openLog(dataDir: string, name: string) {
  const file = logFile(dataDir, name);
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
  return open(file, 'a', 0o600);
}

/** Writes a file that only its owner can read, whole or not at all, and on disk when it returns. */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  await rm(draft, { force: true });
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
