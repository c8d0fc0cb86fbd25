import type { CookieOptions } from '@supabase/ssr';

/**
 * Cookies know no ports: the default name is the same for every stack on 127.0.0.1, and two of them
 * would sign each other out.
 */
export function sessionCookie(
  supabaseUrl: string,
  secure: boolean,
): CookieOptions & { name: string } {
  const server = supabaseUrl.replace(/^https?:\/\//, '').replace(/[^a-z0-9]+/gi, '-');
  return { name: `sb-${server}-auth-token`, path: '/', sameSite: 'lax', secure };
}
