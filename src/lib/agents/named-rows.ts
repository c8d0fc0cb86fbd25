import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';

/**
 * Makes the rows of an agent in `table` those that are wanted. Removal comes last, so that a refused
 * row leaves the agent with too much rather than too little; saving again finishes the work.
 */
export async function saveNamedRows<T extends { name: string }>(
  supabase: Supabase,
  table: 'agent_parameters' | 'agent_variables',
  agentId: string,
  rows: { current: readonly T[]; wanted: readonly T[] },
): Promise<void> {
  const { inserted, updated, removed } = planChanges(rows.current, rows.wanted);
  // The caller's rows are of that table; the union of two tables accepts no row of either.
  const query = () => supabase.from(table as 'agent_variables');
  const results = await Promise.all([
    ...updated.map((row) =>
      query()
        .update(row as never)
        .eq('agent_id', agentId)
        .eq('name', row.name),
    ),
    ...(inserted.length > 0
      ? [query().insert(inserted.map((row) => ({ ...row, agent_id: agentId })) as never)]
      : []),
  ]);
  results.forEach(dataOf);
  if (removed.length > 0) {
    dataOf(await query().delete().eq('agent_id', agentId).in('name', removed));
  }
}

/**
 * What to do so that the rows of an agent become `wanted`. Names identify rows (they are unique per
 * agent), so a renamed one is a removal and an insertion, and two that swap names never collide.
 */
export function planChanges<T extends { name: string }>(
  current: readonly T[],
  wanted: readonly T[],
): { inserted: T[]; updated: T[]; removed: string[] } {
  const before = new Map(current.map((row) => [row.name, row]));
  const names = new Set(wanted.map((row) => row.name));
  return {
    inserted: wanted.filter((row) => !before.has(row.name)),
    updated: wanted.filter((row) => {
      const old = before.get(row.name);
      return old !== undefined && !isSame(old, row);
    }),
    removed: current.filter((row) => !names.has(row.name)).map((row) => row.name),
  };
}

/** Compares by content, whatever the order of the keys: PostgreSQL sorts those of a jsonb. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
