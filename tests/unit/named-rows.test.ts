import { expect, test } from 'vitest';
import { planChanges } from '../../src/lib/agents/named-rows.ts';

const row = (name: string, value: unknown = 1) => ({ name, value });

test('saves what is new, what changed and what is gone, and nothing else', () => {
  expect(
    planChanges(
      [row('same'), row('changed'), row('gone')],
      [row('new'), row('changed', 2), row('same')],
    ),
  ).toEqual({ inserted: [row('new')], updated: [row('changed', 2)], removed: ['gone'] });
});

test('takes a renamed row as a new one', () => {
  expect(planChanges([row('old')], [row('new')])).toEqual({
    inserted: [row('new')],
    updated: [],
    removed: ['old'],
  });
});

test('does not mind the order in which the database writes the keys of an object', () => {
  expect(planChanges([row('a', { x: 1, y: [2] })], [row('a', { y: [2], x: 1 })]).updated).toEqual(
    [],
  );
});
