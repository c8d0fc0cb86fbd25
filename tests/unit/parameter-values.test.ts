import { describe, expect, test } from 'vitest';
import {
  initialValues,
  readFieldValue,
  readFieldValues,
  type FieldValue,
  type Reading,
} from '../../src/lib/agents/parameter-values.ts';
import { newParameter, withType, type Parameter } from '../../src/lib/agents/parameters.ts';

const parameter = (changes: Partial<Parameter>): Parameter => ({
  ...newParameter('x'),
  required: false,
  ...changes,
});
const accepted = (value: unknown) => ({ ok: true, value });
const refused = (kind: string, limit?: number | string) => ({
  ok: false,
  problem: limit === undefined ? { kind } : { kind, limit },
});

describe('a value that is typed into the form of a run', () => {
  test.each<[Partial<Parameter>, FieldValue, unknown]>([
    [{ type: 'string' }, 'hello', accepted('hello')],
    [{ type: 'string', validation_rules: { min_length: 3 } }, 'ab', refused('too_short', 3)],
    // One character to people and to PostgreSQL, two units of UTF-16.
    [{ type: 'string', validation_rules: { max_length: 1 } }, '🦜', accepted('🦜')],
    [{ type: 'text', validation_rules: { max_length: 2 } }, 'abc', refused('too_long', 2)],
    [{ type: 'number' }, ' 1.5 ', accepted(1.5)],
    [{ type: 'number' }, '1,5', refused('not_a_number')],
    [{ type: 'number' }, 'Infinity', refused('not_a_number')],
    [{ type: 'number', validation_rules: { min: 0 } }, '-1', refused('too_small', 0)],
    [{ type: 'number', validation_rules: { max: 9 } }, '10', refused('too_large', 9)],
    [{ type: 'boolean' }, false, accepted(false)],
    [{ type: 'date' }, '2026-02-28', accepted('2026-02-28')],
    [{ type: 'date' }, '28.02.2026', refused('not_a_date')],
    [
      { type: 'date', validation_rules: { min: '2026-01-01' } },
      '2025-12-31',
      refused('too_small', '2026-01-01'),
    ],
    [{ type: 'json' }, '{"a": [1]}', accepted({ a: [1] })],
    [{ type: 'json' }, '{a: 1}', refused('not_json')],
    [{ type: 'multiselect' }, ['a'], accepted(['a'])],
    [{ type: 'multiselect', required: true }, [], refused('required')],
    [{ type: 'multiselect', validation_rules: { min_items: 2 } }, ['a'], refused('too_few', 2)],
    [
      { type: 'multiselect', validation_rules: { max_items: 1 } },
      ['a', 'b'],
      refused('too_many', 1),
    ],
  ])('%j reads %j as %j', (changes, field, expected) => {
    expect(readFieldValue(parameter(changes), field)).toEqual(expected);
  });

  test('is needed where the parameter is required and has no default', () => {
    const read = (changes: Partial<Parameter>): Reading => readFieldValue(parameter(changes), ' ');
    expect(read({ required: true })).toEqual(refused('required'));
    expect(read({ required: true, default_value: 'a' })).toEqual(accepted(undefined));
    expect(read({ required: false })).toEqual(accepted(undefined));
  });

  test('is sent only where something was typed', () => {
    const parameters = [parameter({ name: 'a' }), parameter({ name: 'b' })];
    expect(readFieldValues(parameters, { a: '', b: 'x' })).toEqual({
      values: { b: 'x' },
      problems: {},
    });
  });
});

test('a form starts with the defaults', () => {
  expect(
    initialValues([
      parameter({ name: 'text', default_value: 'a' }),
      parameter({ name: 'number', type: 'number', default_value: 0 }),
      parameter({ name: 'yes', type: 'boolean', default_value: true }),
      parameter({ name: 'no', type: 'boolean' }),
      parameter({ name: 'many', type: 'multiselect', default_value: ['b'] }),
      parameter({ name: 'json', type: 'json', default_value: { a: 1 } }),
      parameter({ name: 'nothing' }),
    ]),
  ).toEqual({
    text: 'a',
    number: '0',
    yes: true,
    no: false,
    many: ['b'],
    json: '{\n  "a": 1\n}',
    nothing: '',
  });
});

describe('a parameter that gets another type', () => {
  test('keeps its default and rules between one line and several', () => {
    const before = parameter({ default_value: 'a', validation_rules: { max_length: 9 } });
    expect(withType(before, 'text')).toEqual({ ...before, type: 'text' });
  });

  test('keeps its options between one choice and several, and nothing that would not fit', () => {
    const before = parameter({ type: 'select', options: ['a'], default_value: 'a' });
    expect(withType(before, 'multiselect')).toMatchObject({ options: ['a'], default_value: null });
    expect(withType(before, 'number')).toMatchObject({ options: null, default_value: null });
  });
});
