import { expect, test } from 'vitest';
import { Redaction } from '../../src/worker/redaction.ts';

function hiding(...secrets: string[]): Redaction {
  const redaction = new Redaction();
  for (const secret of secrets) redaction.add(secret);
  return redaction;
}

test('every occurrence of every secret is masked, the longer one first', () => {
  expect(hiding('abcd', 'abcdef').apply('abcdef, abcd and abcdef')).toBe('•••, ••• and •••');
});

test('values too short to be secrets are left alone', () => {
  expect(hiding('a', '12').apply('a 12')).toBe('a 12');
});

test('knows how much of the end of a text may become a secret', () => {
  const redaction = hiding('sk-1234');
  expect(['none', 'a s', 'a sk-12', 'a sk-123x'].map((text) => redaction.openEnd(text))).toEqual([
    0, 1, 5, 0,
  ]);
});
