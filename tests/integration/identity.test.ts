import { createClient } from '@supabase/supabase-js';
import { createHmac, randomUUID } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import postgres from 'postgres';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { Database } from '../../src/lib/supabase/database.types.ts';
import { operator, signUp, visitor, type Client, type Person } from '../support/stack.ts';

/** Identity as people and programs meet it: through the gateway, PostgREST and the pre-request function. */
const sql = postgres(inject('databaseUrl'), { max: 2, onnotice: () => {} });
afterAll(() => sql.end());

describe('sessions', () => {
  it('a session that was revoked elsewhere is refused at its next request', async () => {
    const ada = await signUp('ada');
    const elsewhere = visitor();
    await elsewhere.auth.signInWithPassword({ email: ada.email, password: ada.password });
    const { data: sessions } = await ada.client.rpc('my_sessions').throwOnError();
    const other = sessions.find((session) => !session.is_current)!;

    await ada.client.rpc('revoke_session', { session_id: other.id }).throwOnError();

    expect(await codeOf(elsewhere.from('organizations').select())).toBe('session_ended');
    expect((await elsewhere.auth.refreshSession()).error).not.toBeNull();
    expect((await ada.client.from('organizations').select().throwOnError()).data).toHaveLength(1);
  });

  it('a token is refused once its person has signed out', async () => {
    const ada = await signUp('ada');
    const { data } = await ada.client.auth.getSession();
    await ada.client.auth.signOut();

    expect(await codeOf(bearer(data.session!.access_token).from('organizations').select())).toBe(
      'session_ended',
    );
  });

  it('deactivating a person ends every session, and signing in again does not help', async () => {
    const ada = await signUp('ada');

    await operator().from('profiles').update({ is_active: false }).eq('id', ada.id).throwOnError();

    expect(await codeOf(ada.client.from('organizations').select())).toBe('account_deactivated');
    const again = visitor();
    await again.auth.signInWithPassword({ email: ada.email, password: ada.password });
    const { data } = await again.from('organizations').select();
    expect(data ?? []).toEqual([]);

    await operator().from('profiles').update({ is_active: true }).eq('id', ada.id).throwOnError();
    await again.auth.signInWithPassword({ email: ada.email, password: ada.password });
    expect((await again.from('organizations').select().throwOnError()).data).toHaveLength(1);
  });
});

describe('tokens that nobody was given', () => {
  const hour = 3600;
  const now = () => Math.floor(Date.now() / 1000);

  it.each([
    ['signed with another secret', (claims: object) => jwt(claims, 'x'.repeat(40))],
    ['not signed at all', (claims: object) => jwt(claims, null)],
    ['expired', (claims: object) => jwt({ ...claims, exp: now() - hour }, inject('jwtSecret'))],
    [
      'without a session',
      (claims: object) => jwt({ ...claims, session_id: undefined }, inject('jwtSecret')),
    ],
    [
      'that claims to be an API key',
      (claims: object) => jwt({ ...claims, agentry_key: { scopes: [] } }, inject('jwtSecret')),
    ],
  ])('one %s is refused', async (_, forge) => {
    const ada = await signUp('ada');
    const { data } = await ada.client.auth.getClaims();

    const { status, data: rows } = await bearer(forge({ ...data!.claims, exp: now() + hour }))
      .from('organizations')
      .select();

    expect(status).toBe(401);
    expect(rows).toBeNull();
  });
});

describe('API keys', () => {
  it('act as their user, in their organization, within their scopes', async () => {
    const ada = await signUp('ada');
    const { data: team } = await ada.client
      .rpc('create_organization', { name: 'Team' })
      .throwOnError();
    const { program } = await createKey(ada, team.id, ['organization:read']);

    const { data } = await program.from('organizations').select('id').throwOnError();

    expect(data).toEqual([{ id: team.id }]);
    expect((await program.from('profiles').select().throwOnError()).data).toEqual([]);
    expect(await codeOf(program.rpc('my_account'))).toBe('not_with_api_key');
    const { data: renamed } = await program
      .from('organizations')
      .update({ name: 'Renamed' })
      .eq('id', team.id)
      .select();
    expect(renamed).toEqual([]);
  });

  it('a key that is wrong, revoked or sent along with a token is refused', async () => {
    const ada = await signUp('ada');
    const { id, key, program } = await createKey(ada, ada.organizationId, ['organization:read']);
    const { data } = await ada.client.auth.getSession();

    const both = createClient<Database>(inject('supabaseUrl'), inject('publishableKey'), {
      global: { headers: { 'x-api-key': key } },
      accessToken: async () => data.session!.access_token,
    });
    expect(await codeOf(both.from('organizations').select())).toBe('two_credentials');
    expect(await codeOf(withKey(key.replace(/.$/, '!')).from('profiles').select())).toBe(
      'api_key_invalid',
    );
    await ada.client.rpc('revoke_api_key', { api_key_id: id }).throwOnError();
    expect(await codeOf(program.from('organizations').select())).toBe('api_key_revoked');
  });

  it('the limit of a minute holds, says how long to wait and shows when the key was used', async () => {
    const ada = await signUp('ada');
    const { id, key } = await createKey(ada, ada.organizationId, ['organization:read'], 3);

    // More than two minutes' worth, so that a minute that ends meanwhile makes no difference.
    const statuses: number[] = [];
    let retryAfter: string | null = null;
    for (let n = 0; n < 8; n += 1) {
      const response = await fetch(`${inject('supabaseUrl')}/rest/v1/organizations`, {
        headers: { apikey: inject('publishableKey'), 'x-api-key': key },
      });
      statuses.push(response.status);
      retryAfter = response.headers.get('retry-after') ?? retryAfter;
    }

    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(Number(retryAfter)).toBeGreaterThan(0);
    const { data } = await ada.client
      .from('api_keys')
      .select('last_used_at')
      .eq('id', id)
      .single()
      .throwOnError();
    expect(data.last_used_at).not.toBeNull();
  });
});

describe('what the planner knows', () => {
  it.each(['planned', 'estimated'] as const)('%s counts are refused', async (count) => {
    const { error } = await visitor().from('profiles').select('*', { count });
    expect(error?.details).toBe('count_not_offered');
  });

  it('a second header does not hide the first', async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // Not fetch, which joins headers of one name before it sends them.
      get(`${inject('supabaseUrl')}/rest/v1/profiles`, {
        headers: {
          apikey: inject('publishableKey'),
          prefer: ['count=planned', 'return=minimal'],
        },
      })
        .on('response', resolve)
        .on('error', reject);
    });
    response.resume();
    expect(response.statusCode).toBe(400);
  });
});

describe('invitations', () => {
  it('an invited colleague joins with the token and is out as soon as they are removed', async () => {
    const [owner, colleague] = [await signUp('owner'), await signUp('colleague')];
    const { data: team } = await owner.client
      .rpc('create_organization', { name: `Team ${randomUUID()}` })
      .throwOnError();
    const { data: invitation } = await owner.client
      .rpc('invite_member', { organization_id: team.id, email: colleague.email, role: 'member' })
      .single()
      .throwOnError();

    await colleague.client.rpc('accept_invitation', { token: invitation.token }).throwOnError();
    const visible = () =>
      colleague.client.from('organizations').select('id').eq('id', team.id).throwOnError();
    expect((await visible()).data).toHaveLength(1);

    await owner.client
      .from('organization_members')
      .delete()
      .eq('organization_id', team.id)
      .eq('user_id', colleague.id)
      .throwOnError();
    expect((await visible()).data).toHaveLength(0);
  });
});

describe('leaving', () => {
  it('a deleted account cannot sign in, and its name is gone from what it leaves behind', async () => {
    const ada = await signUp('ada');

    await ada.client.rpc('delete_my_account').throwOnError();

    const again = await visitor().auth.signInWithPassword({
      email: ada.email,
      password: ada.password,
    });
    expect(again.error).not.toBeNull();
    const { data } = await visitor()
      .from('profiles')
      .select('username, full_name')
      .eq('id', ada.id)
      .single()
      .throwOnError();
    expect(data).toEqual({ username: `deleted~${ada.id}`, full_name: null });
  });

  it('an account that the operator deletes in Auth is anonymised as well', async () => {
    const ada = await signUp('ada');

    await sql`delete from auth.users where id = ${ada.id}`;

    expect(await codeOf(ada.client.from('organizations').select())).toBe('session_ended');
    const { data } = await visitor().from('profiles').select('username').eq('id', ada.id);
    expect(data).toEqual([{ username: `deleted~${ada.id}` }]);
  });
});

/** Our code of a refusal, as every client finds it: in `details`. */
async function codeOf(request: PromiseLike<{ error: { details: string } | null }>) {
  return (await request).error?.details;
}

async function createKey(person: Person, organizationId: string, scopes: string[], limit = 100) {
  const { data } = await person.client
    .rpc('create_api_key', {
      organization_id: organizationId,
      name: 'program',
      scopes,
      rate_limit: limit,
    })
    .single()
    .throwOnError();
  return { ...data, program: withKey(data.key) };
}

function withKey(key: string): Client {
  return createClient<Database>(inject('supabaseUrl'), inject('publishableKey'), {
    auth: { persistSession: false, autoRefreshToken: false },
    global: { headers: { 'x-api-key': key } },
  });
}

function bearer(token: string): Client {
  return createClient<Database>(inject('supabaseUrl'), inject('publishableKey'), {
    accessToken: async () => token,
  });
}

/** A JSON Web Token (RFC 7519), HS256, or with `alg: none` when there is no secret. */
function jwt(claims: object, secret: string | null): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const content = `${encode({ alg: secret ? 'HS256' : 'none', typ: 'JWT' })}.${encode(claims)}`;
  const signature = secret && createHmac('sha256', secret).update(content).digest('base64url');
  return `${content}.${signature ?? ''}`;
}
