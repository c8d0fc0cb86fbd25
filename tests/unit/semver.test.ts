import { expect, test } from 'vitest';
import { nextVersion } from '../../src/lib/agents/semver.ts';

test('the first version is 1.0.0', () => {
  expect(nextVersion(null, 'patch')).toBe('1.0.0');
});

test.each([
  ['1.2.3', 'patch', '1.2.4'],
  ['1.2.3', 'minor', '1.3.0'],
  ['1.2.3', 'major', '2.0.0'],
  ['1.9.10', 'patch', '1.9.11'],
  ['2.0.0-beta.1', 'patch', '2.0.0'],
] as const)('after %s, a %s change is %s', (current, bump, expected) => {
  expect(nextVersion(current, bump)).toBe(expected);
});
