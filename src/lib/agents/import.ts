import { CsvError, parse } from '#csv-parse';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { Json } from '../supabase/database.types.ts';

/** What `import_agents` takes and `export_agent` answers; docs/import.md lists the fields. */
export type AgentDocument = {
  [field: string]: Json | undefined;
  name?: Json;
  system_prompt?: Json;
};

/** Where something stands in a file: on a line, or as an item of a list. Both count from 1. */
export type Place = { kind: 'line' | 'item'; number: number };

/** One prompt or agent of a file; without a document where the file itself is at fault. */
export type ImportRow = { place: Place; name: string; warnings: string[] } & (
  { document: AgentDocument; problem: null } | { document: null; problem: string }
);

/** What became of a row. `code` is in docs/error-codes.md. */
export type ImportResult = {
  place: Place;
  name: string;
  warnings: string[];
  outcome: 'created' | 'updated' | 'unchanged' | 'refused';
  agentId: string | null;
  code: string | null;
  message: string | null;
};

/** A row that `import_agents` answers. */
export type ImportAnswer = {
  ordinal: number;
  agent_id: string | null;
  outcome: string;
  code: string | null;
  message: string | null;
};

/**
 * Reads a collection of prompts: JSON where the text begins like it, CSV otherwise.
 *
 * @throws AppError `file_unreadable` when no row can be told from another
 */
export async function readImport(text: string): Promise<ImportRow[]> {
  // Saved under Windows, a file holds the same rows as before.
  const content = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const rows = /^\s*[[{]/.test(content) ? readJson(content) : readCsv(content);
  if (rows.length === 0) throw unreadable('The file has no rows.');
  return withExternalKeys(rows);
}

const BATCH_DOCUMENTS = 100;
const BATCH_CHARACTERS = 1_000_000;

/**
 * Sends the rows in batches that one request carries easily, and answers with what became of each, in
 * their order. A batch is one transaction: when `send` fails, all before it is kept.
 *
 * @param send calls `import_agents`
 */
export async function* importRows(
  rows: readonly ImportRow[],
  send: (documents: AgentDocument[]) => Promise<ImportAnswer[]>,
): AsyncGenerator<ImportResult> {
  for (const batch of batchesOf(rows)) {
    const documents = batch.map(({ document }) => document).filter((one) => one !== null);
    const answers = documents.length > 0 ? await send(documents) : [];
    answers.sort((a, b) => a.ordinal - b.ordinal);
    let next = 0;
    for (const { place, name, warnings, document, problem } of batch) {
      const answer = document && answers[next++];
      yield answer
        ? {
            place,
            name,
            warnings,
            outcome: z.enum(['created', 'updated', 'unchanged', 'refused']).parse(answer.outcome),
            agentId: answer.agent_id,
            code: answer.code,
            message: answer.message,
          }
        : {
            place,
            name,
            warnings,
            outcome: 'refused',
            agentId: null,
            code: 'row_unreadable',
            message: problem,
          };
    }
  }
}

/**
 * Turns `${name}` and `${name:default}` of a prompt into parameters and leaves `{{name}}` in their
 * place. A name has none of `( ) . [ { +`: with one of them, the expression is code and stays text.
 * Where a name comes with two defaults, the first holds.
 */
export function convertPrompt(prompt: string): {
  prompt: string;
  parameters: ImportedParameter[];
  warnings: string[];
} {
  const defaults = new Map<string, string | null>();
  const ignored = new Map<string, Set<string>>();
  const converted = prompt.replace(/\$\{([^}]*)\}/g, (expression, inside: string) => {
    const colon = inside.indexOf(':');
    const name = (colon < 0 ? inside : inside.slice(0, colon)).trim();
    if (!isParameterName(name)) return expression;
    const value = colon < 0 ? null : inside.slice(colon + 1);
    const first = defaults.get(name) ?? null;
    if (first === null) defaults.set(name, value);
    else if (value !== null && value !== first) {
      ignored.set(name, (ignored.get(name) ?? new Set()).add(value));
    }
    return `{{${name}}}`;
  });

  const warnings = [...ignored].map(([name, values]) => {
    const others = [...values].map((value) => `"${value}"`).join(', ');
    return `"${name}" keeps its first default "${defaults.get(name)}", not ${others}.`;
  });
  for (const name of defaults.keys()) {
    if (prompt.includes(`{{${name}}}`)) {
      warnings.push(`{{${name}}} stood in the text before and is filled in as well now.`);
    }
  }
  return { prompt: converted, parameters: [...defaults].map(toParameter), warnings };
}

type ImportedParameter = {
  name: string;
  type: 'string' | 'text';
  required: boolean;
  default_value: string | null;
};

// As the check on agent_parameters.name has it; a name that it refuses would cost the whole row.
function isParameterName(name: string): boolean {
  return name !== '' && [...name].length <= 200 && !/[().[{}+:\p{Cc}]/u.test(name);
}

const LONGEST_LINE = 120;

function toParameter([name, value]: [string, string | null]): ImportedParameter {
  const isLong = value !== null && (value.length > LONGEST_LINE || value.includes('\n'));
  return {
    name,
    type: isLong ? 'text' : 'string',
    required: value === null,
    default_value: value,
  };
}

/** A row before its key is made; `identity` is what makes it the same row when it is imported again. */
type KeylessRow = ImportRow & { identity: string };

const COLUMNS = ['act', 'prompt', 'for_devs', 'type', 'contributor'] as const;
type Column = (typeof COLUMNS)[number];

function readCsv(text: string): KeylessRow[] {
  const rows: KeylessRow[] = [];
  let header: string[] = [];
  const records = parse(text, {
    columns: (names: string[]) => (header = names.map((name) => name.trim())),
    info: true,
    raw: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error, raw) => {
      if (!(error instanceof CsvError)) return;
      rows.push({
        place: { kind: 'line', number: firstLine(Number(error.lines), raw) },
        name: '',
        warnings: [],
        document: null,
        problem: CSV_PROBLEMS[error.code] ?? error.message,
        identity: '',
      });
    },
  }) as unknown as {
    record: Partial<Record<Column, string>>;
    info: { lines: number };
    raw: string;
  }[];

  const missing = ['act', 'prompt'].filter((column) => !header.includes(column));
  if (missing.length > 0) {
    throw unreadable(`The first line of the file does not name the column ${missing.join(', ')}.`);
  }
  for (const { record, info, raw } of records) {
    rows.push(fromRecord(record, firstLine(info.lines, raw)));
  }
  return rows.sort((a, b) => a.place.number - b.place.number);
}

const CSV_PROBLEMS: Record<string, string> = {
  CSV_RECORD_INCONSISTENT_COLUMNS: 'The row does not have as many fields as the first line.',
  CSV_QUOTE_NOT_CLOSED: 'A quote is opened and never closed.',
  CSV_INVALID_CLOSING_QUOTE: 'A quote is closed in the middle of a field.',
  INVALID_OPENING_QUOTE: 'A quote is opened in the middle of a field.',
};

/** The parser counts the line that a record ends on; people look for the one that it begins on. */
function firstLine(lastLine: number, raw: string | undefined): number {
  return lastLine - (raw?.trim().split('\n').length ?? 1) + 1;
}

function fromRecord(record: Partial<Record<Column, string>>, line: number): KeylessRow {
  const { prompt, parameters, warnings } = convertPrompt(record.prompt ?? '');
  const row = {
    place: { kind: 'line' as const, number: line },
    name: record.act?.trim() ?? '',
    identity: JSON.stringify(COLUMNS.map((column) => record[column] ?? '')),
  };
  if (prompt.trim() === '') {
    return { ...row, warnings: [], document: null, problem: 'The prompt is empty.' };
  }
  return withStorableText({
    ...row,
    warnings,
    problem: null,
    document: {
      format: 'agentry.agent',
      format_version: 1,
      name: row.name,
      system_prompt: prompt,
      category: record.type?.trim() || null,
      configuration: {
        metadata: {
          contributor: record.contributor?.trim() || null,
          for_devs: record.for_devs?.trim().toUpperCase() === 'TRUE',
        },
      },
      parameters,
    },
  });
}

const documents = z
  .union([z.array(z.unknown()), z.record(z.string(), z.unknown()).transform((one) => [one])])
  .transform((list) => list as Json[]);

function readJson(text: string): KeylessRow[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw unreadable(`The file is not JSON: ${error instanceof Error ? error.message : error}.`);
  }
  return documents.parse(content).map((document, index) => {
    const row = {
      place: { kind: 'item' as const, number: index + 1 },
      name: isDocument(document) && typeof document.name === 'string' ? document.name : '',
      warnings: [],
      identity: JSON.stringify(document),
    };
    return isDocument(document)
      ? withStorableText({ ...row, document, problem: null })
      : { ...row, document: null, problem: 'The item is not an object.' };
  });
}

function isDocument(value: Json | undefined): value is AgentDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** PostgreSQL refuses these two in any text, and with it the whole batch that a document is part of. */
function withStorableText(row: KeylessRow): KeylessRow {
  // Well-formed JSON escapes both, after an even number of backslashes.
  const isStorable = !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(JSON.stringify(row.document));
  if (isStorable) return row;
  return {
    ...row,
    document: null,
    problem: 'The text holds a character that cannot be stored (NUL or half of a surrogate pair).',
  };
}

/**
 * Gives each document a key that is the same whenever the file is read: a hash of the row and of how
 * often it came before, so that full duplicates all land. Keys that a document brings are kept.
 */
async function withExternalKeys(rows: KeylessRow[]): Promise<ImportRow[]> {
  const occurrences = new Map<string, number>();
  return Promise.all(
    rows.map(async ({ identity, ...row }) => {
      const occurrence = (occurrences.get(identity) ?? 0) + 1;
      occurrences.set(identity, occurrence);
      if (row.document === null || row.document.external_key) return row;
      const external_key = await hash(`${identity}#${occurrence}`);
      return { ...row, document: { ...row.document, external_key } };
    }),
  );
}

async function hash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  const bytes = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'));
  return `sha256:${bytes.join('')}`;
}

function* batchesOf(rows: readonly ImportRow[]): Generator<ImportRow[]> {
  let batch: ImportRow[] = [];
  let characters = 0;
  for (const row of rows) {
    const size = JSON.stringify(row.document).length;
    if (
      batch.length > 0 &&
      (batch.length === BATCH_DOCUMENTS || characters + size > BATCH_CHARACTERS)
    ) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(row);
    characters += size;
  }
  if (batch.length > 0) yield batch;
}

function unreadable(message: string): AppError {
  return new AppError('file_unreadable', message, {
    hint: 'docs/import.md shows the forms that can be read.',
    status: 400,
  });
}
