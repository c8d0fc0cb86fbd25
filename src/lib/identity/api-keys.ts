import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';

export type ApiKey = Awaited<ReturnType<typeof listApiKeys>>[number];

/** What a key may be allowed, resource by resource; `<resource>:<action>`. */
export const SCOPES: { resource: string; actions: ('read' | 'write' | 'run')[] }[] = [
  { resource: 'agents', actions: ['read', 'write', 'run'] },
  { resource: 'executions', actions: ['read', 'write'] },
  { resource: 'conversations', actions: ['read', 'write', 'run'] },
  { resource: 'orchestration', actions: ['read', 'write', 'run'] },
  { resource: 'catalog', actions: ['read', 'write'] },
  { resource: 'evaluation', actions: ['read', 'write', 'run'] },
  { resource: 'memory', actions: ['read', 'write'] },
  { resource: 'organization', actions: ['read', 'write'] },
  { resource: 'usage', actions: ['read'] },
];

/** Keys that still work, newest first: one's own, and as an admin everybody's. */
export async function listApiKeys(supabase: Supabase, organizationId: string) {
  return dataOf(
    await supabase
      .from('api_keys')
      .select(
        'id, name, key_prefix, scopes, rate_limit, expires_at, last_used_at, created_at, user_id, profile:profiles!inner(username, full_name)',
      )
      .eq('organization_id', organizationId)
      .is('revoked_at', null)
      .order('id', { ascending: false }),
  );
}

/** Makes a key and returns it: the only time that it is shown. */
export async function createApiKey(
  supabase: Supabase,
  key: {
    organizationId: string;
    name: string;
    scopes: string[];
    /** Requests a minute. */
    rateLimit: number;
    expiresAt: Date | null;
  },
): Promise<string> {
  const made = dataOf(
    await supabase
      .rpc('create_api_key', {
        organization_id: key.organizationId,
        name: key.name,
        scopes: key.scopes,
        rate_limit: key.rateLimit,
        ...(key.expiresAt ? { expires_at: key.expiresAt.toISOString() } : {}),
      })
      .single(),
  );
  return made.key;
}

/** Ends a key at once and for good. */
export async function revokeApiKey(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('revoke_api_key', { api_key_id: id }));
}
