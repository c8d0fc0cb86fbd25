// The Auth server: Supabase Lite's App behind the gateway's /auth/v1. Around it stands what a hosted
// project's Auth does and Lite does not: bans, redirects and PKCE of e-mail links, rate limits, and the
// device noted with each session.

import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import { App } from '@supabase/lite';
import { type PostgresConnection, createPostgresConnection } from '@supabase/lite/postgres';
import { type Mail, createAuthMailer, mailRequest } from './auth-mail.ts';
import { readBody, sendJson, sendResponse, toRequest, urlOf } from './http.ts';
import { type Caller, verifyToken } from './jwt.ts';
import { RateLimit } from './rate-limit.ts';

const MAX_BODY_BYTES = 256 * 1024;
const JWT_SECONDS = 3600;
const FIVE_MINUTES = 300;

export type AuthOptions = {
  /** Connects as supabase_auth_admin, which is no superuser. */
  databaseUrl: string;
  jwtSecret: string;
  /** Where the gateway is reached: e-mail links start with it. */
  apiUrl: string;
  /** The web app, where e-mail links end. */
  siteUrl: string;
  /** Further targets that links may end at, with Supabase's wildcards. */
  redirectUrls?: string[];
  /** Whether a sign-up must confirm its e-mail address before it is signed in. */
  confirmEmail?: boolean;
  sendMail: (mail: Mail) => Promise<void>;
};

export type Auth = {
  /** Answers a request under /auth/v1; `ip` is the caller's address as the gateway knows it. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    ip: string,
  ): Promise<void>;
  close(): Promise<void>;
};

/**
 * Makes the tables of schema `auth`, or adds what a newer Lite needs. Lite's auth.uid() and its
 * siblings read a setting that PostgREST never sets, so Supabase's own are put back at once.
 */
export async function prepareAuthSchema(databaseUrl: string): Promise<void> {
  const connection = connect(databaseUrl, 'auth');
  try {
    const app = new App({
      connection,
      auth: { enabled: true, jwt_secret: 'not used to make tables' },
      storage: { enabled: false },
      studio: { enabled: false },
      db: { driver: 'postgres', migrations: { enabled: false } },
    });
    await app.ensureSystemSchema();
    await connection.driver.unsafe(await authFunctions());
    // Lite goes on when a statement fails; a missing table would show only at the first sign-up.
    await connection.driver`select 'auth.users'::regclass, 'auth.sessions'::regclass, 'auth.flow_state'::regclass`;
  } finally {
    await connection.close();
  }
}

/** Starts the Auth server on a database whose schema `auth` is there already. */
export function startAuth(options: AuthOptions): Auth {
  const connection = connect(options.databaseUrl, 'auth');
  const sql = connection.driver;
  const app = new App({
    connection,
    api: { external_url: options.apiUrl },
    auth: {
      enabled: true,
      jwt_secret: options.jwtSecret,
      jwt_expiry: JWT_SECONDS,
      site_url: options.siteUrl,
      additional_redirect_urls: options.redirectUrls ?? [],
      minimum_password_length: 8,
      enable_refresh_token_rotation: true,
      email: {
        enable_confirmations: options.confirmEmail ?? false,
        // With two confirmations Lite never asks the new mailbox, so that anyone could claim an address.
        double_confirm_changes: false,
        // A link's token is a hash of address and code: longer codes keep it out of reach of guessing.
        otp_length: 8,
        otp_expiry: 3600,
      },
    },
    storage: { enabled: false },
    studio: { enabled: false },
    db: { driver: 'postgres', migrations: { enabled: false } },
  });
  app._mailer = createAuthMailer(options.apiUrl, options.siteUrl, options.sendMail);

  const limits = {
    passwords: new RateLimit(600, FIVE_MINUTES),
    wrongPasswords: new RateLimit(10, FIVE_MINUTES),
    wrongCodes: new RateLimit(30, FIVE_MINUTES),
    mails: new RateLimit(10, FIVE_MINUTES),
  };

  return { handle, close: () => connection.close() };

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    ip: string,
  ): Promise<void> {
    const url = urlOf(request);
    // Lite decodes paths and answers HEAD like GET; what guards its routes must not be talked past.
    if (url.pathname.includes('%')) return refuse(response, 404, 'not_found', 'Not found');
    if (url.pathname.startsWith('/auth/v1/admin/')) {
      return refuse(response, 404, 'not_found', 'This server offers no admin API.');
    }
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const route = `${method} ${url.pathname.replace(/^\/auth\/v1/, '')}`;
    const body = await readBody(request, MAX_BODY_BYTES);
    const fields = parseFields(body);
    const email = text(fields['email'])?.trim().toLowerCase() ?? '';

    const wait = secondsToWait(route, url, ip, email);
    if (wait > 0) {
      refuse(response, 429, 'over_request_rate_limit', 'Too many attempts. Wait and try again.', {
        'retry-after': String(wait),
      });
      return;
    }

    // supabase-js calls the link types of sign-up and sign-in 'email'; Lite knows them by their old name.
    const renamed = route === 'POST /verify' && fields['type'] === 'email';
    const forwarded = toRequest(
      request,
      renamed ? Buffer.from(JSON.stringify({ ...fields, type: 'magiclink' })) : body,
      options.apiUrl,
    );
    // Lite knows users' tokens only; an API key says nothing about a user.
    forwarded.headers.delete('apikey');
    forwarded.headers.delete('authorization');
    if (caller.userToken !== null)
      forwarded.headers.set('authorization', `Bearer ${caller.userToken}`);
    // Fails as a lost connection, which the gateway answers with 503; Lite would make it a 500.
    await sql`select 1`;
    const answer = await mailRequest.run(
      {
        redirectTo: url.searchParams.get('redirect_to'),
        codeChallenge: text(fields['code_challenge']),
        codeChallengeMethod: text(fields['code_challenge_method'])?.toLowerCase() ?? 's256',
      },
      () => app.fetch(forwarded, { peerAddress: ip }),
    );
    countFailure(route, url, ip, email, answer);

    // The database may still go away in the middle, and a client that hears 500 when it refreshes its
    // token forgets its session.
    if (route === 'POST /token' && answer.status >= 500) {
      const retry = { 'retry-after': '1' };
      refuse(response, 503, 'unavailable', 'The server is starting or restarting.', retry);
    } else if (route === 'GET /verify') await finishLink(request, response, answer, url, ip);
    else await finish(request, response, answer, ip);
  }

  /** Hands the answer on; when it opens or extends a session, only if its user is not banned. */
  async function finish(
    request: IncomingMessage,
    response: ServerResponse,
    answer: Response,
    ip: string,
  ): Promise<void> {
    const userId = answer.headers.get('sb-auth-user-id');
    const sessionId = answer.headers.get('sb-auth-session-id');
    if (answer.ok && userId && sessionId && !(await admit(userId, sessionId, request, ip))) {
      refuse(response, 400, 'user_banned', 'User is banned');
      return;
    }
    await sendResponse(response, answer);
  }

  /**
   * The end of an e-mail link. Lite always puts the tokens into the redirect's fragment. A client that
   * asked with a code challenge (PKCE, as every @supabase/ssr client does) gets a one-time code for
   * them instead, which only its own verifier redeems.
   */
  async function finishLink(
    request: IncomingMessage,
    response: ServerResponse,
    answer: Response,
    url: URL,
    ip: string,
  ): Promise<void> {
    const location = answer.headers.get('location');
    if (location === null) return sendResponse(response, answer);

    const target = new URL(location);
    const challenge = url.searchParams.get('code_challenge');
    let outcome = new URLSearchParams(target.hash.slice(1));
    const claims = verifyToken(outcome.get('access_token') ?? '', options.jwtSecret);
    if (claims !== null) {
      const [userId, sessionId] = [String(claims['sub']), String(claims['session_id'])];
      if (!(await admit(userId, sessionId, request, ip))) outcome = new URLSearchParams(BANNED);
      else if (challenge !== null) {
        const code = await exchangeForCode(userId, sessionId, challenge, url.searchParams);
        outcome = new URLSearchParams({ code });
      }
    }
    target.hash = challenge === null ? outcome.toString() : '';
    if (challenge !== null)
      for (const [name, value] of outcome) target.searchParams.set(name, value);
    response.writeHead(303, { location: target.href, 'cache-control': 'no-store' }).end();
  }

  /** Replaces a session that a link has just opened by a code; redeeming it opens the session anew. */
  async function exchangeForCode(
    userId: string,
    sessionId: string,
    challenge: string,
    link: URLSearchParams,
  ): Promise<string> {
    const method = link.get('code_challenge_method') === 'plain' ? 'plain' : 's256';
    const code = randomUUID();
    await sql.begin(async (tx) => {
      await tx`delete from auth.sessions where id = ${sessionId}`;
      await tx`delete from auth.flow_state where created_at < now() - interval '1 day'`;
      await tx`
        insert into auth.flow_state (id, user_id, auth_code, auth_code_issued_at, authentication_method,
          provider_type, code_challenge, code_challenge_method)
        values (${randomUUID()}, ${userId}, ${code}, now(), ${link.get('type') ?? ''}, 'email',
          ${challenge}, ${method})`;
    });
    return code;
  }

  /** Whether this user may hold a session: ends all of them when banned, else notes the device. */
  async function admit(
    userId: string,
    sessionId: string,
    request: IncomingMessage,
    ip: string,
  ): Promise<boolean> {
    const [user] = await sql`
      select coalesce(banned_until > now(), false) as is_banned from auth.users where id = ${userId}`;
    if (!user || user['is_banned']) {
      await sql`delete from auth.sessions where user_id = ${userId}`;
      return false;
    }
    await sql`
      update auth.sessions set user_agent = ${request.headers['user-agent'] ?? null}, ip = ${ip}, aal = 'aal1'
      where id = ${sessionId}`;
    return true;
  }

  function secondsToWait(route: string, url: URL, ip: string, email: string): number {
    switch (route) {
      case 'POST /token':
        if (url.searchParams.get('grant_type') !== 'password') return 0;
        return limits.wrongPasswords.spent(`${ip} ${email}`) || limits.passwords.take(ip);
      case 'POST /signup':
        return limits.passwords.take(ip);
      case 'POST /verify':
      case 'GET /verify':
        return limits.wrongCodes.spent(ip);
      case 'POST /recover':
      case 'POST /otp':
      case 'POST /magiclink':
      case 'POST /resend':
        return limits.mails.take(email);
      case 'PUT /user':
        return email === '' ? 0 : limits.mails.take(email);
      default:
        return 0;
    }
  }

  function countFailure(
    route: string,
    url: URL,
    ip: string,
    email: string,
    answer: Response,
  ): void {
    // A link that fails is a redirect too: its error stands in the target.
    const failed =
      answer.status >= 400 || (answer.headers.get('location') ?? '').includes('#error=');
    if (!failed) return;
    if (route === 'POST /token' && url.searchParams.get('grant_type') === 'password') {
      limits.wrongPasswords.count(`${ip} ${email}`);
    }
    if (route.endsWith(' /verify')) limits.wrongCodes.count(ip);
  }
}

/** How a link of an e-mail tells the site that its reader is shut out. */
const BANNED = {
  error: 'access_denied',
  error_code: 'user_banned',
  error_description: 'User is banned',
};

/**
 * Lite hands JSON over as text, and its driver would encode that text once more: people's metadata
 * would stand in the database as a JSON string instead of an object.
 */
const JSON_ONCE = {
  to: 3802,
  from: [3802],
  serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
  parse: (text: string) => JSON.parse(text) as unknown,
};

/**
 * Lite's connection. Without the assignment its first request looks whether the database has policies
 * and then grants everything on every schema to the API roles; 'active' means that it has looked.
 */
export function connect(databaseUrl: string, name: string): PostgresConnection {
  const connection = createPostgresConnection({
    url: databaseUrl,
    postgresOptions: {
      max: 5,
      onnotice() {},
      connection: { application_name: name },
      types: { jsonb: JSON_ONCE },
    },
  });
  return Object.assign(connection, { rlsState: 'active' });
}

async function authFunctions(): Promise<string> {
  const file = await readFile(new URL('supabase.sql', import.meta.url), 'utf8');
  const section = /-- section: auth functions\n([\s\S]*?)-- end of section/.exec(file)?.[1];
  if (!section) throw new Error('src/stack/supabase.sql has lost its section "auth functions".');
  return section;
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  sendJson(
    response,
    status,
    { code: status, error_code: code, msg: message },
    { 'x-sb-error-code': code, ...headers },
  );
}

function parseFields(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
