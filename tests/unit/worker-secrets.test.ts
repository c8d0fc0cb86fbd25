import { expect, test } from 'vitest';
import { resolveTokens } from '../../src/worker/secrets.ts';

const readToken = async (key: string) => (key === 'GITHUB' ? 'ghp_1' : undefined);

test('references are resolved at any depth, and nothing else is touched', async () => {
  expect(
    await resolveTokens(
      { a: { token: 'GITHUB' }, b: [1, null, { c: { token: 'GITHUB' } }], d: 'GITHUB' },
      readToken,
    ),
  ).toEqual({ a: 'ghp_1', b: [1, null, { c: 'ghp_1' }], d: 'GITHUB' });
});

test('an object that says more than a token is no reference', async () => {
  const value = { token: 'GITHUB', note: 'mine' };
  expect(await resolveTokens(value, readToken)).toEqual(value);
});

test('a token that nobody set fails the run, by name', async () => {
  await expect(resolveTokens({ a: { token: 'NOWHERE' } }, readToken)).rejects.toThrow(
    expect.objectContaining({ code: 'token_missing', message: expect.stringContaining('NOWHERE') }),
  );
});
