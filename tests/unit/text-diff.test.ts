import { describe, expect, test } from 'vitest';
import { diffTexts, type DiffRow, type Line } from '../../src/lib/agents/text-diff.ts';

const text = (line: Line | null) => line && line.pieces.map((piece) => piece.text).join('');
const shape = (row: DiffRow) =>
  row.kind === 'folded'
    ? ['folded', row.rows.length]
    : [row.kind, text(row.before), text(row.after)];

describe('the diff of two texts', () => {
  test('pairs a changed line with what it became and marks the words', () => {
    const rows = diffTexts('You are a pirate.\nBe brief.', 'You are a captain.\nBe brief.');
    expect(rows.map(shape)).toEqual([
      ['change', 'You are a pirate.', 'You are a captain.'],
      ['same', 'Be brief.', 'Be brief.'],
    ]);
    const [first] = rows;
    expect(
      first?.kind === 'change' && first.before?.pieces.filter((piece) => piece.changed),
    ).toEqual([{ text: 'pirate', changed: true }]);
  });

  test('leaves the other side empty where a line was added or removed', () => {
    expect(diffTexts('a\nb', 'a\nb\nc').map(shape).at(-1)).toEqual(['change', null, 'c']);
    expect(diffTexts('a\nb\nc', 'a\nc').map(shape)[1]).toEqual(['change', 'b', null]);
  });

  test('numbers the lines of each side on their own', () => {
    const rows = diffTexts('x\ny', 'new\nx\ny');
    const last = rows.at(-1);
    expect(last?.kind === 'same' && [last.before?.number, last.after?.number]).toEqual([2, 3]);
  });

  test('folds what is equal, but for three lines around a change', () => {
    const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const rows = diffTexts(lines.join('\n'), lines.with(10, 'changed').join('\n'));
    expect(rows.map(shape)).toEqual([
      ['folded', 7],
      ['same', 'line 7', 'line 7'],
      ['same', 'line 8', 'line 8'],
      ['same', 'line 9', 'line 9'],
      ['change', 'line 10', 'changed'],
      ['same', 'line 11', 'line 11'],
      ['same', 'line 12', 'line 12'],
      ['same', 'line 13', 'line 13'],
      ['folded', 6],
    ]);
  });

  test('answers equal texts with a single fold', () => {
    expect(diffTexts('a\nb', 'a\nb').map(shape)).toEqual([['folded', 2]]);
  });

  test('compares lines of 144,000 characters', () => {
    const long = 'word '.repeat(28_800);
    expect(diffTexts(long, `${long}more`).map(({ kind }) => kind)).toEqual(['change']);
  });
});
