// node scripts/complete-lock.mjs [PACKAGE-LOCK]
//
// Run after `npm install` changed package-lock.json: npm can leave out optional packages of platforms
// other than the present one, and `npm ci` then refuses the file everywhere ("Missing: ... from lock
// file"). Adds each, with the platform that its name tells: enough for npm to skip it here, and to fetch
// it there.

import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  win32: 'win32',
  windows: 'win32',
};
const PROCESSORS = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
];

const file = process.argv[2] ?? 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8'));

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(path, name)) continue;
    lock.packages[`node_modules/${name}`] = {
      version: version.replace(/^v/, ''),
      ...platform(name),
      ...(entry.dev && { dev: true }),
      optional: true,
    };
    console.log(`added ${name}`);
  }
}

const [root, ...packages] = Object.entries(lock.packages);
packages.sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries([root, ...packages]);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);

/** Whether a package finds an optional dependency of its own, in its node_modules or one further up. */
function isLocked(path, name) {
  for (let folder = path; ; folder = folder.replace(/\/?node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    if (lock.packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (!folder) return false;
  }
}

function platform(name) {
  const words = name.split('/').at(-1).split('-');
  const system = words.map((word) => SYSTEMS[word]).find(Boolean);
  const processor = words.find((word) => PROCESSORS.includes(word));
  if (!processor) throw new Error(`${name}: its name does not tell for which platform it is`);
  const musl = system === 'linux' && words.some((word) => word.startsWith('musl'));
  const gnu = system === 'linux' && words.some((word) => word.startsWith('gnu'));
  return {
    cpu: [processor],
    ...((musl || gnu) && { libc: [musl ? 'musl' : 'glibc'] }),
    ...(system && { os: [system] }),
  };
}
