import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { type Claims, signToken } from '../../src/stack/jwt.ts';
import { createDatabase } from '../support/stack.ts';
import { type Api, startApi } from './api.ts';
import { type Catalogue, type Relation, readCatalogue } from './catalogue.ts';

/** Everybody who may call, in the order of the matrix's columns; all but `stranger` as seen from kestrel. */
export const CALLERS = [
  'anon',
  'stranger',
  'viewer',
  'member',
  'admin',
  'owner',
  'removed',
  'shared-use',
  'shared-edit',
  'key',
  'key without',
  'deactivated',
  'superuser',
  'service_role',
] as const;
export type CallerName = (typeof CALLERS)[number];

/** Whose rows a caller's own rows are. API keys belong to the admin. */
const PEOPLE: Partial<Record<CallerName, string>> = {
  stranger: 'walrus-owner',
  viewer: 'kestrel-viewer',
  member: 'kestrel-member',
  admin: 'kestrel-admin',
  owner: 'kestrel-owner',
  removed: 'kestrel-removed',
  'shared-use': 'kestrel-use',
  'shared-edit': 'kestrel-edit',
  key: 'kestrel-admin',
  'key without': 'kestrel-admin',
  deactivated: 'kestrel-deactivated',
  superuser: 'walrus-moderator',
};

const OUTSIDERS: CallerName[] = [
  ...(['stranger', 'removed', 'shared-use', 'shared-edit', 'superuser'] as const),
];

const RESOURCES = [
  ...['agents', 'catalog', 'conversations', 'orchestration', 'executions', 'evaluation', 'memory'],
  ...['organization', 'usage'],
];
const SCOPES = RESOURCES.flatMap((resource) =>
  ['read', 'write', 'run'].map((verb) => `${resource}:${verb}`),
);

/** What a row is to the people of its tenant. */
export type Standing = {
  /** The username of whoever it belongs to or made it. */
  owner: string | undefined;
  /** Whoever made the agent that a run or a share is of. */
  agentOwner: string | undefined;
  /** Whose it is beyond that: 'public', 'organization', 'shared', 'private', 'platform', 'deleted', ... */
  kind: string;
  /** Where a table holds two sorts of rows with rules of their own: which this one is. */
  sort?: string;
};

/** A stored row, and what it is to the people of its tenant. */
export type Row = Standing & {
  relation: Relation;
  /** Its primary key. */
  key: Record<string, unknown>;
  values: Record<string, unknown>;
};

/** A tenant's rows by table, with the platform's among them. */
export type Tenant = { name: string; organizationId: string; rows: Map<string, Row[]> };

/** Two full tenants behind an API of their own. */
export type World = {
  api: Api;
  sql: postgres.Sql;
  catalogue: Catalogue;
  /** Whose rows are tried, and whose are only there to leak. */
  kestrel: Tenant;
  walrus: Tenant;
  personId: (username: string) => string;
  ownerOf: (caller: CallerName) => string | undefined;
  /** Where a caller may make things: kestrel for its people, their personal organization for others. */
  organizationOf: (caller: CallerName) => string;
  /** A session of kestrel's owner that no request here uses. */
  sessionId: string;
  /** How a caller introduces themselves; a key gets these scopes, or all others. */
  headersOf: (caller: CallerName, scopes: string[]) => Promise<Record<string, string>>;
  /** What a caller's token says to parts of the API that know no API keys: who holds one is nobody there. */
  claimsOf: (caller: CallerName) => Promise<Claims>;
  close: () => Promise<void>;
};

export async function createWorld(): Promise<World> {
  const database = await createDatabase();
  const sql = postgres(database.url, { max: 4, onnotice: () => {} });
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  await sql.unsafe(readFileSync('tests/access/tenants.sql', 'utf8'));
  const catalogue = await readCatalogue(sql);

  const people = new Map<string, string>();
  const bare = await snapshot(sql, catalogue);
  const build = async (name: string, before: Stored): Promise<[Tenant, Stored]> => {
    await sql`select access.build(${name})`;
    const after = await snapshot(sql, catalogue);
    for (const profile of after.get('profiles')!.values()) {
      people.set(String(profile['username']), String(profile['id']));
    }
    return [describeTenant(name, catalogue, bare, before, after, people), after];
  };
  const [kestrel, withKestrel] = await build('kestrel', bare);
  const [walrus] = await build('walrus', withKestrel);
  const api = await startApi(database.url);

  const homes = new Map(
    (
      await sql`
      select p.username, m.organization_id
      from public.profiles as p
        join public.organization_members as m on m.user_id = p.id
        join public.organizations as o on o.id = m.organization_id and o.is_personal`
    ).map((home) => [String(home['username']), String(home['organization_id'])]),
  );
  const [session] = await sql`select tests.create_session(${people.get('kestrel-owner')!}) as id`;

  const headers = new Map<string, Promise<Record<string, string>>>();
  const headersOf = (caller: CallerName, scopes: string[]): Promise<Record<string, string>> => {
    const isKey = caller === 'key' || caller === 'key without';
    const name = isKey ? `${caller} ${scopes.join(' ')}` : caller;
    const made = headers.get(name) ?? introduce(caller, scopes);
    headers.set(name, made);
    return made;
  };

  async function introduce(caller: CallerName, scopes: string[]): Promise<Record<string, string>> {
    if (caller === 'service_role') return { apikey: api.secretKey };
    const username = PEOPLE[caller];
    if (username === undefined) return { apikey: api.publishableKey };
    const userId = people.get(username)!;
    if (caller === 'key' || caller === 'key without') {
      return { 'x-api-key': await createKey(userId, keyScopes(caller, scopes)) };
    }
    return {
      apikey: api.publishableKey,
      authorization: `Bearer ${signToken(await signIn(userId), api.jwtSecret, 3600)}`,
    };
  }

  async function signIn(userId: string): Promise<Claims> {
    const [session] = await sql`select tests.create_session(${userId}) as id`;
    return {
      sub: userId,
      role: 'authenticated',
      aud: 'authenticated',
      session_id: String(session!['id']),
    };
  }

  function claimsOf(caller: CallerName): Promise<Claims> {
    const username = PEOPLE[caller];
    if (caller === 'service_role') return Promise.resolve({ role: 'service_role' });
    return username === undefined || caller === 'key' || caller === 'key without'
      ? Promise.resolve({ role: 'anon' })
      : signIn(people.get(username)!);
  }

  async function createKey(userId: string, scopes: string[]): Promise<string> {
    const key = `agk_${randomUUID()}`;
    const [row] = await sql`
      insert into public.api_keys (user_id, organization_id, name, key_prefix, scopes, rate_limit)
      values (${userId}, ${kestrel.organizationId}, 'probe', ${key.slice(0, 12)}, ${scopes}, 10000)
      returning id`;
    const hash = createHash('sha256').update(key).digest();
    await sql`insert into private.api_key_hashes (api_key_id, key_hash) values (${row!['id']}, ${hash})`;
    return key;
  }

  return {
    api,
    sql,
    catalogue,
    kestrel,
    walrus,
    personId: (username) => people.get(username)!,
    ownerOf: (caller) => PEOPLE[caller],
    organizationOf: (caller) =>
      OUTSIDERS.includes(caller) ? homes.get(PEOPLE[caller]!)! : kestrel.organizationId,
    sessionId: String(session!['id']),
    headersOf,
    claimsOf,
    close: async () => {
      await api.stop();
      await sql.end();
      await database.drop();
    },
  };
}

/** 'key' has exactly the scopes; 'key without' has all there are but the last of them. */
function keyScopes(caller: CallerName, scopes: string[]): string[] {
  if (scopes.length === 0) return SCOPES;
  return caller === 'key' ? scopes : SCOPES.filter((scope) => scope !== scopes.at(-1));
}

/** Views, and the table of which they have a row for each row that the caller may see. */
const VIEWS: Record<string, string> = {
  agent_access: 'agents',
  agent_activity: 'agents',
  agent_stats: 'agents',
  execution_usage: 'executions',
};

type Stored = Map<string, Map<string, Record<string, unknown>>>;

/** Every row of every table and view, by its key. */
async function snapshot(sql: postgres.Sql, catalogue: Catalogue): Promise<Stored> {
  const stored: Stored = new Map();
  for (const relation of catalogue.relations) {
    const view = VIEWS[relation.name];
    const rows = await sql.unsafe(
      view
        ? `select jsonb_build_object('${relation.key[0]}', t.id) as row from public.${view} as t`
        : `select to_jsonb(t) as row from public.${relation.name} as t`,
    );
    stored.set(
      relation.name,
      new Map(
        rows.map(({ row }) => [keyText(relation, row as Record<string, unknown>), row] as const),
      ),
    );
  }
  return stored;
}

/** A row's primary key as one text. */
export function keyText(relation: Relation, row: Record<string, unknown>): string {
  return relation.key.map((column) => String(row[column])).join(' ');
}

/** Tables whose rows belong to the row above them and are seen with it. */
const ABOVE: Record<string, [column: string, table: string]> = {
  agent_access: ['agent_id', 'agents'],
  agent_activity: ['agent_id', 'agents'],
  agent_stats: ['agent_id', 'agents'],
  agent_parameters: ['agent_id', 'agents'],
  agent_variables: ['agent_id', 'agents'],
  agent_tools: ['agent_id', 'agents'],
  agent_tags: ['agent_id', 'agents'],
  agent_versions: ['agent_id', 'agents'],
  mcp_servers: ['agent_id', 'agents'],
  messages: ['conversation_id', 'conversations'],
  execution_usage: ['id', 'executions'],
  collection_items: ['collection_id', 'collections'],
  eval_results: ['run_id', 'eval_runs'],
  eval_test_cases: ['suite_id', 'eval_suites'],
  execution_approvals: ['execution_id', 'executions'],
  execution_artifacts: ['execution_id', 'executions'],
  execution_events: ['execution_id', 'executions'],
  execution_logs: ['execution_id', 'executions'],
  execution_steps: ['execution_id', 'executions'],
  schedule_runs: ['schedule_id', 'schedules'],
  team_agents: ['team_id', 'teams'],
  workflow_versions: ['workflow_id', 'workflows'],
};

function describeTenant(
  name: string,
  catalogue: Catalogue,
  platform: Stored,
  before: Stored,
  after: Stored,
  people: Map<string, string>,
): Tenant {
  const usernames = new Map([...people].map(([username, id]) => [id, username]));
  const organizations = after.get('organizations')!;
  const personal = new Set(
    [...organizations.values()].filter((o) => o['is_personal']).map((o) => o['id']),
  );
  const live = new Set(
    [...after.get('marketplace_listings')!.values()]
      .filter((listing) => listing['is_live'])
      .map((listing) => listing['agent_id']),
  );
  const closed = new Set(
    [...organizations.values()].filter((o) => o['deleted_at']).map((o) => o['id']),
  );
  const guests = [people.get(`${name}-use`), people.get(`${name}-edit`)];
  const shared = new Set(
    [...after.get('agent_shares')!.values()]
      .filter((share) => guests.includes(String(share['user_id'])))
      .map((share) => share['agent_id']),
  );

  const rows = new Map<string, Row[]>();
  for (const relation of catalogue.relations) {
    const own = [...after.get(relation.name)!]
      .filter(
        ([key]) => platform.get(relation.name)!.has(key) || !before.get(relation.name)!.has(key),
      )
      .map(([key, values]): Row => ({
        relation,
        key: Object.fromEntries(relation.key.map((column) => [column, values[column]])),
        values,
        ...(platform.get(relation.name)!.has(key)
          ? { owner: undefined, agentOwner: undefined, kind: 'platform' }
          : describe(relation.name, values)),
      }));
    rows.set(
      relation.name,
      own.filter((row) => row.kind !== 'personal'),
    );
  }
  const organization = rows.get('organizations')!.find((o) => o.kind === 'others')!;
  return { name, organizationId: String(organization.values['id']), rows };

  function describe(
    table: string,
    row: Record<string, unknown>,
  ): Pick<Row, 'owner' | 'agentOwner' | 'kind' | 'sort'> {
    const above = ABOVE[table];
    if (above) {
      const [column, parent] = above;
      const description = describe(parent, find(parent, row[column]));
      if (table === 'messages') {
        return { ...description, sort: row['sender_type'] === 'agent' ? 'answers' : 'questions' };
      }
      // What a public agent's insiders only tried is not public.
      const isDraft = table === 'agent_versions' && !row['is_published'];
      return isDraft && description.kind === 'public'
        ? { ...description, kind: 'draft' }
        : description;
    }
    const owner = usernames.get(
      String(row['user_id'] ?? row['created_by_id'] ?? row['installed_by_id'] ?? ''),
    );
    const agent = row['agent_id'] ? find('agents', row['agent_id']) : undefined;
    const ofAgent = agent && describe('agents', agent);
    const about = { owner, agentOwner: undefined };
    switch (table) {
      case 'profiles':
        return { ...about, owner: String(row['username']), kind: 'others' };
      case 'organizations':
        return { ...about, kind: row['is_personal'] ? 'personal' : kindOf(row, 'others') };
      case 'organization_members':
        return {
          ...about,
          owner: undefined,
          kind: kindOf(row, row['role'] === 'owner' ? 'owners' : 'others'),
        };
      case 'agents':
        if (shared.has(row['id'])) return { ...about, kind: 'shared' };
        if (live.has(row['id']) && row['visibility'] === 'private')
          return { ...about, kind: 'listed' };
        return { ...about, kind: kindOf(row, String(row['visibility'])) };
      case 'executions':
        return {
          owner,
          agentOwner: row['conversation_id'] ? undefined : ofAgent?.owner,
          kind: row['conversation_id'] ? 'conversations' : 'others',
        };
      case 'conversations':
      case 'agent_memories':
      case 'favorites':
        return { ...about, kind: 'private' };
      case 'collections':
        return { ...about, kind: row['is_public'] ? 'public' : 'private' };
      case 'agent_reviews':
        return { ...about, kind: row['is_hidden'] ? 'hidden' : 'public' };
      case 'listing_revisions':
        return { ...about, kind: 'others', sort: String(row['status']) };
      case 'marketplace_listings':
        return { ...about, kind: row['is_live'] ? 'public' : 'others' };
      case 'agent_shares':
        return { owner, agentOwner: ofAgent?.owner, kind: 'others' };
      case 'tokens':
        return { ...about, kind: row['organization_id'] ? 'organization' : 'private' };
      case 'schedules':
      case 'eval_suites':
      case 'eval_runs':
        return { ...about, kind: ofAgent?.kind ?? 'others' };
      default:
        return { ...about, kind: kindOf(row, 'others') };
    }
  }

  function kindOf(row: Record<string, unknown>, kind: string): string {
    if (personal.has(row['organization_id'])) return 'personal';
    return row['deleted_at'] || closed.has(row['organization_id']) ? 'deleted' : kind;
  }

  function find(table: string, id: unknown): Record<string, unknown> {
    return after.get(table)!.get(String(id))!;
  }
}
