import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Json } from '../supabase/database.types.ts';
import { saveNamedRows } from './named-rows.ts';

/** A value that the author sets once; a secret is `{"token": "KEY"}`, filled in by the worker. */
export type Variable = { name: string; description: string; value: Json };

/** The key of the token that a value refers to, or null for a plain value. */
export function tokenKeyOf(value: Json): string | null {
  return typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === 1 &&
    typeof value.token === 'string'
    ? value.token
    : null;
}

export async function listVariables(supabase: Supabase, agentId: string): Promise<Variable[]> {
  return dataOf(
    await supabase
      .from('agent_variables')
      .select('name,description,value')
      .eq('agent_id', agentId)
      .order('id'),
  );
}

/** Makes the draft's variables these. */
export async function saveVariables(
  supabase: Supabase,
  agentId: string,
  variables: readonly Variable[],
): Promise<void> {
  await saveNamedRows(supabase, 'agent_variables', agentId, {
    current: await listVariables(supabase, agentId),
    wanted: variables,
  });
}
