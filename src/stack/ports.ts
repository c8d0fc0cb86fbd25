// TCP ports on loopback: are ours free, who holds one that is not, and which others can be had.

import { execFile } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { StackFailure } from './failure.ts';

const LISTENING = '0A';

/** A port that people may choose, and the environment variable by which they do. */
export type NamedPort = { port: number; purpose: string; variable: string };

/** Refuses the first port that is taken or asked for twice, naming its holder and the way out. */
export async function requireFreePorts(ports: NamedPort[]): Promise<void> {
  for (const [at, { port, purpose, variable }] of ports.entries()) {
    const twin = ports.slice(0, at).find((other) => other.port === port);
    if (twin) {
      throw new StackFailure(
        `${twin.variable} and ${variable} are both ${port}: set one of them to another port.`,
      );
    }
    if (!(await isFree(port))) {
      throw new StackFailure(
        `Port ${port} (${purpose}) is taken by ${await holderOf(port)}. ` +
          `Stop it, or set ${variable} to another port.`,
      );
    }
  }
}

/** Ports of loopback that nothing listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve, reject) => {
            server.once('error', reject);
            server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
          }),
      ),
    );
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else if (error.code === 'EACCES') {
        reject(
          new StackFailure(
            `Port ${port} needs privileges that this user lacks: choose one above 1023.`,
          ),
        );
      } else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function holderOf(port: number): Promise<string> {
  try {
    return (
      (await (process.platform === 'linux' ? linuxHolder : lsofHolder)(port)) ?? 'another program'
    );
  } catch {
    return 'another program'; // Another user's, whose processes cannot be looked into.
  }
}

async function linuxHolder(port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  const sockets = new Set(
    tables
      .flatMap((table) =>
        table
          .trim()
          .split('\n')
          .map((line) => line.trim().split(/\s+/)),
      )
      .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === LISTENING)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const handle of handles) {
      if (sockets.has(await readlink(`/proc/${pid}/fd/${handle}`).catch(() => ''))) {
        const [program = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
        return `${basename(program)} (process ${pid})`;
      }
    }
  }
  return undefined;
}

async function lsofHolder(port: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('lsof', [
    '-nP',
    `-iTCP:${port}`,
    '-sTCP:LISTEN',
    '-Fpc',
  ]);
  const pid = /^p(\d+)$/m.exec(stdout)?.[1];
  return pid && `${/^c(.+)$/m.exec(stdout)?.[1]} (process ${pid})`;
}
