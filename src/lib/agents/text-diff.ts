import { diffArrays, diffWordsWithSpace } from 'diff';

/** A piece of a changed line; `changed` marks what the other side does not have. */
export type Piece = { text: string; changed: boolean };
export type Line = { number: number; pieces: Piece[] };

/**
 * One row of a side by side diff. `same` rows show equal lines; `change` rows have a line on either
 * side or on both; `folded` stands for equal lines that nobody needs to read.
 */
export type DiffRow =
  | { kind: 'same' | 'change'; before: Line | null; after: Line | null }
  | { kind: 'folded'; rows: DiffRow[] };

const CONTEXT_LINES = 3;
/** Words of very long lines are not compared: the comparison is quadratic and nobody reads it. */
const LONGEST_LINE_BY_WORDS = 5_000;

/** Compares two texts line by line and, within changed lines, word by word. */
export function diffTexts(before: string, after: string): DiffRow[] {
  return fold(align(before, after));
}

function align(before: string, after: string): DiffRow[] {
  const rows: DiffRow[] = [];
  let beforeNumber = 0;
  let afterNumber = 0;
  const removed: string[] = [];
  const added: string[] = [];

  const flush = () => {
    for (let index = 0; index < Math.max(removed.length, added.length); index += 1) {
      const [left, right] = compareLines(removed[index], added[index]);
      rows.push({
        kind: 'change',
        before: left && { number: (beforeNumber += 1), pieces: left },
        after: right && { number: (afterNumber += 1), pieces: right },
      });
    }
    removed.length = 0;
    added.length = 0;
  };

  for (const change of diffArrays(before.split('\n'), after.split('\n'))) {
    if (change.removed) removed.push(...change.value);
    else if (change.added) added.push(...change.value);
    else {
      flush();
      for (const text of change.value) {
        const pieces = [{ text, changed: false }];
        rows.push({
          kind: 'same',
          before: { number: (beforeNumber += 1), pieces },
          after: { number: (afterNumber += 1), pieces },
        });
      }
    }
  }
  flush();
  return rows;
}

function compareLines(
  before: string | undefined,
  after: string | undefined,
): [Piece[] | null, Piece[] | null] {
  const whole = (text: string) => [{ text, changed: true }];
  if (before === undefined || after === undefined) {
    return [before === undefined ? null : whole(before), after === undefined ? null : whole(after)];
  }
  if (before.length + after.length > LONGEST_LINE_BY_WORDS) return [whole(before), whole(after)];

  const left: Piece[] = [];
  const right: Piece[] = [];
  for (const { value: text, added, removed } of diffWordsWithSpace(before, after)) {
    if (!added) left.push({ text, changed: removed });
    if (!removed) right.push({ text, changed: added });
  }
  return [left, right];
}

/** Hides equal lines further than {@link CONTEXT_LINES} from any change. */
function fold(rows: DiffRow[]): DiffRow[] {
  const shown = new Set<number>();
  rows.forEach((row, index) => {
    if (row.kind !== 'change') return;
    for (let near = index - CONTEXT_LINES; near <= index + CONTEXT_LINES; near += 1)
      shown.add(near);
  });

  const folded: DiffRow[] = [];
  let hidden: DiffRow[] = [];
  const close = () => {
    // A fold of one line would take as much room as the line.
    if (hidden.length > 1) folded.push({ kind: 'folded', rows: hidden });
    else folded.push(...hidden);
    hidden = [];
  };
  rows.forEach((row, index) => {
    if (!shown.has(index)) {
      hidden.push(row);
      return;
    }
    close();
    folded.push(row);
  });
  close();
  return folded;
}
