import { afterAll, describe, expect, it } from 'vitest';
import { tryCell } from '../access/attempts.ts';
import { EQUIVALENT, killerOf, mutantsOf } from '../access/mutants.ts';
import { formatLine, grantsOf, readMatrix, subjectOf, subjectsOf } from '../access/matrix.ts';
import { CALLERS, createWorld } from '../access/tenants.ts';

/**
 * Holds the database to docs/access-matrix.md: every cell is tried through the gateway and PostgREST on
 * two full tenants. While it tries, no answer to one tenant may hold a byte of the other's secrets.
 */
/** How many broken rules are tried here; `npm run prove` tries them all. */
const SAMPLE = 6;
const world = await createWorld();
const matrix = readMatrix();
afterAll(() => world.close());

describe('the matrix', () => {
  it('has a line for every table, command, function, bucket and channel, and for nothing else', () => {
    const named = new Set(matrix.lines.map(subjectOf));
    expect([...named].sort()).toEqual(subjectsOf(world.catalogue));
  });

  it('lists exactly the columns that may be written', () => {
    expect(matrix.grants).toEqual(grantsOf(world.catalogue));
  });
});

describe.each(['kestrel', 'walrus'] as const)('tenant %s', (name) => {
  it('has rows in every table, and its name in every text of them', () => {
    const tables = world.catalogue.relations.filter((relation) => !relation.isView);
    const bare = tables.flatMap((relation) => {
      const stored = world[name].rows.get(relation.name)!;
      const rows = stored.filter((row) => row.kind !== 'platform').map((row) => row.values);
      if (rows.length === 0) return stored.length > 0 ? [] : [`${relation.name} is empty`];
      return relation.columns
        .filter(({ name: column, type }) => isText(type) && !isVocabulary(relation.name, column))
        .filter(({ name: column }) => !rows.some((row) => holds(row[column], name)))
        .map(({ name: column }) => `${relation.name}.${column}`);
    });
    expect(bare).toEqual([]);
  });
});

for (const { cells, ...question } of matrix.lines) {
  const { subject, command } = question;
  it(command === 'call' ? `${subject}()` : `${command} ${subject}`, async () => {
    const found = Object.fromEntries(
      await Promise.all(
        CALLERS.map(async (caller) => [caller, await tryCell(world, question, caller)] as const),
      ),
    ) as typeof cells;
    expect(found, `found: ${formatLine({ ...question, cells: found })}`).toEqual(cells);
  });
}

describe('broken rules are noticed', async () => {
  const mutants = (await mutantsOf(world)).filter(({ name }) => !(name in EQUIVALENT));
  const every = Math.ceil(mutants.length / SAMPLE);
  const sample = mutants.filter((_, n) => n % every === 0);
  it.each(sample.map((mutant) => [mutant.name, mutant] as const))('%s', async (_, mutant) => {
    expect(await killerOf(world, matrix, mutant)).toBeDefined();
  });
});

function isText(type: string): boolean {
  return /^(text|jsonb|character varying)/.test(type);
}

function holds(value: unknown, name: string): boolean {
  return JSON.stringify(value ?? '')
    .toLowerCase()
    .includes(name);
}

/** Texts with a closed set of values, and what only a suspended listing has. */
function isVocabulary(table: string, column: string): boolean {
  return VOCABULARY.has(column) || VOCABULARY.has(`${table}.${column}`);
}
const VOCABULARY = new Set([
  ...['status', 'plan', 'scopes', 'timezone', 'version', 'trace_id', 'level', 'outcome', 'action'],
  ...['target_type', 'trigger_source', 'step_type', 'tool_status', 'resource_type', 'memory_type'],
  ...['agents.model', 'agent_versions.model', 'teams.leader_model', 'agent_events.event_type'],
  ...['execution_artifacts.type', 'execution_events.kind', 'webhooks.events'],
  ...['marketplace_listings.review_notes', 'marketplace_listings.suspended_from'],
]);
