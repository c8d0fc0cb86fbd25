import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Tables } from '../supabase/database.types.ts';

export type Token = Pick<Tables<'tokens'>, 'id' | 'key' | 'created_at' | 'updated_at'>;

/** Whose secrets: a person's own, or those that all runs of an organization may use. */
export type TokenOwner = { userId: string } | { organizationId: string };

/** The names that the platform's own providers look for. */
export const PROVIDER_TOKENS = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY'];

/** Names of the secrets, never their values. */
export async function listTokens(supabase: Supabase, owner: TokenOwner): Promise<Token[]> {
  const tokens = supabase.from('tokens').select('id, key, created_at, updated_at').order('key');
  return dataOf(
    await ('userId' in owner
      ? tokens.eq('user_id', owner.userId)
      : tokens.eq('organization_id', owner.organizationId)),
  );
}

/** Stores a secret under a name, in place of the one that was there; it is encrypted at once. */
export async function setToken(
  supabase: Supabase,
  owner: TokenOwner,
  key: string,
  value: string,
): Promise<void> {
  dataOf(await supabase.rpc('set_token', { key, value, ...organizationOf(owner) }));
}

/** Forgets a secret; runs that need it fail from then on. */
export async function deleteToken(
  supabase: Supabase,
  owner: TokenOwner,
  key: string,
): Promise<void> {
  dataOf(await supabase.rpc('delete_token', { key, ...organizationOf(owner) }));
}

function organizationOf(owner: TokenOwner): { organization_id?: string } {
  return 'organizationId' in owner ? { organization_id: owner.organizationId } : {};
}
