import { env } from '$env/dynamic/public';
import { createRequestClient } from '$lib/supabase/server.ts';
import type { Handle, HandleServerError } from '@sveltejs/kit';

export const handle: Handle = async ({ event, resolve }) => {
  event.locals.supabase = createRequestClient(event);
  if (event.cookies.getAll().some(({ name }) => name.startsWith('sb-'))) {
    // Refreshes an expired session here, where the new cookies can still be written. Pages rendered
    // on the server only read it: a refresh there would burn the one-time refresh token.
    await event.locals.supabase.auth.getSession();
  }

  const response = await resolve(event, {
    // What supabase-js reads of an answer beyond its body.
    filterSerializedResponseHeaders: (name) => name === 'content-range' || name === 'content-type',
  });
  secure(response, event.url);
  return response;
};

export const handleError: HandleServerError = ({ error, event, status, message }) => {
  if (status < 500) return { message, code: status === 404 ? 'page_not_found' : 'value_refused' };
  const reference = crypto.randomUUID();
  console.error(
    JSON.stringify({
      level: 'error',
      at: new Date().toISOString(),
      reference,
      method: event.request.method,
      path: event.url.pathname,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }),
  );
  return { message, code: 'unexpected', reference };
};

function secure(response: Response, url: URL): void {
  const headers = response.headers;
  const policy = headers.get('content-security-policy');
  if (headers.get('content-type')?.startsWith('text/html')) {
    // It holds what one person may see: no cache keeps it, and Back after signing out shows nothing.
    headers.set('cache-control', 'private, no-store');
  }
  if (policy) headers.set('content-security-policy', `${policy}; ${gatewayDirectives()}`);
  headers.set('x-content-type-options', 'nosniff');
  headers.set('x-frame-options', 'DENY');
  headers.set('referrer-policy', 'strict-origin-when-cross-origin');
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=()');
  if (url.protocol === 'https:') {
    headers.set('strict-transport-security', 'max-age=31536000; includeSubDomains');
  }
}

/** Pages talk to their own server and to the gateway, over HTTP and over its live channel. */
function gatewayDirectives(): string {
  const gateway = new URL(env.PUBLIC_SUPABASE_URL ?? 'http://127.0.0.1:54321').origin;
  const live = gateway.replace(/^http/, 'ws');
  return `connect-src 'self' ${gateway} ${live}; img-src 'self' data: blob: ${gateway}`;
}
