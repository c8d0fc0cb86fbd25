// The one door of the embedded stack, on the Supabase CLI's port: unmodified supabase-js talks to it as
// to a hosted project. It knows who calls (API keys), passes the data API on to PostgREST, and hands
// the rest to Auth, Storage and the live channel.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import {
  Agent,
  type IncomingMessage,
  type ServerResponse,
  request as httpRequest,
} from 'node:http';
import { isIP } from 'node:net';
import { Transform, pipeline } from 'node:stream';
import postgres from 'postgres';
import { type Auth, startAuth } from './auth.ts';
import type { Mail } from './auth-mail.ts';
import { BodyTooLarge, listen, sendJson } from './http.ts';
import { type ApiRole, type Caller, signToken } from './jwt.ts';
import { startLive } from './live.ts';

const MAX_REST_BODY_BYTES = 32 * 1024 * 1024;
const UPSTREAM_TIMEOUT_MS = 65_000;
const ROLE_TOKEN_SECONDS = 60;

/** Paths of Auth that a browser opens by following a link, so without headers of ours. */
const PATHS_WITHOUT_KEY = /^\/auth\/v1\/(verify|callback|authorize|\.well-known\/.*)$/;

/** Headers that end at the gateway: of one connection only, or never to be believed from outside. */
const HEADERS_NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  'cookie',
  'apikey',
  'authorization',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
]);

const EXPOSED_HEADERS = [
  'content-range',
  'content-location',
  'content-profile',
  'content-length',
  'location',
  'preference-applied',
  'range-unit',
  'retry-after',
  'etag',
  'x-request-id',
  'x-sb-error-code',
  'x-supabase-api-version',
  'sb-auth-session-id',
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
  const log = options.log ?? (() => {});
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  const sql = postgres(options.databaseUrls.postgres, {
    max: 4,
    onnotice() {},
    connection: { application_name: 'gateway' },
  });
  const restUrl = new URL(options.restUrl);

  const listening = await listen(options.port, (request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, error));
  });
  const auth: Auth = startAuth({
    databaseUrl: options.databaseUrls.auth,
    jwtSecret: options.jwtSecret,
    apiUrl: listening.url,
    siteUrl: options.siteUrl,
    redirectUrls: options.redirectUrls ?? [],
    confirmEmail: options.confirmEmail ?? false,
    sendMail: options.sendMail,
  });
  const live = startLive({
    databaseUrl: options.databaseUrls.realtime,
    jwtSecret: options.jwtSecret,
    roleOfKey,
    log,
  });
  listening.server.on('upgrade', (request, socket, head) => {
    const caller = identify(request);
    const path = new URL(request.url ?? '/', listening.url).pathname;
    if (path !== '/realtime/v1/websocket') socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    else if ('message' in caller) socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    else live.connect(request, socket, head, caller);
  });

  return {
    url: listening.url,
    async close() {
      // Open sockets would keep the server from closing.
      await live.close();
      await listening.close();
      agent.destroy();
      await Promise.all([auth.close(), sql.end({ timeout: 1 })]);
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    setCors(request, response);
    response.setHeader('x-request-id', requestId);
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }

    const path = new URL(request.url ?? '/', listening.url).pathname;
    const service = /^\/(rest|auth|storage|realtime|functions|graphql)\/v1(?:\/|$)/.exec(path)?.[1];
    if (service === undefined) return notFound(response, 'There is nothing at this address.');
    if (service === 'functions') return notFound(response, 'This server runs no Edge Functions.');
    if (service === 'graphql')
      return notFound(response, 'This server offers no GraphQL. Use /rest/v1.');

    const caller = PATHS_WITHOUT_KEY.test(path) ? STRANGER : identify(request);
    if ('message' in caller) {
      sendJson(response, 401, caller);
      return;
    }
    if (service === 'auth') return auth.handle(request, response, caller, clientAddress(request));
    if (service === 'realtime') return live.handle(request, response, caller);
    return rest(request, response, caller, requestId);
  }

  /** Passes a request on to PostgREST, as a stream in both directions. */
  async function rest(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    requestId: string,
  ): Promise<void> {
    const apiKey = request.headers['x-api-key'];
    if (typeof apiKey === 'string' && apiKey !== '') {
      const wait = await countApiRequest(sql, apiKey);
      if (wait !== null) {
        sendJson(
          response,
          429,
          {
            code: 'rate_limited',
            message: 'This API key has used up its requests of this minute.',
            details: 'rate_limited',
            hint: `Wait ${wait} seconds.`,
          },
          { 'retry-after': String(wait) },
        );
        return;
      }
    }

    const length = Number(request.headers['content-length'] ?? 0);
    if (length > MAX_REST_BODY_BYTES) throw new BodyTooLarge();
    const hasBody = length > 0 || request.headers['transfer-encoding'] !== undefined;
    const headers: Record<string, string | string[]> = {
      authorization: `Bearer ${caller.userToken ?? roleToken(caller.keyRole)}`,
      'x-forwarded-for': clientAddress(request),
      'x-request-id': requestId,
    };
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined && !HEADERS_NOT_FORWARDED.has(name)) headers[name] = value;
    }

    await new Promise<void>((resolve, reject) => {
      const send = (mayRetry: boolean): void => {
        const upstream = httpRequest(
          {
            agent,
            host: restUrl.hostname,
            port: restUrl.port,
            method: request.method,
            path: (request.url ?? '')
              .replace(/^\/rest\/v1\/?/, '/')
              .replace(/([?&])apikey=[^&]*&?/, '$1'),
            headers,
            timeout: UPSTREAM_TIMEOUT_MS,
          },
          (reply) => {
            for (const [name, value] of Object.entries(reply.headers)) {
              if (
                value !== undefined &&
                !HEADERS_NOT_FORWARDED.has(name) &&
                !name.startsWith('access-control-')
              ) {
                response.setHeader(name, value);
              }
            }
            response.writeHead(reply.statusCode ?? 502);
            pipeline(reply, response, (error) => (error ? reject(error) : resolve()));
          },
        );
        upstream.on('timeout', () =>
          upstream.destroy(new Error('PostgREST did not answer in time')),
        );
        upstream.on('error', (error) => {
          // A kept-alive connection may have died unseen, with PostgREST itself: once more on a new one.
          if (mayRetry && upstream.reusedSocket && !response.headersSent) send(false);
          else reject(new Unavailable(error));
        });
        response.once('close', () => upstream.destroy());
        if (hasBody)
          pipeline(
            request,
            limited(MAX_REST_BODY_BYTES),
            upstream,
            (error) => error && reject(error),
          );
        else upstream.end();
      };
      send(!hasBody && (request.method === 'GET' || request.method === 'HEAD'));
    });
  }

  /**
   * Reads the API key and the token of a request, as Supabase's gateway does. supabase-js sends its key
   * as a Bearer token too while nobody is signed in: that is no user's token. One of our own API keys
   * (x-api-key) needs no other; what it may do, the database decides.
   */
  function identify(request: IncomingMessage): Caller | Refusal {
    const key =
      header(request, 'apikey') ??
      new URL(request.url ?? '/', listening.url).searchParams.get('apikey');
    const keyRole =
      key !== null ? roleOfKey(key) : header(request, 'x-api-key') !== null ? 'anon' : null;
    if (keyRole === null) return key === null ? NO_KEY : UNKNOWN_KEY;
    if (keyRole === 'service_role' && /mozilla\//i.test(header(request, 'user-agent') ?? ''))
      return SECRET_IN_BROWSER;
    const bearer = /^Bearer (\S+)$/i.exec(header(request, 'authorization') ?? '')?.[1];
    return { keyRole, userToken: bearer === undefined || bearer.startsWith('sb_') ? null : bearer };
  }

  function roleOfKey(key: string): ApiRole | null {
    if (same(key, options.publishableKey)) return 'anon';
    return same(key, options.secretKey) ? 'service_role' : null;
  }

  /** What PostgREST believes, made anew for each request and gone a minute later. */
  function roleToken(role: ApiRole): string {
    return signToken({ iss: 'supabase', role }, options.jwtSecret, ROLE_TOKEN_SECONDS);
  }

  function clientAddress(request: IncomingMessage): string {
    const socket = request.socket.remoteAddress ?? '';
    if (!options.trustProxy) return socket;
    const last = header(request, 'x-forwarded-for')?.split(',').at(-1)?.trim() ?? '';
    return isIP(last) ? last : socket;
  }

  function fail(response: ServerResponse, error: unknown): void {
    if (response.writableEnded || response.destroyed) return;
    if (error instanceof BodyTooLarge) {
      sendJson(
        response,
        413,
        { code: 'body_too_large', message: 'The request is too large.' },
        { connection: 'close' },
      );
    } else if (error instanceof Unavailable || isConnectionError(error)) {
      sendJson(
        response,
        503,
        {
          code: 'unavailable',
          message: 'The server is starting or restarting.',
          details: 'unavailable',
          hint: 'Try again in a second.',
        },
        { 'retry-after': '1' },
      );
    } else {
      log(`gateway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      sendJson(response, 500, {
        code: 'internal_error',
        message: 'The gateway failed.',
        details: 'internal_error',
      });
    }
  }
}

/**
 * Counts a request made with one of our own API keys. Answers null when it may go on, else the seconds
 * to wait. Before the migrations have run there are no such keys and nothing to count.
 */
async function countApiRequest(sql: postgres.Sql, apiKey: string): Promise<number | null> {
  const hash = createHash('sha256').update(apiKey).digest();
  try {
    const [row] = await sql<{ allowed: boolean; retry_after: number }[]>`
      select allowed, retry_after from private.count_api_request(${apiKey.slice(0, 12)}, ${hash})`;
    return row && !row.allowed ? Math.max(1, row.retry_after) : null;
  } catch (error) {
    if (error instanceof postgres.PostgresError && ['42883', '3F000'].includes(error.code))
      return null;
    throw error;
  }
}

/** Somebody who follows a link of an e-mail. */
const STRANGER: Caller = { keyRole: 'anon', userToken: null };

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

/** A part behind the gateway did not answer. */
class Unavailable extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  // postgres.js names lost connections; class 57P is a server that shuts down or starts.
  return typeof code === 'string' && /^(ECONN|EPIPE|CONNECTION_|CONNECT_|57P0)/.test(code);
}

function setCors(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
  if (request.method !== 'OPTIONS') return;
  response.setHeader(
    'access-control-allow-methods',
    'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
  );
  response.setHeader(
    'access-control-allow-headers',
    header(request, 'access-control-request-headers') ?? '*',
  );
  response.setHeader('access-control-max-age', '3600');
}

function limited(limit: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > limit) done(new BodyTooLarge());
      else done(null, chunk);
    },
  });
}

function notFound(response: ServerResponse, message: string): void {
  sendJson(response, 404, { code: 'not_found', message });
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
