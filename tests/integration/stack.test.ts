import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runningStackEnv } from '../../src/stack/data-folder.ts';
import { Installation, kill } from '../support/installation.ts';

describe('an installation', () => {
  let stack: Installation;
  beforeAll(async () => {
    stack = await Installation.create();
    await stack.start();
    await stack.query('create table public.kept (n int primary key)');
  });
  afterAll(() => stack.remove());

  it('keeps its secrets from everybody else', async () => {
    for (const file of ['secrets.json', 'encryption-key.asc', 'running.json']) {
      expect((await stat(join(stack.folder, file))).mode & 0o777, file).toBe(0o600);
    }
    expect((await stat(join(stack.folder, 'logs'))).mode & 0o077).toBe(0);
    expect((await stat(join(stack.folder, 'postgres'))).mode & 0o077).toBe(0);
  });

  it.runIf(process.platform === 'linux')('listens on loopback alone', async () => {
    const pids = [stack.process!.pid!, ...(await stack.processes())];
    const addresses = (await Promise.all(pids.map(listeningAddresses))).flat();
    // The four that people use, and PostgREST's two.
    expect(addresses.length).toBeGreaterThanOrEqual(6);
    expect(new Set(addresses)).toEqual(new Set(['0100007F']));
  });

  it('keeps what was committed safe, with checksums, fsync and synchronous commit', async () => {
    const settings = await stack.query(`
      select name, setting from pg_settings
      where name in ('data_checksums', 'fsync', 'full_page_writes', 'synchronous_commit')
      order by name`);
    expect(settings).toEqual(
      ['data_checksums', 'fsync', 'full_page_writes', 'synchronous_commit'].map((name) => ({
        name,
        setting: 'on',
      })),
    );
  });

  it('refuses a second stack from the same folder', async () => {
    const second = await stack.twin();
    await expect(second.start()).rejects.toThrow(/already runs from .*process \d+/);
    expect(await stack.rest()).toBe(200);
  });

  it('stands beside another one', async () => {
    const other = await fetch(`${inject('supabaseUrl')}/rest/v1/profiles?limit=0`, {
      headers: { apikey: inject('publishableKey') },
    });
    expect([other.status, await stack.rest()]).toEqual([200, 200]);
  });

  it('brings PostgreSQL back after kill -9, though a busy query outlives it, and keeps its rows', async () => {
    await stack.query('insert into public.kept values (1)');
    const busy = stack.query('do $$ begin loop null; end loop; end $$').catch(() => 'cut');
    await expect
      .poll(() => stack.query(`select from pg_stat_activity where query like 'do %'`))
      .toHaveLength(1);
    const [server] = await stack.processes(/cluster_name=/);
    await kill(server!);
    await expect
      .poll(() => stack.query('select n from public.kept').catch(() => 'away'), { timeout: 15_000 })
      .toEqual([{ n: 1 }]);
    expect(await busy).toBe('cut');
    await expect.poll(() => stack.rest(), { timeout: 15_000 }).toBe(200);
  });

  it('brings PostgREST back after kill -9', async () => {
    const [server] = await stack.processes(/-postgrest$/);
    await kill(server!);
    await expect.poll(() => stack.rest(), { timeout: 15_000 }).toBe(200);
  });

  it('leaves nothing running when its own process is killed, and starts again with its rows', async () => {
    await stack.query('insert into public.kept values (2)');
    await stack.stop('SIGKILL');
    expect(await runningStackEnv(stack.folder)).toBeUndefined();
    await expect.poll(() => stack.processes(), { timeout: 15_000 }).toEqual([]);
    await stack.start();
    expect(await stack.query('select n from public.kept order by n')).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('finds its data and its keys again after a proper stop', async () => {
    const before = await runningStackEnv(stack.folder);
    await stack.stop();
    expect(await stack.processes()).toEqual([]);
    await stack.start();
    expect(await runningStackEnv(stack.folder)).toEqual(before);
    expect(await stack.query('select n from public.kept order by n')).toHaveLength(2);
  });

  it('tells programs how to reach it while it runs, and only then', async () => {
    const ask = () =>
      promisify(execFile)(process.execPath, ['src/stack/env.ts'], {
        env: { ...process.env, AGENTRY_DATA: stack.folder },
      });
    const names = (await ask()).stdout
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names).toEqual([
      ...['DATABASE_URL', 'SUPABASE_URL', 'SUPABASE_PUBLISHABLE_KEY', 'SUPABASE_SECRET_KEY'],
      'APP_URL',
    ]);
    await stack.stop();
    await expect(ask()).rejects.toMatchObject({ code: 1, stdout: '' });
  });

  it('names who holds a port that it needs, and leaves them alone', async () => {
    const stranger = createServer((_, response) => response.end('mine')).listen(
      stack.ports[2],
      '127.0.0.1',
    );
    await once(stranger, 'listening');
    try {
      await expect(stack.start()).rejects.toThrow(
        new RegExp(`Port ${stack.ports[2]} \\(table editor\\) is taken by .*STUDIO_PORT`),
      );
      const answer = await fetch(`http://127.0.0.1:${stack.ports[2]}`);
      expect(await answer.text()).toBe('mine');
      expect(await stack.processes()).toEqual([]);
    } finally {
      stranger.close();
    }
  });
});

/** The IPv4 addresses, in the kernel's hexadecimal, that a process listens on; one of IPv6 as it stands. */
async function listeningAddresses(pid: number): Promise<string[]> {
  const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(
    handles.map((handle) => readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')),
  );
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) =>
      table
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/)),
    )
    .filter((fields) => fields[3] === '0A' && links.includes(`socket:[${fields[9]}]`))
    .map((fields) => fields[1]!.split(':')[0]!);
}
