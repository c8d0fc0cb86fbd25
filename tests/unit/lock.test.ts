import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('npm ci accepts the lock file as it is (scripts/complete-lock.mjs completes one that it refuses)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agentry-lock-'));
  try {
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(file, join(folder, file));
    await promisify(execFile)('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], {
      cwd: folder,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);

it('the lock file says for which platforms the optional packages are, and names no registry', async () => {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
  };
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
  expect(missing).toEqual([]);
  expect(Object.values(packages).filter(({ resolved }) => resolved)).toEqual([]);
});
