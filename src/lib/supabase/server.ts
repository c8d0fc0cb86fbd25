import { env } from '$env/dynamic/public';
import { createServerClient } from '@supabase/ssr';
import type { RequestEvent } from '@sveltejs/kit';
import type { Supabase } from './client.ts';
import type { Database } from './database.types.ts';
import { sessionCookie } from './session-cookie.ts';

/** A client for one request, as the person whose cookies it carries; keeps those cookies fresh. */
export function createRequestClient(event: RequestEvent): Supabase {
  const url = env.PUBLIC_SUPABASE_URL ?? '';
  return createServerClient<Database>(url, env.PUBLIC_SUPABASE_PUBLISHABLE_KEY ?? '', {
    cookieOptions: sessionCookie(url, event.url.protocol === 'https:'),
    cookies: {
      getAll: () => event.cookies.getAll(),
      setAll: (cookies) => {
        for (const { name, value, options } of cookies) {
          event.cookies.set(name, value, {
            ...options,
            path: '/',
            httpOnly: false,
            secure: event.url.protocol === 'https:',
          });
        }
      },
    },
  });
}
