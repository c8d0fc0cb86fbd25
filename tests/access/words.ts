import { DONE } from './requests.ts';
import type { CallerName, Standing, World } from './tenants.ts';

/** In words for which of the rows it worked, or, when for none, why not. */
export function words<Kind extends Standing>(
  world: World,
  caller: CallerName,
  rows: Kind[],
  outcome: (row: Kind) => string,
): string {
  const me = world.ownerOf(caller);
  const counts = new Map<string, { done: number; all: number }>();
  const refusals = new Set<string>();
  for (const row of rows) {
    const word = wordOf(row, me);
    const count = counts.get(word) ?? { done: 0, all: 0 };
    const code = outcome(row);
    if (code === DONE) count.done += 1;
    else refusals.add(code);
    count.all += 1;
    counts.set(word, count);
  }
  const worked = [...counts].filter(([, { done }]) => done > 0);
  if (worked.length === 0) return [...refusals].sort().join(' ');
  const tenants = [...counts].filter(([word]) => !BESIDES.includes(word));
  const isAll = tenants.length > 0 && tenants.every(([, { done, all }]) => done === all);
  const named = isAll ? worked.filter(([word]) => BESIDES.includes(word)) : worked;
  return [
    ...(isAll ? ['all'] : []),
    ...named
      .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
      .map(([word, { done, all }]) => (done === all ? word : `some ${word}`)),
  ].join(', ');
}

/** What is not meant by 'all'. */
export const BESIDES = ['platform', 'deleted'];
const ORDER = [
  ...['public', 'listed', 'organization', 'shared', 'own', 'of own agents', 'draft', 'hidden'],
  ...['private', 'owners', 'others', 'conversations'],
  ...BESIDES,
];

function wordOf(row: Standing, me: string | undefined): string {
  const word = relationTo(row, me);
  return row.sort === undefined ? word : `${word} ${row.sort}`;
}

function relationTo(row: Standing, me: string | undefined): string {
  if (BESIDES.includes(row.kind)) return row.kind;
  if (me !== undefined && row.owner === me) return 'own';
  if (me !== undefined && row.agentOwner === me) return 'of own agents';
  return row.kind;
}

/** One row for each word that a cell may have for this caller. */
export function samples<Kind extends Standing>(rows: Kind[], me: string | undefined): Kind[] {
  return [...new Map(rows.map((row) => [wordOf(row, me), row])).values()];
}
