import { expect, test } from 'vitest';
import { fingerprint, initialsOf } from '../../src/lib/components/ui/avatar.ts';

test('the same slug gives the same picture', () => {
  expect(fingerprint('release-notes')).toEqual(fingerprint('release-notes'));
});

test('a thousand numbered slugs look different', () => {
  const pictures = Array.from({ length: 1_000 }, (_, index) =>
    JSON.stringify(fingerprint(`agent-${index}`)),
  );
  expect(new Set(pictures).size).toBeGreaterThan(990);
});

test.each([
  ['Ada Lovelace', 2, 'AL'],
  ['ada_lovelace', 2, 'AL'],
  ['grace', 2, 'G'],
  ['Ada Lovelace', 1, 'A'],
  ['🦉 owl', 2, '🦉O'],
  ['   ', 2, ''],
])('%s has the initials %3$s', (name, count, initials) => {
  expect(initialsOf(name, count)).toBe(initials);
});
