import { createHmac } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { signToken } from '../../src/stack/jwt.ts';
import { copyOf } from '../access/attempts.ts';
import type { ForeignKey, Relation } from '../access/catalogue.ts';
import { type Answer, type Request, send } from '../access/requests.ts';
import { type Row, type World, createWorld } from '../access/tenants.ts';
import { isProving } from '../support/proving.ts';

/**
 * What strangers try: every table and function of the API, with tokens that are not ours and by every way
 * around a rule that REST has. Nothing is rolled back here; at the end kestrel is what it was, and not one
 * answer held a byte of its secrets (`ask` throws).
 */
const world = await createWorld();
const { relations, routines, foreignKeys } = world.catalogue;
const kestrelBefore = await everythingOf(world);
const anon = await world.headersOf('anon', []);
const stranger = await world.headersOf('stranger', []);
afterAll(() => world.close());

describe('a token that is not ours', () => {
  const claims = {
    sub: world.personId('kestrel-owner'),
    role: 'authenticated',
    aud: 'authenticated',
    session_id: world.sessionId,
  };
  const good = signToken(claims, world.api.jwtSecret, 60);
  const [head, payload, mark] = good.split('.') as [string, string, string];
  const tokens: Record<string, string> = {
    'signed by somebody else': signToken(claims, 'not the secret of this installation', 60),
    expired: signToken(claims, world.api.jwtSecret, -60),
    'without an algorithm': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'without an algorithm, but marked': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.${mark}`,
    'of another algorithm': otherAlgorithm(payload, 'not the secret of this installation'),
    'changed after it was signed': `${head}.${encode({ ...claims, role: 'service_role' })}.${mark}`,
    'cut off': `${head}.${payload}`,
    'no token at all': 'token',
    'made of nothing': '..',
    'of a role that the API does not have': signToken(
      { ...claims, role: 'supabase_admin' },
      world.api.jwtSecret,
      60,
    ),
    'of a session that never was': signToken(
      { ...claims, session_id: '00000000-0000-4000-8000-000000000000' },
      world.api.jwtSecret,
      60,
    ),
    'of a session without a name': signToken(
      { ...claims, session_id: undefined },
      world.api.jwtSecret,
      60,
    ),
    "of somebody else's session": signToken(
      { ...claims, sub: world.personId('kestrel-admin') },
      world.api.jwtSecret,
      60,
    ),
    'that claims an API key': signToken(
      { ...claims, agentry_key: { organization_id: world.kestrel.organizationId, scopes: [] } },
      world.api.jwtSecret,
      60,
    ),
  };

  it.each(Object.entries(tokens))('%s opens no table and no function', async (_, token) => {
    const headers = { ...anon, authorization: `Bearer ${token}` };
    const answers = await Promise.all([
      ...relations.map(({ name }) => ask({ method: 'GET', path: `/${name}`, headers })),
      ...routines.map(({ name, arguments: names }) => {
        const body = Object.fromEntries(names.map((argument) => [argument, idFor(argument)]));
        return ask({ method: 'POST', path: `/rpc/${name}`, headers, body });
      }),
    ]);
    expect(answers.filter(({ status }) => status !== 401 && status !== 403)).toEqual([]);
  });

  it('like a key of the platform is no more than no token', async () => {
    const bearers = [world.api.secretKey, world.api.publishableKey, 'sb_secret_guess'];
    for (const bearer of bearers) {
      const headers = { ...anon, authorization: `Bearer ${bearer}` };
      const [with_, without] = await Promise.all(
        [headers, anon].map((own) =>
          Promise.all(
            relations.map(({ name }) => ask({ method: 'GET', path: `/${name}`, headers: own })),
          ),
        ),
      );
      expect(with_!.map(({ text }) => text)).toEqual(without!.map(({ text }) => text));
    }
  });
});

// Whoever is not signed in is granted so little that their turn comes with `npm run prove`.
describe.each(isProving ? (['anon', 'stranger'] as const) : (['stranger'] as const))(
  '%s',
  (caller) => {
    const headers = caller === 'anon' ? anon : stranger;
    const get = (path: string, more: Record<string, string> = {}): Promise<Answer> =>
      ask({ method: 'GET', path, headers: { ...headers, ...more } });

    // Whatever else is embedded along with a table that is denied, is denied with it.
    const role = caller === 'anon' ? 'anon' : 'authenticated';
    const isGranted = (table: string): boolean =>
      world.catalogue.relation(table)[role].includes('select');

    it('walks along no embed to what is not theirs', async () => {
      await Promise.all(
        relations.flatMap(({ name }) =>
          neighboursOf(name).flatMap((one) => {
            const beyond = neighboursOf(targetOf(one)).filter((two) => isGranted(targetOf(two)));
            const embeds = beyond.map((two, n) => `to${n}:${two}(*)`);
            const further = isGranted(name) && isGranted(targetOf(one)) ? embeds : [];
            return [
              get(`/${name}?select=*,${one}(${['*', ...further].join()})`),
              get(`/${name}?select=*,${one}!inner(*)`),
            ];
          }),
        ),
      );
      await Promise.all(
        routines
          .filter(({ computedOn }) => computedOn !== null)
          .map(({ name, computedOn, returnsRows }) =>
            get(`/${computedOn}?select=*,${returnsRows ? `${name}(*)` : name}`),
          ),
      );
    });

    it('finds nothing by asking for it', async () => {
      const found = await Promise.all(
        relations.flatMap((relation) =>
          textsOf(relation).flatMap((column) => [
            get(`/${relation.name}?select=${column}&${column}=ilike.*zqkestrel*`),
            get(`/${relation.name}?select=${relation.key[0]}&or=(${column}.ilike.*zqkestrel*)`),
          ]),
        ),
      );
      expect(found.filter(({ text }) => text.startsWith('[') && text !== '[]')).toEqual([]);
    });

    it('finds nothing by asking for what hangs on it', async () => {
      const found = await Promise.all(
        foreignKeys.flatMap(({ table, name, target, targetColumns }) =>
          [
            [table, target],
            [target, table],
          ]
            // People's faces are public.
            .filter(([, to]) => to !== 'profiles')
            .map(([from, to]) =>
              get(
                `/${from}?select=${world.catalogue.relation(from!).key[0]},${to}!${name}!inner(*)` +
                  `&${to}.${targetColumns[0]}=in.(${secretIds(to!).join()})`,
              ),
            ),
        ),
      );
      expect(found.filter(({ text }) => text.startsWith('[') && text !== '[]')).toEqual([]);
    });

    it('sees no more for sorting, paging, or leaving filters out', async () => {
      await Promise.all(
        relations.flatMap(({ name, key, columns }) => [
          get(`/${name}?order=${columns.map((column) => column.name).join()}&limit=1`),
          ...neighboursOf(name)
            .filter((one) => isGranted(name) && isGranted(targetOf(one)))
            .map((one) => get(`/${name}?order=${one}(created_at)&select=*,${one}(*)`)),
          get(`/${name}?or=(${key[0]}.is.null,${key[0]}.not.is.null)`),
          get(`/${name}?not.and=(${key[0]}.is.null,${key[0]}.not.is.null)`),
          get(`/${name}?limit=1000000000`),
          get(`/${name}`, { range: '0-1000000', 'range-unit': 'items' }),
          get(`/${name}`, { accept: 'text/csv' }),
          get(`/${name}`, { accept: 'application/vnd.pgrst.plan+json; options=analyze|verbose' }),
          get(`/${name}`, { 'accept-profile': 'private' }),
          get(`/${name}`, { prefer: 'handling=strict, timezone=UTC, params=single-object' }),
        ]),
      );
    });

    it('counts only what they see, and estimates nothing', async () => {
      for (const { name } of relations) {
        const seen = await get(`/${name}`);
        const rows = seen.text.startsWith('[') ? (JSON.parse(seen.text) as unknown[]).length : 0;
        const prefer = { ...headers, prefer: 'count=exact' };
        const counted = await ask({ method: 'HEAD', path: `/${name}`, headers: prefer });
        const total = counted.headers.get('content-range')?.split('/')[1];
        if (seen.status === 200) expect([name, total]).toEqual([name, String(rows)]);
        for (const count of ['count=planned', 'Count=Estimated', 'return=minimal, count=planned']) {
          const { status } = await get(`/${name}`, { prefer: count });
          expect([name, count, status]).not.toEqual([name, count, 200]);
        }
      }
    });

    it('changes nothing through HEAD, OPTIONS or a function called by GET', async () => {
      await Promise.all([
        ...relations.flatMap(({ name }) =>
          ['HEAD', 'OPTIONS', 'PUT'].map((method) => ask({ method, path: `/${name}`, headers })),
        ),
        ...routines.flatMap(({ name, arguments: names }) => {
          const given = names.map((argument) => `${argument}=${idFor(argument)}`).join('&');
          return ['GET', 'HEAD', 'OPTIONS'].map((method) =>
            ask({ method, path: `/rpc/${name}?${given}`, headers }),
          );
        }),
        get('/'),
      ]);
    });

    it('gets nothing out of a function by handing it a row that is not theirs', async () => {
      const answers = await Promise.all(
        routines
          .filter(({ computedOn: table }) => table !== null)
          .flatMap(({ name, computedOn: table, arguments: [argument] }) =>
            secretRows(table!).map(async (row) => {
              const { text } = await ask({
                method: 'POST',
                path: `/rpc/${name}`,
                headers,
                body: { [argument!]: row.values },
              });
              return { name, text };
            }),
          ),
      );
      // 'created' is what runtime_status says of agents that the caller cannot see.
      const empty = /^(\[\]|null|false|"created"|\{("\w+":null,?)+\}|\{.*"code".*\}|)$/s;
      expect(answers.filter(({ text }) => !empty.test(text))).toEqual([]);
    });

    it('writes over no row by bringing its id', async () => {
      const prefers = ['resolution=merge-duplicates', 'resolution=ignore-duplicates'];
      const answers = await Promise.all(
        relations
          .filter(({ isView }) => !isView)
          .flatMap((relation) =>
            secretRows(relation.name).flatMap((row) =>
              prefers.map((prefer) => {
                const path = `/${relation.name}?on_conflict=${relation.key.join()}`;
                const own = { ...headers, prefer: `return=representation, ${prefer}` };
                const columns = [...new Set([...relation.insertable, ...relation.key])];
                const body = Object.fromEntries(columns.map((name) => [name, row.values[name]]));
                return ask({ method: 'POST', path, headers: own, body });
              }),
            ),
          ),
      );
      expect(answers.filter(({ status, text }) => status < 300 && text !== '[]')).toEqual([]);
    });
  },
);

describe('a member', () => {
  const writable = foreignKeys.filter(({ table, columns }) => {
    const { insertable, updatable } = world.catalogue.relation(table);
    return columns.some((column) => insertable.includes(column) || updatable.includes(column));
  });

  it.each(writable.map((key) => [`${key.table}.${key.columns.join(' ')}`, key] as const))(
    'points %s at no row of another tenant',
    async (_, key) => {
      const attempts = pointsElsewhere(key);
      const answers = await Promise.all(
        attempts.map(({ method, path, body }) =>
          ask({ method, path, body, headers: { ...stranger, prefer: 'tx=rollback' } }),
        ),
      );
      const accepted = answers.filter(({ code }) => code === 'done').length;
      const own = await ask(ownReference(key));
      expect(own.code, own.text).toBe('done');
      expect(accepted > 0).toBe(`${key.table}.${key.columns.join(' ')}` in OPEN_REFERENCES);
    },
  );
});

it('kestrel is what it was', async () => {
  expect(await everythingOf(world)).toEqual(kestrelBefore);
});

describe('an API key', () => {
  it('embeds nothing that its scopes do not open', async () => {
    const scopes = ['agents', 'executions', 'conversations', 'orchestration', 'organization'];
    for (const resource of scopes) {
      const headers = await world.headersOf('key', [`${resource}:read`]);
      const readable = new Set<string>();
      await Promise.all(
        relations.map(async ({ name }) => {
          const { text } = await askAsKey({ method: 'GET', path: `/${name}?limit=1`, headers });
          if (text.startsWith('[') && text !== '[]') readable.add(name);
        }),
      );
      await Promise.all(
        [...readable].flatMap((name) =>
          neighboursOf(name)
            .filter((one) => !readable.has(targetOf(one)))
            .map(async (one) => {
              const path = `/${name}?select=embedded:${one}(*)`;
              const { text } = await askAsKey({ method: 'GET', path, headers });
              if (!text.startsWith('[')) return;
              const rows = JSON.parse(text) as { embedded: unknown[] | object | null }[];
              const shown = rows.filter(({ embedded }) => embedded && Object.keys(embedded).length);
              expect([resource, path, shown]).toEqual([resource, path, []]);
            }),
        ),
      );
    }
  });

  it('ends at once when it is revoked, expires, or its person leaves', async () => {
    const endings = {
      api_key_revoked: world.sql`update public.api_keys set revoked_at = now() where name = 'probe'`,
      api_key_expired: world.sql`
        update public.api_keys set revoked_at = null, expires_at = now() where name = 'probe'`,
      api_key_invalid: world.sql`
        delete from public.organization_members
        where organization_id = ${world.kestrel.organizationId}
          and user_id = ${world.personId('kestrel-admin')}`,
    };
    const headers = await world.headersOf('key', ['agents:read']);
    const try_ = (): Promise<Answer> => askAsKey({ method: 'GET', path: '/agents', headers });
    expect((await try_()).status).toBe(200);
    for (const [code, end] of Object.entries(endings)) {
      await end;
      const { status, code: found } = await try_();
      expect([status, found]).toEqual([401, code]);
    }
  });
});

/** Foreign keys that may lead to another tenant by design, and why that gives nothing away. */
const OPEN_REFERENCES: Record<string, string> = {
  'agent_shares.user_id': 'agents are shared with people of any organization; profiles are public',
};

/** A request of a stranger to kestrel; throws when a secret of kestrel comes back. */
function ask(request: Request): Promise<Answer> {
  return send(world, request, 'zqkestrel');
}

/** A request with a key of kestrel's; throws when a secret of walrus comes back. */
function askAsKey(request: Request): Promise<Answer> {
  return send(world, request, 'zqwalrus');
}

/** The same insert with a reference to walrus' own row, which goes through: so it is the reference that fails. */
function ownReference({ table }: ForeignKey): Request {
  const { insertable, updatable, key } = world.catalogue.relation(table);
  const [mine] = world.walrus.rows.get(table)!.filter((row) => row.kind !== 'platform');
  const headers = { ...stranger, prefer: 'tx=rollback' };
  if (insertable.length > 0) {
    const body = copyOf(world, world.walrus, mine!, 'stranger');
    return { method: 'POST', path: `/${table}`, body, headers };
  }
  const filter = key.map((column) => `${column}=eq.${String(mine!.values[column])}`).join('&');
  const body = Object.fromEntries(updatable.map((column) => [column, mine!.values[column]]));
  return { method: 'PATCH', path: `/${table}?${filter}`, body, headers };
}

/** Inserts and updates by walrus' owner that put the id of a secret row of kestrel into the key. */
function pointsElsewhere(key: ForeignKey): Request[] {
  const relation = world.catalogue.relation(key.table);
  const [mine] = world.walrus.rows.get(key.table)!.filter((row) => row.kind !== 'platform');
  return secretRows(key.target).flatMap(({ values }) => {
    // The tenant's own id stays in a composite key, as whoever tries this would leave it.
    const reference = Object.fromEntries(
      key.columns
        .map((column, n) => [column, values[key.targetColumns[n]!]] as const)
        .filter(([column]) => column !== 'organization_id' || key.columns.length === 1),
    );
    const copy = copyOf(world, world.walrus, mine!, 'stranger');
    const filter = relation.key
      .map((column) => `${column}=eq.${encodeURIComponent(String(mine!.values[column]))}`)
      .join('&');
    const path = `/${key.table}`;
    const columns = Object.keys(reference);
    return [
      ...(columns.every((column) => relation.insertable.includes(column))
        ? [{ method: 'POST', path, body: { ...copy, ...reference } }]
        : []),
      ...(columns.every((column) => relation.updatable.includes(column))
        ? [{ method: 'PATCH', path: `${path}?${filter}`, body: reference }]
        : []),
    ];
  });
}

/** Rows that strangers see, or, of agents in the catalog, something of. */
const OPEN_KINDS = ['platform', 'public', 'listed'];

/** A few of kestrel's rows that strangers must not see. */
function secretRows(table: string): Row[] {
  const rows = world.kestrel.rows.get(table) ?? [];
  return rows.filter(({ kind }) => !OPEN_KINDS.includes(kind)).slice(0, 3);
}

function secretIds(table: string): unknown[] {
  const { key } = world.catalogue.relation(table);
  return secretRows(table).map((row) => row.values[key[0]!]);
}

/** What can be embedded in a table's rows: its parents by the constraint's name, its children likewise. */
function neighboursOf(table: string): string[] {
  return foreignKeys.flatMap((key) => [
    ...(key.table === table ? [`${key.target}!${key.name}`] : []),
    ...(key.target === table ? [`${key.table}!${key.name}`] : []),
  ]);
}

function targetOf(embed: string): string {
  return embed.split('!')[0]!;
}

function textsOf(relation: Relation): string[] {
  return relation.columns.filter(({ type }) => type === 'text').map(({ name }) => name);
}

/** One of kestrel's ids for an argument that wants one. */
function idFor(argument: string): string {
  const table = `${argument.replace(/_id$/, '')}s`;
  return String(secretRows(table)[0]?.values['id'] ?? world.kestrel.organizationId);
}

/** Kestrel's rows as they stand, in words of the database. */
async function everythingOf({ sql, kestrel, catalogue }: World): Promise<string[]> {
  const tables = catalogue.relations.filter(({ isView, name }) => !isView && name !== 'api_keys');
  const rows = await Promise.all(
    tables.map(async (relation) => {
      const kept = kestrel.rows.get(relation.name)!;
      const stored = await sql.unsafe(
        `select to_jsonb(t)::text as row from public.${relation.name} as t`,
      );
      const keys = new Set(kept.map((row) => relation.key.map((c) => row.values[c]).join(' ')));
      return stored
        .map(({ row }) => row as string)
        .filter((row) => {
          const values = JSON.parse(row) as Record<string, unknown>;
          return keys.has(relation.key.map((column) => values[column]).join(' '));
        });
    }),
  );
  return rows.flat().sort();
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function otherAlgorithm(payload: string, secret: string): string {
  const head = encode({ alg: 'HS512', typ: 'JWT' });
  const mark = createHmac('sha512', secret).update(`${head}.${payload}`);
  return `${head}.${payload}.${mark.digest('base64url')}`;
}
