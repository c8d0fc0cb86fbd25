import { readFileSync } from 'node:fs';
import type { Question } from './attempts.ts';
import type { Catalogue, Relation } from './catalogue.ts';
import { CHANNELS } from './files.ts';
import { CALLERS, type CallerName } from './tenants.ts';

const FILE = 'docs/access-matrix.md';

/** One line of the matrix: what is tried, and what each caller gets. */
export type Line = Question & { cells: Record<CallerName, string> };

/** What the API's roles are granted on a table, as a line of the file has it. */
export type Grant = {
  table: string;
  anon: string[];
  'signed in': string[];
  /** Columns. */
  insert: string[];
  update: string[];
};

export type Matrix = { lines: Line[]; grants: Grant[] };

const TRIED = ['table', 'bucket', 'channel', 'function'];

/** Reads docs/access-matrix.md: every table whose header begins with one of these, or `grants on`. */
export function readMatrix(): Matrix {
  const matrix: Matrix = { lines: [], grants: [] };
  let header: string[] = [];
  for (const text of readFileSync(FILE, 'utf8').split('\n')) {
    if (!text.startsWith('|')) {
      header = [];
      continue;
    }
    const fields = text
      .split('|')
      .slice(1, -1)
      .map((field) => field.trim());
    if (header.length === 0) {
      header = fields;
      continue;
    }
    if (/^:?-+:?$/.test(fields[0]!)) continue;
    const field = (name: string): string => fields[header.indexOf(name)]!;
    if (header[0] === 'grants on') {
      matrix.grants.push({
        table: fields[0]!,
        anon: namesIn(field('anon')),
        'signed in': namesIn(field('signed in')),
        insert: namesIn(field('insert')),
        update: namesIn(field('update')),
      });
    } else if (TRIED.includes(header[0]!)) {
      const commands = header[0] === 'function' ? ['call'] : field('command').split(', ');
      for (const command of commands) {
        matrix.lines.push({
          subject: fields[0]!,
          command,
          scopes: namesIn(field('scopes')),
          cells: Object.fromEntries(
            CALLERS.map((caller) => [caller, field(caller)]),
          ) as Line['cells'],
        });
      }
    }
  }
  return matrix;
}

/** A line as the file would have it, for whoever adds one. */
export function formatLine({ subject, command, scopes, cells }: Line): string {
  const commands = command === 'call' ? [] : [command];
  const fields = [
    subject,
    ...commands,
    scopes.join(' ') || '-',
    ...CALLERS.map((caller) => cells[caller]),
  ];
  return `| ${fields.join(' | ')} |`;
}

export function formatGrant(grant: Grant): string {
  const fields = [grant.anon, grant['signed in'], grant.insert, grant.update];
  return `| ${[grant.table, ...fields.map((names) => names.join(' ') || '-')].join(' | ')} |`;
}

/** What the database grants to the API's roles. */
export function grantsOf(catalogue: Catalogue): Grant[] {
  return catalogue.relations.map(({ name, anon, authenticated, insertable, updatable }) => ({
    table: name,
    anon,
    'signed in': authenticated,
    insert: insertable,
    update: updatable,
  }));
}

/** What the matrix must have lines for, as `subjectOf` names it. */
export function subjectsOf(catalogue: Catalogue): string[] {
  const commands = ['select', 'insert', 'update', 'delete'];
  const commandsOn = (relation: Relation): string[] => (relation.isView ? ['select'] : commands);
  const names = [
    ...catalogue.relations.flatMap((relation) =>
      commandsOn(relation).map((command) => `${relation.name} ${command}`),
    ),
    ...catalogue.routines.map(({ name, computedOn }) =>
      computedOn === null ? `${name} call` : `${name} on ${computedOn} call`,
    ),
    ...catalogue.buckets.flatMap((bucket) =>
      commands.map((command) => `storage.${bucket} ${command}`),
    ),
    ...CHANNELS.flatMap((channel) =>
      ['select', 'insert'].map((command) => `realtime.${channel} ${command}`),
    ),
  ];
  return names.sort();
}

/** Of a line: the table and its command, the function, or the computed column and its table. */
export function subjectOf({ subject, command }: Line): string {
  if (/ on \w+$/.test(subject)) return `${subject} ${command}`;
  return `${subject.split(' ')[0]} ${command.split(' ')[0]}`;
}

function namesIn(field: string): string[] {
  return field === '-' ? [] : field.split(' ');
}
