// The web app's build, made anew only when something that goes into it changed. Run by itself, it brings
// build/ up to date; `npm run build` has its files compressed as well (--precompress), which takes seconds
// and helps nobody on their own machine.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { StackFailure } from './failure.ts';
import { PROJECT } from './settings.ts';

const MARK = join(PROJECT, 'build', '.sources');
const PRECOMPRESSED = 'precompressed';
const SOURCES = ['src', 'static', 'package-lock.json', 'svelte.config.js', 'vite.config.ts'];
/** Programs of their own, of which the web app uses nothing. */
const NOT_OURS = ['src/cli', 'src/stack', 'src/worker'];

/** Builds the web app into build/ unless that is up to date. `log` is told of it, line by line. */
export async function buildWebApp(
  log: (line: string) => void,
  { signal, precompress = false }: { signal?: AbortSignal; precompress?: boolean } = {},
): Promise<void> {
  const sources = await hashOfSources();
  const built = await readFile(MARK, 'utf8').catch(() => '');
  if (built === `${sources} ${PRECOMPRESSED}` || (built === sources && !precompress)) return;
  log('building the web app');
  const started = Date.now();
  // Until it is whole again, it must not count as built.
  await rm(MARK, { force: true });
  await runVite(precompress, signal);
  await writeFile(MARK, precompress ? `${sources} ${PRECOMPRESSED}` : sources);
  log(`built the web app in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function runVite(precompress: boolean, signal: AbortSignal | undefined): Promise<void> {
  const vite = join(PROJECT, 'node_modules', 'vite', 'bin', 'vite.js');
  return new Promise((resolve, reject) => {
    const said: Buffer[] = [];
    const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
      cwd: PROJECT,
      env: { ...process.env, NODE_ENV: 'production', PRECOMPRESS: precompress ? '1' : '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new StackFailure(`The web app does not build.\n${Buffer.concat(said)}`));
    });
  });
}

/** Of the names and contents of every file that goes into the build. */
async function hashOfSources(): Promise<string> {
  const found = await Promise.all(SOURCES.map((source) => filesBelow(join(PROJECT, source))));
  const hash = createHash('sha256');
  for (const file of found.flat().sort()) {
    hash
      .update(`${relative(PROJECT, file)}\0`)
      .update(await readFile(file))
      .update('\0');
  }
  return hash.digest('hex');
}

async function filesBelow(path: string): Promise<string[]> {
  if (NOT_OURS.some((folder) => path === join(PROJECT, folder))) return [];
  let entries;
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') return [path];
    if (code === 'ENOENT') return [];
    throw error;
  }
  const nested = await Promise.all(entries.map((entry) => filesBelow(join(path, entry.name))));
  return nested.flat();
}

if (import.meta.main) {
  try {
    await buildWebApp(console.log, { precompress: process.argv.includes('--precompress') });
  } catch (error) {
    console.error(error instanceof StackFailure ? error.message : error);
    process.exitCode = 1;
  }
}
