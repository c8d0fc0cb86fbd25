import { randomUUID } from 'node:crypto';
import { createServerClient } from '@supabase/ssr';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { StoredMail } from '../../src/stack/mailbox.ts';
import { type Person, operator, signUp, visitor } from '../support/stack.ts';

// The site that the stack of the tests sends people back to.
const SITE = 'http://127.0.0.1:3000';
const sql = postgres(inject('databaseUrl'), { max: 2, onnotice() {} });
afterAll(() => sql.end());

describe('signing up', () => {
  it('signs in at once, with a confirmed address', async () => {
    const { data, error } = await visitor().auth.signUp({
      email: `Ada-${randomUUID()}@Example.com`,
      password: 'correct horse',
      options: { data: { full_name: 'Ada' } },
    });
    expect(error).toBeNull();
    expect(data.session?.expires_in).toBe(3600);
    expect(data.user).toMatchObject({ role: 'authenticated', user_metadata: { full_name: 'Ada' } });
    expect(data.user?.email).toMatch(/^ada-.*@example\.com$/);
    expect(data.user?.email_confirmed_at).toBeTruthy();
  });

  it('keeps what people say about themselves as an object, and names their profile by it', async () => {
    const { data } = await visitor().auth.signUp({
      email: `ada-${randomUUID()}@example.com`,
      password: 'correct horse',
      options: { data: { full_name: 'Ada "L"' } },
    });
    const [row] = await sql`
      select jsonb_typeof(u.raw_user_meta_data) as kind, p.full_name
      from auth.users as u join public.profiles as p on p.id = u.id
      where u.id = ${data.user!.id}`;
    expect(row).toEqual({ kind: 'object', full_name: 'Ada "L"' });
  });

  it('refuses an address that has an account, a short password and no address at all', async () => {
    const person = await signUp('taken');
    const attempt = async (email: string, password: string) =>
      (await visitor().auth.signUp({ email, password })).error?.code;
    expect(await attempt(person.email, 'correct horse')).toBe('user_already_exists');
    expect(await attempt(`${randomUUID()}@example.com`, 'short')).toBe('weak_password');
    expect(await attempt('nobody', 'correct horse')).toBe('validation_failed');
  });
});

describe('signing in and out', () => {
  it('refuses a wrong password and an unknown address alike', async () => {
    const person = await signUp('wrong');
    for (const email of [person.email, `${randomUUID()}@example.com`]) {
      const { error } = await visitor().auth.signInWithPassword({
        email,
        password: 'not this one',
      });
      expect(error).toMatchObject({ status: 400, code: 'invalid_credentials' });
    }
  });

  it('makes one wait after ten wrong passwords', async () => {
    const person = await signUp('guessed');
    const attempt = (password: string) =>
      visitor().auth.signInWithPassword({ email: person.email, password });
    for (let i = 0; i < 10; i++) await attempt(`guess number ${i}`);
    expect((await attempt(person.password)).error).toMatchObject({
      status: 429,
      code: 'over_request_rate_limit',
    });
  });

  it('notes the device with the session', async () => {
    const person = await signUp('device');
    const [session] =
      await sql`select user_agent, host(ip) as ip from auth.sessions where user_id = ${person.id}`;
    expect(session).toEqual({ user_agent: 'node', ip: '127.0.0.1' });
  });

  it('exchanges a refresh token once, and ends the session when an old one comes back', async () => {
    const { client } = await signUp('refresh');
    const first = (await client.auth.getSession()).data.session!;
    const second = (await client.auth.refreshSession()).data.session!;
    expect(second.refresh_token).not.toBe(first.refresh_token);
    await client.auth.refreshSession();
    const { error } = await visitor().auth.refreshSession({ refresh_token: first.refresh_token });
    expect(error).toMatchObject({ status: 400, code: 'refresh_token_already_used' });
    expect((await client.auth.refreshSession()).error).not.toBeNull();
  });

  it.each([
    ['local', false, true],
    ['others', true, false],
    ['global', false, false],
  ] as const)('signs out of %s sessions', async (scope, keepsOwn, keepsOther) => {
    const person = await signUp('leaving');
    const own = (await person.client.auth.getSession()).data.session!.refresh_token;
    const other = visitor();
    await other.auth.signInWithPassword(person);
    await person.client.auth.signOut({ scope });
    const works = async (refresh_token: string) =>
      (await visitor().auth.refreshSession({ refresh_token })).error === null;
    expect(await works(own)).toBe(keepsOwn);
    expect(await works((await other.auth.getSession()).data.session!.refresh_token)).toBe(
      keepsOther,
    );
  });

  it('refuses the access token of a session that has ended', async () => {
    const person = await signUp('ended');
    const token = (await person.client.auth.getSession()).data.session!.access_token;
    await person.client.auth.signOut();
    expect((await visitor().auth.getUser(token)).error?.name).toBe('AuthSessionMissingError');
  });
});

describe('a password reset', () => {
  let person: Person;
  beforeAll(async () => {
    person = await signUp('forgetful');
  });

  it('comes by e-mail and leads back to the site, signed in', async () => {
    await visitor().auth.resetPasswordForEmail(person.email, {
      redirectTo: `${SITE}/new-password`,
    });
    const target = await follow(await linkFor(person.email));
    expect(target.origin + target.pathname).toBe(`${SITE}/new-password`);
    const fragment = new URLSearchParams(target.hash.slice(1));
    expect(fragment.get('type')).toBe('recovery');

    const client = visitor();
    await client.auth.setSession({
      access_token: fragment.get('access_token')!,
      refresh_token: fragment.get('refresh_token')!,
    });
    const password = randomUUID();
    expect((await client.auth.updateUser({ password })).error).toBeNull();
    const again = visitor().auth;
    expect((await again.signInWithPassword(person)).error?.code).toBe('invalid_credentials');
    expect((await again.signInWithPassword({ ...person, password })).error).toBeNull();
  });

  it('works once', async () => {
    await visitor().auth.resetPasswordForEmail(person.email);
    const link = await linkFor(person.email);
    await follow(link);
    expect((await follow(link)).hash).toContain('error_code=otp_expired');
  });

  it('works with the code from the e-mail, and with the token of its link', async () => {
    await visitor().auth.resetPasswordForEmail(person.email);
    const code = /Code: (\d{8})/.exec((await lastMail(person.email)).text)![1]!;
    const byCode = await visitor().auth.verifyOtp({
      email: person.email,
      token: code,
      type: 'recovery',
    });
    expect(byCode.data.user?.id).toBe(person.id);

    await visitor().auth.resetPasswordForEmail(person.email);
    const token_hash = new URL(await linkFor(person.email)).searchParams.get('token')!;
    const byToken = await visitor().auth.verifyOtp({ token_hash, type: 'email' });
    expect(byToken.data.user?.id).toBe(person.id);
  });

  it('gives a server-side app (PKCE) a code that only the browser which asked can redeem', async () => {
    const browser = appWithCookies();
    await browser.auth.resetPasswordForEmail(person.email, { redirectTo: `${SITE}/auth/callback` });
    const target = await follow(await linkFor(person.email));
    expect(target.hash).toBe('');
    const code = target.searchParams.get('code')!;
    expect((await appWithCookies().auth.exchangeCodeForSession(code)).error).not.toBeNull();
    const { data, error } = await browser.auth.exchangeCodeForSession(code);
    expect(error).toBeNull();
    expect(data.user?.id).toBe(person.id);
    expect((await browser.auth.getUser()).data.user?.id).toBe(person.id);
  });

  it('never leads to a foreign site', async () => {
    await visitor().auth.resetPasswordForEmail(person.email, {
      redirectTo: 'https://evil.example/',
    });
    expect((await follow(await linkFor(person.email))).origin).toBe(SITE);
  });

  it('says nothing about whether an address has an account', async () => {
    const email = `${randomUUID()}@example.com`;
    expect((await visitor().auth.resetPasswordForEmail(email)).error).toBeNull();
    expect(await mails(email)).toEqual([]);
  });
});

describe('changing an account', () => {
  it('keeps what people say about themselves', async () => {
    const { client } = await signUp('renamed');
    await client.auth.updateUser({ data: { theme: 'dark' } });
    expect((await client.auth.getUser()).data.user?.user_metadata).toMatchObject({ theme: 'dark' });
  });

  it('takes a new address only from whoever reads its mail', async () => {
    const person = await signUp('moving');
    const email = `${randomUUID()}@example.com`;
    await person.client.auth.updateUser({ email });
    expect((await person.client.auth.getUser()).data.user?.email).toBe(person.email);
    expect(await mails(person.email)).toEqual([]);
    await follow(await linkFor(email));
    expect((await person.client.auth.getUser()).data.user?.email).toBe(email);
  });
});

describe('a banned user', () => {
  it('neither signs in, nor stays signed in, nor comes back by e-mail', async () => {
    const person = await signUp('banned');
    const session = (await person.client.auth.getSession()).data.session!;
    await sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${person.id}`;

    const refreshed = await visitor().auth.refreshSession(session);
    expect(refreshed.error).toMatchObject({ status: 400, code: 'user_banned' });
    const signedIn = await visitor().auth.signInWithPassword(person);
    expect(signedIn.error).toMatchObject({ status: 400, code: 'user_banned' });
    await visitor().auth.resetPasswordForEmail(person.email);
    expect((await follow(await linkFor(person.email))).hash).toContain('error_code=user_banned');
    expect(await sql`select from auth.sessions where user_id = ${person.id}`).toHaveLength(0);

    await sql`update auth.users set banned_until = now() - interval '1 second' where id = ${person.id}`;
    expect((await visitor().auth.signInWithPassword(person)).error).toBeNull();
  });
});

describe('the guards around Auth', () => {
  it('are not talked past by another spelling of a path or another method', async () => {
    const person = await signUp('spelled');
    await visitor().auth.resetPasswordForEmail(person.email);
    await sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${person.id}`;
    const link = await linkFor(person.email);
    const headers = { apikey: inject('publishableKey') };
    const encoded = await fetch(link.replace('/verify', '/%76erify'), {
      headers,
      redirect: 'manual',
    });
    expect(encoded.status).toBe(404);
    const head = await fetch(link, { method: 'HEAD', headers, redirect: 'manual' });
    expect(head.headers.get('location')).toContain('error_code=user_banned');
  });

  it('leave no way to administer users', async () => {
    const { auth } = operator();
    expect((await auth.admin.listUsers()).error?.status).toBe(404);
    expect((await auth.admin.deleteUser(randomUUID())).error).not.toBeNull();
  });
});

describe('an app that renders on the server (@supabase/ssr)', () => {
  it('signs in on one request and is known on the next by its cookies', async () => {
    const person = await signUp('ssr');
    const cookies = new Map<string, string>();
    await appWithCookies(cookies).auth.signInWithPassword(person);
    const next = appWithCookies(cookies);
    expect((await next.auth.getUser()).data.user?.id).toBe(person.id);
    const { data } = await next.from('organizations').select('id');
    expect(data).toEqual([{ id: person.organizationId }]);
  });
});

describe('the database behind Auth', () => {
  it('knows the caller from the claims of the request', async () => {
    const claims = { sub: randomUUID(), role: 'authenticated', email: 'ada@example.com' };
    const [row] = await sql.begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      return tx`select auth.uid(), auth.role(), auth.email(), auth.jwt()`;
    });
    expect(row).toEqual({ uid: claims.sub, role: claims.role, email: claims.email, jwt: claims });
  });

  it('keeps its grants and default privileges when the table editor is used', async () => {
    const before = await privileges();
    const person = await signUp('studio');
    const rows = await fetch(`${inject('studioUrl')}/rest/v1/profiles?id=eq.${person.id}`);
    expect(await rows.json()).toMatchObject([{ id: person.id }]);
    await fetch(`${inject('studioUrl')}/_system/introspect`);
    expect(await privileges()).toEqual(before);
    expect(before.defaults.map((row) => row['acl']).join()).not.toMatch(/anon=/);
    expect(before.auth).toEqual(['postgres', 'supabase_auth_admin']);
  });

  async function privileges() {
    const defaults = await sql`
      select defaclrole::regrole::text as role, defaclobjtype as type, defaclacl::text as acl
      from pg_default_acl order by 1, 2, 3`;
    const tables = await sql`
      select oid::regclass::text as name, relacl::text as acl from pg_class
      where relnamespace in ('public'::regnamespace, 'auth'::regnamespace, 'storage'::regnamespace)
        and relkind in ('r', 'p', 'v', 'S') order by 1`;
    const auth = await sql`
      select distinct g.grantee::regrole::text as role
      from pg_class c, aclexplode(c.relacl) g
      where c.relnamespace = 'auth'::regnamespace order by 1`;
    return { defaults: [...defaults], tables: [...tables], auth: auth.map((row) => row['role']) };
  }
});

describe('the table editor', () => {
  const studio = inject('studioUrl');

  it('shows its page, and no connection string', async () => {
    expect(await (await fetch(studio)).text()).toContain('/static/assets/main-');
    const info = await (await fetch(`${studio}/_system/info`)).text();
    expect(info).not.toContain('postgres://');
  });

  it('refuses other pages of the same browser', async () => {
    const foreign: [string, string][] = [
      ['origin', 'https://evil.example'],
      ['sec-fetch-site', 'cross-site'],
    ];
    for (const [name, value] of foreign) {
      const response = await fetch(`${studio}/rest/v1/profiles`, { headers: { [name]: value } });
      expect(response.status).toBe(403);
    }
  });
});

describe('the mailbox', () => {
  it('shows an e-mail with its link, and none of its HTML as its own', async () => {
    const person = await signUp('reader');
    await visitor().auth.resetPasswordForEmail(person.email);
    const mail = await lastMail(person.email);
    expect(mail.subject).toBe('Reset your password');
    const response = await fetch(`${inject('mailUrl')}/messages/${mail.id}`);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const page = await response.text();
    expect(page).toContain('<a href="http://127.0.0.1:');
    expect(page).toContain('sandbox="allow-popups allow-popups-to-escape-sandbox"');
    const html = await fetch(`${inject('mailUrl')}/messages/${mail.id}/html`);
    expect(html.headers.get('content-security-policy')).toMatch(/^sandbox /);
  });

  it('keeps to its folder', async () => {
    const response = await fetch(`${inject('mailUrl')}/messages/..%2f..%2fsecrets`);
    expect(response.status).toBe(404);
  });
});

async function mails(to: string): Promise<StoredMail[]> {
  const response = await fetch(`${inject('mailUrl')}/api/messages?to=${encodeURIComponent(to)}`);
  return (await response.json()) as StoredMail[];
}

async function lastMail(to: string): Promise<StoredMail> {
  const [mail] = await mails(to);
  if (!mail) throw new Error(`There is no e-mail to ${to}.`);
  return mail;
}

async function linkFor(to: string): Promise<string> {
  return /https?:\S+/.exec((await lastMail(to)).text)![0];
}

/** Where a link of an e-mail sends the browser. */
async function follow(link: string): Promise<URL> {
  const response = await fetch(link, { redirect: 'manual' });
  expect(response.status).toBe(303);
  return new URL(response.headers.get('location')!);
}

/** supabase-js as a server has it, for the browser that holds these cookies. */
function appWithCookies(cookies = new Map<string, string>()) {
  return createServerClient(inject('supabaseUrl'), inject('publishableKey'), {
    cookies: {
      getAll: () => [...cookies].map(([name, value]) => ({ name, value })),
      setAll: (changed) => {
        for (const { name, value } of changed) cookies.set(name, value);
      },
    },
  });
}
