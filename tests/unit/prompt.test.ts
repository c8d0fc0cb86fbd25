import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareNames,
  findPlaceholders,
  namesIn,
  renderPrompt,
} from '../../src/lib/agents/prompt.ts';

describe('placeholders', () => {
  test('have the offsets of their braces', () => {
    expect(findPlaceholders('Write about {{topic}} for {{ Brand Name }}.')).toEqual([
      { name: 'topic', from: 12, to: 21 },
      { name: 'Brand Name', from: 26, to: 42 },
    ]);
  });

  test('may be written in any language and with slashes and apostrophes', () => {
    const names = ['points clés', '名称', "Brand's core product", 'Product/Service', 'a, b, c'];
    expect(namesIn(names.map((name) => `{{${name}}}`).join(' '))).toEqual(names);
  });

  test.each([
    '{{user.name}}',
    '{{call()}}',
    '{{rows[0]}}',
    '{{a + b}}',
    "{{ width: '100vw' }}",
    '{{a\nb}}',
    '{{}}',
    '{{   }}',
    '{name}',
    '{{name}',
    `{{${'x'.repeat(201)}}}`,
  ])('are not code or anything else in braces: %s', (text) => {
    expect(findPlaceholders(text)).toEqual([]);
  });

  test('are found between further braces', () => {
    expect(renderPrompt('{{{name}}}', { name: 'x' })).toBe('{x}');
    expect(renderPrompt('{ {{name}}}.', { name: 'x' })).toBe('{ x}.');
  });
});

describe('rendering', () => {
  test('puts values in the place of names', () => {
    expect(renderPrompt('{{a}}, {{ a }} and {{b}}', { a: 'x', b: 'y' })).toBe('x, x and y');
  });

  test('takes values as data, once', () => {
    expect(renderPrompt('{{a}} {{b}}', { a: '{{b}}', b: '$& {{a}}' })).toBe('{{b}} $& {{a}}');
  });

  test('leaves a name without a value as it stands', () => {
    expect(renderPrompt('{{a}} {{HOME}}', { a: 1 })).toBe('1 {{HOME}}');
    expect(renderPrompt('{{constructor}}', {})).toBe('{{constructor}}');
  });

  test('makes nothing of a value that was left out', () => {
    expect(renderPrompt('[{{a}}]', { a: null })).toBe('[]');
  });

  test('writes numbers, lists and objects as text', () => {
    expect(renderPrompt('{{n}} {{b}} {{l}}', { n: 1.5, b: false, l: ['x', 'y'] })).toBe(
      '1.5 false x, y',
    );
    expect(renderPrompt('{{o}}', { o: { a: 1 } })).toBe('{\n  "a": 1\n}');
  });

  test('gives any text back when there is nothing to fill in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => renderPrompt(text, {}) === text),
    );
  });

  test('comes to its end on a hostile prompt', () => {
    const hostile = '{{'.repeat(100_000) + ' '.repeat(100_000) + '{{a'.repeat(50_000);
    expect(renderPrompt(hostile, { a: 'x' })).toBe(hostile);
  });
});

test('names that are used and names that are defined are held against each other', () => {
  expect(namesIn('{{b}} {{a}} {{b}}', null, '{{c}}')).toEqual(['b', 'a', 'c']);
  expect(compareNames(['a', 'b'], ['b', 'c'])).toEqual({ missing: ['a'], unused: ['c'] });
});
