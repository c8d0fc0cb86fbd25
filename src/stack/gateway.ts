// The one door of the embedded stack, on the Supabase CLI's port: unmodified supabase-js talks to it as
// to a hosted project. It makes out who calls, counts the requests of API keys, and hands each request
// to PostgREST, Auth, Storage or the live channel.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import postgres from 'postgres';
import { startAuth } from './auth.ts';
import type { Mail } from './auth-mail.ts';
import { BodyTooLarge, listen, sendJson, urlOf } from './http.ts';
import { type ApiRole, type Caller, signToken } from './jwt.ts';
import { startLive } from './live.ts';
import { Unavailable, createRest } from './rest.ts';
import { startStorage } from './storage.ts';

const ROLE_TOKEN_SECONDS = 60;
const API_KEY_PREFIX_LENGTH = 12;

/** What a browser opens by following a link or showing a picture, so without headers of ours. */
const OPEN_REQUESTS = [
  /^GET \/auth\/v1\/(verify|callback|authorize|\.well-known\/.*)$/,
  /^(GET|HEAD) \/storage\/v1\/object\/(info\/)?(public|sign)\//,
  /^PUT \/storage\/v1\/object\/upload\/sign\//,
];

/** What scripts of other origins may read of an answer. */
const EXPOSED_HEADERS = [
  ...['content-range', 'content-location', 'content-profile', 'content-length', 'location'],
  ...['preference-applied', 'range-unit', 'retry-after', 'etag', 'x-request-id'],
  ...['x-sb-error-code', 'x-supabase-api-version', 'sb-auth-session-id'],
].join(', ');

export type GatewayOptions = {
  port: number;
  /** PostgREST, e.g. http://127.0.0.1:41234. */
  restUrl: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
  /** As the roles postgres, supabase_auth_admin, supabase_storage_admin and supabase_realtime_admin. */
  databaseUrls: { postgres: string; auth: string; storage: string; realtime: string };
  /** Where uploaded files are kept; made when missing. */
  storageDir: string;
  /** The web app, where e-mail links end. */
  siteUrl: string;
  redirectUrls?: string[];
  confirmEmail?: boolean;
  sendMail: (mail: Mail) => Promise<void>;
  /** Believe the last address in X-Forwarded-For: only behind a reverse proxy that sets it. */
  trustProxy?: boolean;
  log?: (line: string) => void;
};

export type Gateway = { url: string; close(): Promise<void> };

/** Starts the gateway. Rejects with `EADDRINUSE` when the port is taken. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { jwtSecret, databaseUrls } = options;
  const log = options.log ?? (() => {});
  const listening = await listen(options.port, (request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, error));
  });
  listening.server.on('upgrade', upgrade);

  const sql = postgres(databaseUrls.postgres, {
    max: 4,
    onnotice() {},
    connection: { application_name: 'gateway' },
  });
  const rest = createRest(options.restUrl);
  const auth = startAuth({
    databaseUrl: databaseUrls.auth,
    jwtSecret,
    apiUrl: listening.url,
    siteUrl: options.siteUrl,
    redirectUrls: options.redirectUrls ?? [],
    confirmEmail: options.confirmEmail ?? false,
    sendMail: options.sendMail,
  });
  const live = startLive({ databaseUrl: databaseUrls.realtime, jwtSecret, roleOfKey, log });
  const storage = startStorage({
    databaseUrl: databaseUrls.storage,
    jwtSecret,
    dir: options.storageDir,
    log,
  });
  await live.ready;

  return {
    url: listening.url,
    async close() {
      // Open channels would keep the server from closing.
      await live.close();
      await listening.close();
      rest.close();
      await Promise.all([auth.close(), storage.close(), sql.end({ timeout: 1 })]);
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    response.setHeader('x-request-id', requestId);
    setCors(request, response);
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }

    const url = urlOf(request);
    const service = /^\/(rest|auth|storage|realtime|functions|graphql)\/v1(?:\/|$)/.exec(
      url.pathname,
    )?.[1];
    if (service === undefined) return notFound(response, 'There is nothing at this address.');
    if (service === 'functions') return notFound(response, 'This server runs no Edge Functions.');
    if (service === 'graphql') return notFound(response, 'This server offers no GraphQL.');

    const caller = identify(request, url);
    if ('refusal' in caller) return sendJson(response, 401, caller.refusal);
    const ip = addressOf(request);
    if (service === 'auth') return auth.handle(request, response, caller, ip);
    if (service === 'storage') return storage.handle(request, response, caller);
    if (service === 'realtime') return live.handle(request, response, caller);

    const wait = await secondsToWait(header(request, 'x-api-key'));
    if (wait !== null) return sendJson(response, 429, rateLimited(wait), retryAfter(wait));
    await rest.handle(request, response, url, {
      // What PostgREST believes: made anew for each request, and void a minute later.
      authorization: `Bearer ${caller.userToken ?? roleToken(caller.keyRole)}`,
      'x-forwarded-for': ip,
      'x-request-id': requestId,
    });
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const url = urlOf(request);
    const caller = identify(request, url);
    if (url.pathname !== '/realtime/v1/websocket') socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    else if ('refusal' in caller) socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    else live.connect(request, socket, head, caller);
  }

  /**
   * Reads the API key and the token of a request, as Supabase's gateway does. supabase-js sends its key
   * as a Bearer token too while nobody is signed in: that is no user's token. One of our own API keys
   * (x-api-key) needs no other; what it may do, the database decides.
   */
  function identify(request: IncomingMessage, url: URL): Caller | { refusal: Refusal } {
    const bearer = /^Bearer (\S+)$/i.exec(header(request, 'authorization') ?? '')?.[1] ?? null;
    const userToken = bearer === null || bearer.startsWith('sb_') ? null : bearer;
    const key = header(request, 'apikey') ?? url.searchParams.get('apikey');
    const keyRole = key === null ? null : roleOfKey(key);
    if (keyRole === 'service_role' && /mozilla\//i.test(header(request, 'user-agent') ?? '')) {
      return { refusal: SECRET_IN_BROWSER };
    }
    if (keyRole !== null) return { keyRole, userToken };
    if (key === null && header(request, 'x-api-key') !== null)
      return { keyRole: 'anon', userToken };
    const isOpen = OPEN_REQUESTS.some((open) => open.test(`${request.method} ${url.pathname}`));
    if (isOpen) return { keyRole: 'anon', userToken: null };
    return { refusal: key === null ? NO_KEY : UNKNOWN_KEY };
  }

  function roleOfKey(key: string): ApiRole | null {
    if (same(key, options.publishableKey)) return 'anon';
    return same(key, options.secretKey) ? 'service_role' : null;
  }

  function roleToken(role: ApiRole): string {
    return signToken({ iss: 'supabase', role }, jwtSecret, ROLE_TOKEN_SECONDS);
  }

  function addressOf(request: IncomingMessage): string {
    const socket = request.socket.remoteAddress ?? '';
    if (!options.trustProxy) return socket;
    const last = header(request, 'x-forwarded-for')?.split(',').at(-1)?.trim() ?? '';
    return isIP(last) ? last : socket;
  }

  /**
   * Counts a request made with one of our own API keys: null when it may go on, else how long its
   * holder has to wait. Before the migrations have run there are no such keys and nothing to count.
   */
  async function secondsToWait(apiKey: string | null): Promise<number | null> {
    if (apiKey === null) return null;
    const prefix = apiKey.slice(0, API_KEY_PREFIX_LENGTH);
    const hash = createHash('sha256').update(apiKey).digest();
    try {
      const [row] = await sql<{ allowed: boolean; retry_after: number }[]>`
        select allowed, retry_after from private.count_api_request(${prefix}, ${hash})`;
      return row && !row.allowed ? Math.max(1, row.retry_after) : null;
    } catch (error) {
      if (error instanceof postgres.PostgresError && NOT_THERE.has(error.code)) return null;
      throw error;
    }
  }

  function fail(response: ServerResponse, error: unknown): void {
    if (response.writableEnded || response.destroyed) return;
    if (error instanceof BodyTooLarge) {
      const hint = 'Send less at once; files belong into Storage.';
      sendJson(response, 413, refusal('body_too_large', 'The request is too large.', hint));
    } else if (error instanceof Unavailable || isLostConnection(error)) {
      const message = 'The server is starting or restarting.';
      sendJson(response, 503, refusal('unavailable', message, 'Try again.'), retryAfter(1));
    } else {
      log(`gateway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      const hint = 'Try again; the log of the server says what happened.';
      sendJson(response, 500, refusal('internal_error', 'The server failed.', hint));
    }
  }
}

type Refusal = { message: string; hint: string };
const NO_KEY: Refusal = {
  message: 'No API key found in request',
  hint: 'No `apikey` request header or url param was found.',
};
const UNKNOWN_KEY: Refusal = {
  message: 'Invalid API key',
  hint: 'Double check the publishable or secret API key.',
};
const SECRET_IN_BROWSER: Refusal = {
  message: 'Forbidden use of secret API key in browser',
  hint: 'Secret API keys belong on servers; use the publishable key in browsers.',
};

/** A refusal of ours, in the shape of PostgREST's own, which supabase-js hands on as they are. */
const refusal = (code: string, message: string, hint: string) => ({
  code,
  message,
  details: code,
  hint,
});
const rateLimited = (seconds: number) =>
  refusal(
    'rate_limited',
    'This API key has used up its requests of this minute.',
    `Wait ${seconds} seconds.`,
  );
const retryAfter = (seconds: number) => ({ 'retry-after': String(seconds) });

/** Undefined function, and no such schema. */
const NOT_THERE = new Set(['42883', '3F000']);

function isLostConnection(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  // postgres.js names lost connections; class 57P is a server that shuts down or starts.
  return typeof code === 'string' && /^(ECONN|EPIPE|CONNECTION_|CONNECT_|57P0)/.test(code);
}

function setCors(request: IncomingMessage, response: ServerResponse): void {
  const asked = header(request, 'access-control-request-headers');
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
  if (request.method !== 'OPTIONS') return;
  response.setHeader('access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE');
  response.setHeader('access-control-allow-headers', asked ?? '*');
  response.setHeader('access-control-max-age', '3600');
}

function notFound(response: ServerResponse, message: string): void {
  sendJson(response, 404, refusal('not_found', message, 'Check the address.'));
}

function header(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Compares secrets in constant time. */
function same(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
