import { afterAll, describe, expect, it } from 'vitest';
import { tryCell } from '../access/attempts.ts';
import { formatLine, grantsOf, readMatrix, subjectsOf } from '../access/matrix.ts';
import { CALLERS, PLATFORM_TABLES, createWorld } from '../access/tenants.ts';

/**
 * Holds the database to docs/access-matrix.md: every cell is tried through the gateway and PostgREST on
 * two full tenants. While it tries, no answer to one tenant may hold a byte of the other's secrets.
 */
const world = await createWorld();
const matrix = readMatrix();
afterAll(() => world.close());

describe('the matrix', () => {
  it('has a line for every table, command and function, and for nothing else', () => {
    const named = new Set(
      matrix.lines.map(
        ({ subject, command }) => `${subject.split(' ')[0]} ${command.split(' ')[0]}`,
      ),
    );
    expect([...named].sort()).toEqual(subjectsOf(world.catalogue).sort());
  });

  it('lists exactly the columns that may be written', () => {
    expect(matrix.grants).toEqual(grantsOf(world.catalogue));
  });
});

describe.each(['kestrel', 'walrus'] as const)('tenant %s', (name) => {
  it('has rows in every table, and its name in every text of them', () => {
    const ofTenants = world.catalogue.relations.filter((r) => !PLATFORM_TABLES.includes(r.name));
    const bare = ofTenants.flatMap((relation) => {
      const rows = world[name].rows.get(relation.name)!.map((row) => row.values);
      if (rows.length === 0) return [`${relation.name} is empty`];
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

function isText(type: string): boolean {
  return /^(text|jsonb|character varying)/.test(type);
}

function holds(value: unknown, name: string): boolean {
  return JSON.stringify(value ?? '')
    .toLowerCase()
    .includes(name);
}

/** Texts with a closed set of values, or that the platform writes. */
function isVocabulary(table: string, column: string): boolean {
  return VOCABULARY.has(column) || VOCABULARY.has(`${table}.${column}`);
}
const VOCABULARY = new Set([
  ...['status', 'plan', 'scopes', 'timezone', 'version', 'trace_id', 'level', 'outcome', 'action'],
  ...['target_type', 'trigger_source', 'step_type', 'tool_status', 'resource_type'],
  ...[
    'agents.model',
    'agent_versions.model',
    'execution_artifacts.type',
    'execution_events.kind',
    'webhooks.events',
  ],
]);
