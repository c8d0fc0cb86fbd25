import type { Supabase } from './client.ts';

/**
 * Id of whoever the session says is signed in, or null. It is read from the cookie and proves
 * nothing by itself: every query carries the token, and PostgREST checks that.
 */
export async function signedInUserId(supabase: Supabase): Promise<string | null> {
  const { data } = await supabase.auth.getSession();
  const payload = data.session?.access_token.split('.')[1];
  if (!payload) return null;
  const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
  return typeof claims === 'object' && claims && 'sub' in claims && typeof claims.sub === 'string'
    ? claims.sub
    : null;
}
