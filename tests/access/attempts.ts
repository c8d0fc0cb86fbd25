import { randomUUID } from 'node:crypto';
import type { Column, Relation } from './catalogue.ts';
import { isProving } from '../support/proving.ts';
import { CALLS } from './calls.ts';
import { tryChannel, tryFiles } from './files.ts';
import { type Answer, DONE, forbiddenTo, send } from './requests.ts';
import { CALLERS, type CallerName, type Row, type Tenant, type World, keyText } from './tenants.ts';
import { BESIDES, samples, words } from './words.ts';

/**
 * Who tries writes without a filter, two requests for each table and command: one inside, one outside,
 * and a key; `npm run prove` has everybody try.
 */
const WITHOUT_FILTER: readonly CallerName[] = isProving
  ? CALLERS
  : ['member', 'stranger', 'key without'];

/** One line of the matrix, without its cells: what is tried, and the scopes that an API key needs for it. */
export type Question = { subject: string; command: string; scopes: string[] };

/**
 * Tries one line of the matrix as one caller, on every kind of kestrel's rows that there is, and answers
 * with the words of its cell. Nothing stays: every write is rolled back after it was answered.
 */
export async function tryCell(
  world: World,
  question: Question,
  caller: CallerName,
): Promise<string> {
  const { subject, command } = question;
  if (command === 'call') return tryCall(world, question, caller);
  const [schema, name] = subject.split('.') as [string, string?];
  if (schema === 'storage' && name) return tryFiles(world, name, command, caller);
  if (schema === 'realtime' && name) return tryChannel(world, name, command, caller);
  const relation = world.catalogue.relation(subject);
  if (command === 'select') return trySelect(world, question, caller, relation);
  return tryWrite(world, question, caller, relation);
}

async function trySelect(
  world: World,
  question: Question,
  caller: CallerName,
  relation: Relation,
  columns = '*',
): Promise<string> {
  const answer = await request(
    world,
    question,
    caller,
    'GET',
    `/${relation.name}?select=${columns}`,
  );
  if (answer.code !== DONE) return answer.code;
  const found = JSON.parse(answer.text) as Record<string, unknown>[];
  if (found.length >= 1000) throw new Error(`${relation.name} has too many rows to see them all`);
  const keys = new Set(found.map((row) => keyText(relation, row)));
  const rows = world.kestrel.rows.get(relation.name)!;
  const isSeen = (row: Row): boolean => keys.has(keyText(relation, row.values));
  return words(world, caller, rows, (row) => (isSeen(row) ? DONE : 'none'));
}

async function tryWrite(
  world: World,
  question: Question,
  caller: CallerName,
  relation: Relation,
): Promise<string> {
  const stored = world.kestrel.rows.get(relation.name)!;
  const kinds = samples(
    question.command.startsWith('insert') ? stored.filter((row) => row.kind !== 'deleted') : stored,
    world.ownerOf(caller),
  );
  // Without a grant no row is looked at.
  const rows = isGranted(relation, question, caller) ? kinds : kinds.slice(0, 1);
  const codes = await Promise.all(
    rows.map(async (row) => {
      const [method, path, body] = writeOf(world, question, relation, row, caller);
      return (await request(world, question, caller, method, path, body)).code;
    }),
  );
  const cell = words(world, caller, rows, (row) => codes[rows.indexOf(row)]!);
  const isWhole = question.command === 'update' || question.command === 'delete';
  return isWhole && (await reachesUnseen(world, question, caller, relation, rows[0]!))
    ? `${cell}, and unseen rows`
    : cell;
}

/**
 * Whether a write without a filter reaches rows that one with a filter does not. A filter reads columns,
 * so it meets only rows that the caller may select; without one, only the policy of the command counts.
 */
async function reachesUnseen(
  world: World,
  question: Question,
  caller: CallerName,
  relation: Relation,
  row: Row,
): Promise<boolean> {
  const isTried = WITHOUT_FILTER.includes(caller) && caller !== 'service_role';
  if (!isTried || !isGranted(relation, question, caller)) return false;
  const column = relation.updatable.find((name) => !relation.uniques.flat().includes(name));
  const [method, body] =
    question.command === 'update'
      ? ['PATCH', { [column!]: row.values[column!] }]
      : ['DELETE', undefined];
  const all = `/${relation.name}`;
  const seen = `${all}?${relation.key[0]}=not.is.null`;
  const one = await request(world, question, caller, method as string, seen, body);
  const other = await request(world, question, caller, method as string, all, body);
  return one.code !== other.code || one.met !== other.met;
}

function isGranted(relation: Relation, question: Question, caller: CallerName): boolean {
  if (caller === 'service_role') return true;
  if (caller === 'anon' || caller === 'deactivated') return false;
  const [command] = question.command.split(' ');
  if (command === 'insert') return relation.insertable.length > 0;
  if (command === 'update') return relation.updatable.length > 0;
  return relation.authenticated.includes('delete');
}

async function tryCall(world: World, question: Question, caller: CallerName): Promise<string> {
  const [name, , table] = question.subject.split(' ') as [string, string?, string?];
  const computed = world.catalogue.routines.find(
    (routine) => routine.name === name && routine.computedOn === table,
  );
  if (computed && table) {
    const extra = computed.returnsRows ? `${name}(*)` : name;
    const relation = world.catalogue.relation(table);
    return trySelect(world, question, caller, relation, `*,${extra}`);
  }
  const call = CALLS[question.subject];
  if (!call) throw new Error(`tests/access/calls.ts does not say how to call ${question.subject}`);
  const body = (row?: Row) => call.arguments?.({ world, caller, row: row! }) ?? {};
  const path = `/rpc/${name}`;
  if (!call.on) return (await request(world, question, caller, 'POST', path, body())).code;
  const all = world.kestrel.rows.get(call.on)!.filter(call.where ?? isLiving);
  // What is restored is told apart by who made it.
  const kinds = all.map((row) => (row.kind === 'deleted' ? { ...row, kind: 'others' } : row));
  const rows = samples(kinds, world.ownerOf(caller));
  const codes = await Promise.all(
    rows.map(async (row) => {
      const { code, text } = await request(world, question, caller, 'POST', path, body(row));
      return call.answersRows && text === '[]' ? 'none' : code;
    }),
  );
  return words(world, caller, rows, (row) => codes[rows.indexOf(row)]!);
}

const isLiving = (row: Row): boolean => !BESIDES.includes(row.kind);

/**
 * The request that writes one row: an insert copies it, an update writes what stands there already. A
 * column that the command names is what it is about: kept in the copy, changed by the update.
 */
function writeOf(
  world: World,
  question: Question,
  relation: Relation,
  row: Row,
  caller: CallerName,
): [method: string, path: string, body?: unknown] {
  const filter = Object.entries(row.key)
    .map(([column, value]) => `${column}=eq.${encodeURIComponent(String(value))}`)
    .join('&');
  const [command, column] = question.command.split(' ');
  switch (command) {
    case 'insert': {
      const copy = copyOf(world, world.kestrel, row, caller);
      const kept = column ? { [column]: row.values[column] } : {};
      return ['POST', `/${relation.name}`, { ...copy, ...kept }];
    }
    case 'update': {
      const columns = column ? [column] : writtenColumns(relation);
      const valueOf = (name: string): unknown =>
        column ? CHANGES[`${relation.name}.${name}`]!(row) : row.values[name];
      const body = Object.fromEntries(columns.map((name) => [name, valueOf(name)]));
      return ['PATCH', `/${relation.name}?${filter}`, body];
    }
    case 'delete':
      return ['DELETE', `/${relation.name}?${filter}`];
    default:
      throw new Error(`there is no command ${question.command}`);
  }
}

/** Columns with a rule of their own, and a value that the row does not have. */
const CHANGES: Record<string, (row: Row) => unknown> = {
  'agents.visibility': (row) => (row.kind === 'public' ? 'organization' : 'public'),
  'organizations.monthly_budget_usd': () => 5,
  'organization_members.role': (row) => (row.kind === 'owners' ? 'admin' : 'owner'),
};

function writtenColumns(relation: Relation): string[] {
  if (relation.updatable.length > 0) return relation.updatable;
  const plain = relation.columns.filter(
    (column) => !column.isGenerated && !relation.key.includes(column.name),
  );
  return plain.slice(0, 1).map((column) => column.name);
}

/** What a copy of a tenant's row needs besides a change to its unique texts, numbers and times. */
const COPIES: Record<
  string,
  (of: { world: World; tenant: Tenant; theirs: Tenant; caller: CallerName }) => object
> = {
  agent_memories: () => ({ memory_type: 'task', embedding: null, embedding_model: null }),
  agent_reviews: ({ world, theirs, caller }) => ({
    agent_id: agent(theirs, 'listed'),
    organization_id: world.organizationOf(caller),
  }),
  agent_shares: ({ world, tenant }) => ({ user_id: world.personId(`${tenant.name}-heir`) }),
  agent_tools: ({ tenant }) => ({
    tool_id: find(tenant, 'tools', ({ values }) => values['name'] === `zq${tenant.name}_member`),
  }),
  collection_items: ({ theirs }) => ({ agent_id: agent(theirs, 'public') }),
  eval_results: () => ({ execution_id: randomUUID() }),
  executions: () => ({
    status: 'pending',
    started_at: null,
    completed_at: null,
    error_code: null,
    error_message: null,
  }),
  favorites: ({ theirs }) => ({ agent_id: agent(theirs, 'public') }),
  listing_revisions: ({ tenant }) => ({
    listing_id: liveListing(tenant),
    agent_version_id: null,
  }),
  marketplace_installs: ({ theirs }) => ({
    listing_id: liveListing(theirs),
    cloned_agent_id: null,
  }),
  marketplace_listings: ({ tenant }) => ({ agent_id: agent(tenant, 'mine') }),
  models: () => ({ name: 'probe' }),
  organization_members: ({ world, tenant }) => ({ user_id: world.personId(`${tenant.name}-use`) }),
  plans: () => ({ name: 'probe' }),
  profiles: () => ({ id: randomUUID() }),
  purchases: ({ theirs }) => ({
    listing_id: find(theirs, 'purchases', () => true, 'listing_id'),
  }),
  review_reports: ({ theirs }) => ({
    review_id: find(theirs, 'agent_reviews', ({ kind }) => kind === 'public'),
  }),
  team_agents: ({ tenant }) => ({ agent_id: agent(tenant, 'public') }),
  usage_records: () => ({ period_start: '2021-01-01', period_end: '2021-01-31' }),
};

function agent(tenant: Tenant, kind: string): unknown {
  return find(tenant, 'agents', ({ values }) => values['slug'] === `${tenant.name}-${kind}`);
}

function liveListing(tenant: Tenant): unknown {
  return find(tenant, 'marketplace_listings', ({ kind }) => kind === 'public');
}

function find(tenant: Tenant, table: string, which: (row: Row) => boolean, column = 'id'): unknown {
  return tenant.rows.get(table)!.find(which)!.values[column];
}

/** A new row like this one, in the columns that the caller may write. */
export function copyOf(
  world: World,
  tenant: Tenant,
  row: Row,
  caller: CallerName,
): Record<string, unknown> {
  const { relation } = row;
  const isGranted = (column: Column): boolean =>
    relation.insertable.includes(column.name) ||
    // Nobody is signed in as service_role, so it says for whom.
    (caller === 'service_role' && /^(created_by_id|user_id|organization_id)$/.test(column.name));
  const columns = relation.columns
    .filter((column) => !column.isGenerated && column.name !== 'id')
    .filter((column) => relation.insertable.length === 0 || isGranted(column))
    .map((column) => column.name);
  const copy = Object.fromEntries(columns.map((column) => [column, row.values[column]]));
  for (const unique of relation.uniques) {
    const changeable = unique.find(
      (column) => columns.includes(column) && vary(copy[column]) !== undefined,
    );
    if (changeable) copy[changeable] = vary(copy[changeable]);
  }
  // Somebody else's, which the caller has not reviewed, reported or bought yet.
  const theirs = caller === 'stranger' ? world.kestrel : world.walrus;
  return { ...copy, ...COPIES[relation.name]?.({ world, tenant, theirs, caller }) };
}

/** Another value of the same kind; undefined for what cannot be varied, such as a reference. */
function vary(value: unknown): unknown {
  if (typeof value === 'number') return value + 1000;
  if (typeof value !== 'string' || /^[0-9a-f-]{36}$/.test(value)) return undefined;
  const time = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time + 86_400_000).toISOString();
  return `${value}2`;
}

/** One request of the matrix, undone after its answer. */
async function request(
  world: World,
  question: Question,
  caller: CallerName,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const headers = {
    ...(await world.headersOf(caller, question.scopes)),
    prefer: `tx=rollback, return=minimal${method === 'POST' ? '' : ', count=exact'}`,
  };
  return send(world, { method, path, body, headers }, forbiddenTo(caller));
}
