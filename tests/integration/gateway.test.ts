import { createHmac, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Gateway, startGateway } from '../../src/stack/gateway.ts';
import { signToken } from '../../src/stack/jwt.ts';
import { type Person, operator, signUp, visitor } from '../support/stack.ts';

const api = inject('supabaseUrl');
const apikey = inject('publishableKey');

/** A request as curl would send it. */
const rest = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${api}/rest/v1/${path}`, { ...init, headers });

let person: Person;
beforeAll(async () => {
  person = await signUp('gateway');
});

describe('API keys', () => {
  it('refuses a request without one, as a hosted project does', async () => {
    const response = await rest('profiles');
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ message: 'No API key found in request' });
  });

  it('refuses an unknown one', async () => {
    const response = await rest('profiles', { apikey: 'sb_publishable_unknown' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ message: 'Invalid API key' });
  });

  it('takes the key from the address too, and hides it from PostgREST', async () => {
    const response = await rest(`profiles?apikey=${apikey}&select=id&limit=1`);
    expect(response.status).toBe(200);
  });

  it('lets the publishable key act as anon', async () => {
    const { error } = await visitor().from('organizations').select('id');
    expect(error).toMatchObject({ code: '42501' });
    const { data } = await visitor().from('profiles').select('id').eq('id', person.id);
    expect(data).toHaveLength(1);
  });

  it('lets the secret key act as service_role', async () => {
    const { data } = await operator()
      .from('organizations')
      .select('id')
      .eq('id', person.organizationId);
    expect(data).toHaveLength(1);
  });

  it('refuses the secret key from a browser', async () => {
    const response = await rest('organizations', {
      apikey: inject('secretKey'),
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)',
    });
    expect(response.status).toBe(401);
  });
});

describe('tokens', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hour = () => Math.floor(Date.now() / 1000) + 3600;
  const claims = () => ({
    sub: person.id,
    role: 'authenticated',
    aud: 'authenticated',
    exp: hour(),
  });

  const forged: [string, () => string][] = [
    ['without an algorithm', () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims())}.`],
    [
      'signed by a stranger',
      () => signToken(claims(), 'a secret that is not this one, but as long', 3600),
    ],
    ['that has expired', () => signToken(claims(), inject('jwtSecret'), -60)],
    [
      'whose claims were changed after signing',
      () => {
        const [header, , signature] = signToken(claims(), inject('jwtSecret'), 3600).split('.');
        return `${header}.${encode({ ...claims(), role: 'service_role' })}.${signature}`;
      },
    ],
    [
      'signed with another algorithm under the same secret',
      () => {
        const text = `${encode({ alg: 'HS512', typ: 'JWT' })}.${encode(claims())}`;
        return `${text}.${createHmac('sha512', inject('jwtSecret')).update(text).digest('base64url')}`;
      },
    ],
    [
      'for a role that the API does not have',
      () => signToken({ role: 'postgres' }, inject('jwtSecret'), 60),
    ],
  ];

  it.each(forged)('%s open nothing', async (_name, token) => {
    const bearer = { apikey, authorization: `Bearer ${token()}` };
    const data = await rest('profiles?select=id', bearer);
    expect([401, 403]).toContain(data.status);
    const user = await fetch(`${api}/auth/v1/user`, { headers: bearer });
    expect([401, 403]).toContain(user.status);
    const files = await fetch(`${api}/storage/v1/bucket`, { headers: bearer });
    expect(await files.json()).toMatchObject({ code: 'InvalidJWT' });
    const send = await fetch(`${api}/realtime/v1/api/broadcast`, {
      method: 'POST',
      headers: bearer,
      body: JSON.stringify({ messages: [] }),
    });
    expect(send.status).toBe(401);
  });

  it('of somebody signed in open what is theirs', async () => {
    const { data } = await person.client.from('organizations').select('id');
    expect(data).toEqual([{ id: person.organizationId }]);
  });
});

describe('other origins', () => {
  it('are answered before a request, whatever headers they ask for', async () => {
    const response = await rest(
      'profiles',
      {
        origin: 'https://elsewhere.example',
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'apikey,x-client-info,prefer',
      },
      { method: 'OPTIONS' },
    );
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-methods')).toContain('PATCH');
    expect(response.headers.get('access-control-allow-headers')).toBe(
      'apikey,x-client-info,prefer',
    );
  });

  it('may read how many rows there are', async () => {
    const response = await rest('profiles?select=id&limit=1', {
      apikey,
      prefer: 'count=exact',
      origin: 'https://elsewhere.example',
    });
    expect(response.headers.get('content-range')).toMatch(/^0-0\/\d+$/);
    expect(response.headers.get('access-control-expose-headers')).toContain('content-range');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    const { count } = await visitor().from('profiles').select('*', { count: 'exact', head: true });
    expect(count).toBeGreaterThan(0);
  });
});

describe('what is not offered', () => {
  it.each(['/functions/v1/hello', '/graphql/v1', '/nothing'])(
    '%s answers 404 in JSON',
    async (path) => {
      const response = await fetch(api + path, { method: 'POST', headers: { apikey } });
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ code: 'not_found' });
    },
  );

  it('survives requests that make no sense', async () => {
    const { port, hostname } = new URL(api);
    const nonsense = [
      'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET http://elsewhere.example/rest/v1/profiles HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      `GET /realtime/v1/websocket?apikey=${apikey} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      '\0\x01\x02\r\n\r\n',
    ];
    for (const text of nonsense) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.end(text);
      socket.resume();
      await once(socket, 'close');
    }
    expect((await rest('profiles?limit=1', { apikey })).status).toBe(200);
  });
});

describe('API keys of ours', () => {
  it('need no other key, and act within their organization', async () => {
    const key = await makeKey(100);
    const response = await rest('organizations?select=id', { 'x-api-key': key });
    expect(await response.json()).toEqual([{ id: person.organizationId }]);
  });

  it('are refused when unknown', async () => {
    const response = await rest('organizations?select=id', { 'x-api-key': 'agk_unknown' });
    expect(response.status).toBe(401);
  });

  it('wait for the next minute once their limit is spent, whatever else they claim', async () => {
    const key = await makeKey(3);
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const response = await rest('organizations?select=id', {
        'x-api-key': key,
        'x-forwarded-for': `203.0.113.${i}`,
        'x-request-id': randomUUID(),
        ...(i % 2 ? { apikey } : {}),
      });
      statuses.push(response.status);
      if (response.status === 429) {
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(await response.json()).toMatchObject({ code: 'rate_limited' });
      }
    }
    // The minute may turn once while this runs, and then three more pass.
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(6);
    expect(statuses).toContain(429);
  });

  async function makeKey(limit: number): Promise<string> {
    const { data } = await person.client
      .rpc('create_api_key', {
        organization_id: person.organizationId,
        name: `test ${randomUUID()}`,
        scopes: ['organization:read'],
        rate_limit: limit,
      })
      .single()
      .throwOnError();
    return data.key;
  }
});

describe('the way to PostgREST', () => {
  // A listener in its place, to see what arrives there; it does not answer requests for /held.
  const held = new EventEmitter();
  const seen: { url: string; headers: IncomingHttpHeaders }[] = [];
  const listener = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    if (request.url === '/held') {
      held.emit('request', request);
      return;
    }
    request.resume().once('end', () => {
      response
        .writeHead(200, { 'access-control-allow-origin': 'https://upstream.example' })
        .end('[]');
    });
  });
  let gateway: Gateway;

  beforeAll(async () => {
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    gateway = await startOwnGateway(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  });
  afterAll(async () => {
    await gateway.close();
    listener.close();
  });

  it('carries a token of the role, the true address and an id, and nothing that was forged', async () => {
    await fetch(`${gateway.url}/rest/v1/agents?apikey=${apikey}&select=id`, {
      headers: {
        authorization: `Bearer ${apikey}`,
        'x-forwarded-for': '203.0.113.9',
        'x-real-ip': '203.0.113.9',
        forwarded: 'for=203.0.113.9',
        'x-request-id': 'mine',
        cookie: 'session=1',
        prefer: 'count=exact',
      },
    });
    const { url, headers } = seen.at(-1)!;
    expect(url).toBe('/agents?select=id');
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', prefer: 'count=exact' });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    for (const name of ['x-real-ip', 'forwarded', 'cookie', 'apikey'])
      expect(headers).not.toHaveProperty(name);
    const payload = headers.authorization!.split('.')[1]!;
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      role: 'anon',
    });
  });

  it('answers for all origins itself', async () => {
    const response = await fetch(`${gateway.url}/rest/v1/agents`, { headers: { apikey } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('asks nothing again for a client that has left', async () => {
    const get = (path: string, signal?: AbortSignal) =>
      fetch(`${gateway.url}/rest/v1/${path}`, { headers: { apikey }, signal });
    // Over a connection that is there already: only on such a one is anything asked again.
    await (await get('agents')).text();
    const client = new AbortController();
    const left = expect(get('held', client.signal)).rejects.toThrow();
    const [request] = (await once(held, 'request')) as [IncomingMessage];
    const gone = once(request.socket, 'close');
    client.abort();
    await Promise.all([left, gone]);

    await (await get('agents')).text();
    expect(seen.filter(({ url }) => url === '/held')).toHaveLength(1);
  });

  it('refuses a body above 32 MB, announced or not, and the connection goes on', async () => {
    const chunk = new Uint8Array(1024 * 1024);
    const stream = () => {
      let left = 40;
      return new ReadableStream({
        pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
      });
    };
    for (const body of [new Uint8Array(33 * 1024 * 1024), stream()]) {
      const response = await fetch(`${gateway.url}/rest/v1/agents`, {
        method: 'POST',
        headers: { apikey },
        body,
        duplex: 'half',
      } as RequestInit);
      expect(response.status).toBe(413);
    }
    expect((await fetch(`${gateway.url}/rest/v1/agents`, { headers: { apikey } })).status).toBe(
      200,
    );
  });
});

it('says 503 and when to come back while PostgREST is away', async () => {
  const gateway = await startOwnGateway('http://127.0.0.1:1');
  const client = createClient(gateway.url, apikey, { auth: { persistSession: false } });
  const { error, status } = await client.from('agents').select('id').retry(false);
  expect(status).toBe(503);
  expect(error).toMatchObject({ code: 'unavailable', details: 'unavailable' });
  await gateway.close();
});

/** A second gateway on the same database, for what would disturb the others. */
function startOwnGateway(restUrl: string): Promise<Gateway> {
  const url = inject('databaseUrl');
  return startGateway({
    port: 0,
    restUrl,
    publishableKey: apikey,
    secretKey: inject('secretKey'),
    jwtSecret: inject('jwtSecret'),
    databaseUrls: { postgres: url, auth: url, storage: url, realtime: url },
    storageDir: join(tmpdir(), `agentry-storage-${randomUUID()}`),
    siteUrl: 'http://127.0.0.1:3000',
    sendMail: async () => {},
  });
}
