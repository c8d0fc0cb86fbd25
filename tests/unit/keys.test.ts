import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** `npm run keys` without npm in between. */
function keys(environment: Record<string, string>, ...args: string[]) {
  return spawnSync(process.execPath, ['src/stack/keys.ts', ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    encoding: 'utf8',
  });
}

test('the private key is there before the database is told of the public one', () => {
  const { status, stdout } = keys({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere' });
  expect(status).not.toBe(0);
  expect(stdout).toMatch(/^-----BEGIN PGP PRIVATE KEY BLOCK-----[^]*END PGP PRIVATE KEY BLOCK/);
});

test('a password is not taken from the arguments, which everybody sees', () => {
  const { status, stdout, stderr } = keys({}, '--database-url', 'postgres://nobody@127.0.0.1:1/x');
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toContain('DATABASE_URL');
});
