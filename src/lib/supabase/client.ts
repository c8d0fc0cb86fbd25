import { browser } from '$app/environment';
import { env } from '$env/dynamic/public';
import { createBrowserClient, createServerClient } from '@supabase/ssr';
import type { SupabaseClient } from '@supabase/supabase-js';
import type { Database } from './database.types.ts';
import { sessionCookie } from './session-cookie.ts';

export type Supabase = SupabaseClient<Database>;

/**
 * The client that pages use. In the browser there is one for the life of the tab; while rendering
 * on the server each request gets its own, which reads the session that src/hooks.server.ts has
 * already refreshed.
 */
export function createPageClient(
  fetch: typeof globalThis.fetch,
  cookies: { name: string; value: string }[],
): Supabase {
  const url = env.PUBLIC_SUPABASE_URL ?? '';
  const key = env.PUBLIC_SUPABASE_PUBLISHABLE_KEY ?? '';
  const global = { fetch: withoutClientInfo(fetch) };
  if (browser) {
    return createBrowserClient<Database>(url, key, {
      global,
      cookieOptions: sessionCookie(url, location.protocol === 'https:'),
      // Only /auth/callback takes sessions out of a URL.
      auth: { detectSessionInUrl: false },
    });
  }
  return createServerClient<Database>(url, key, {
    global,
    cookieOptions: sessionCookie(url, false),
    cookies: { getAll: () => cookies, setAll: () => undefined },
  });
}

/**
 * SvelteKit hands the answers of server rendering to the browser when method, address and headers
 * agree; this header names the kind of client and would make every page fetch its data twice.
 */
function withoutClientInfo(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.delete('x-client-info');
    return fetch(input, { ...init, headers });
  };
}
