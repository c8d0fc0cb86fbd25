// npm run import -- FILE [options]: brings a collection of prompts into an organization, as agents.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sql, type Kysely } from 'kysely';
import postgres from 'postgres';
import {
  type AgentDocument,
  type ImportAnswer,
  type ImportResult,
  type Place,
  importRows,
  readImport,
} from '../lib/agents/import.ts';
import { toAppError } from '../lib/errors.ts';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { kyselyOver } from '../lib/supabase/kysely.ts';
import { runningStackEnv } from '../stack/data-folder.ts';
import { DEMO_EMAIL } from '../stack/first-data.ts';
import { dataDir } from '../stack/settings.ts';

const USAGE = `npm run import -- FILE [options]

Brings a collection of prompts into an organization, each as an agent: CSV with the columns
act,prompt,for_devs,type,contributor, or JSON as docs/import.md describes. Importing the same file
again changes nothing.

  --user EMAIL          who imports, and so is the creator (${DEMO_EMAIL})
  --organization SLUG   where to (the user's personal organization)
  --max-agents N        raises the organization's limit of agents to N first
  --dry-run             checks everything and keeps nothing

The database is DATABASE_URL, or the stack that runs here.`;

type Options = {
  file: string;
  user: string;
  organization: string | undefined;
  maxAgents: number | undefined;
  dryRun: boolean;
};
type Importer = { userId: string; organizationId: string; organizationName: string };

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const { message, hint } = toAppError(error);
    console.error([message, hint].filter(Boolean).join(' '));
    process.exitCode = 1;
  },
);

/** @returns 0 when every row landed, 1 when one was refused, 2 when the command was not understood */
async function main(): Promise<number> {
  const options = readOptions();
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  const rows = await readImport(await readFile(options.file, 'utf8'));
  const database = kyselyOver(postgres(await databaseUrl(), { max: 1, onnotice: () => {} }));
  try {
    const importer = await findImporter(database, options);
    if (options.maxAgents) await raiseLimit(database, importer, options.maxAgents);

    console.log(`Importing ${rows.length} rows into ${importer.organizationName}.`);
    const report = new Report(rows.length, options.dryRun);
    const send = (documents: AgentDocument[]) =>
      importDocuments(database, importer, documents, options.dryRun);
    for await (const result of importRows(rows, send)) report.add(result);
    return report.finish();
  } finally {
    await database.destroy();
  }
}

function readOptions(): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        user: { type: 'string', default: DEMO_EMAIL },
        organization: { type: 'string' },
        'max-agents': { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
      },
    });
    const maxAgents = values['max-agents'];
    if (positionals.length !== 1 || (maxAgents && !/^[1-9]\d{0,8}$/.test(maxAgents))) return;
    return {
      // npm runs scripts in the project's folder; the file is named from where the caller stands.
      file: resolve(process.env['INIT_CWD'] ?? '.', positionals[0]!),
      user: values.user,
      organization: values.organization,
      maxAgents: maxAgents ? Number(maxAgents) : undefined,
      dryRun: values['dry-run'],
    };
  } catch {
    return;
  }
}

async function databaseUrl(): Promise<string> {
  const url =
    process.env['DATABASE_URL'] || (await runningStackEnv(dataDir(process.env)))?.['DATABASE_URL'];
  if (!url) throw new Error('No stack runs here: start one with npm start, or set DATABASE_URL.');
  return url;
}

async function findImporter(database: Kysely<DB>, options: Options): Promise<Importer> {
  const user = await database
    .withSchema('auth')
    .selectFrom('users' as never)
    .select(sql<string>`id`.as('id'))
    .where(sql`lower(email)`, '=', options.user.toLowerCase())
    .executeTakeFirst();
  if (!user) {
    throw new Error(`Nobody has signed up as ${options.user}: name somebody else with --user.`);
  }
  const organization = await database
    .selectFrom('organizations as o')
    .innerJoin('organization_members as m', 'm.organization_id', 'o.id')
    .select(['o.id', 'o.name'])
    .where('m.user_id', '=', user.id)
    .where('o.deleted_at', 'is', null)
    .where((where) =>
      options.organization
        ? where('o.slug', '=', options.organization)
        : where('o.is_personal', '=', true),
    )
    .executeTakeFirst();
  if (!organization) {
    throw new Error(
      options.organization
        ? `${options.user} is no member of an organization with the slug ${options.organization}.`
        : `${options.user} has no personal organization: name another with --organization.`,
    );
  }
  return {
    userId: user.id,
    organizationId: organization.id,
    organizationName: organization.name,
  };
}

/** The operator's privilege: whoever has the database's password may set what an organization may have. */
async function raiseLimit(database: Kysely<DB>, importer: Importer, limit: number): Promise<void> {
  const raised = await database
    .updateTable('organizations')
    .set({ max_agents: limit })
    .where('id', '=', importer.organizationId)
    .where('max_agents', '<', limit)
    .executeTakeFirst();
  if (raised.numUpdatedRows > 0n) {
    console.log(`${importer.organizationName} may have ${limit} agents now.`);
  }
}

/** One batch, as the importing user: the same policies, checks and limits as for a request of theirs. */
async function importDocuments(
  database: Kysely<DB>,
  { userId, organizationId }: Importer,
  documents: AgentDocument[],
  dryRun: boolean,
): Promise<ImportAnswer[]> {
  const claims = JSON.stringify({ sub: userId, role: 'authenticated' });
  return database.transaction().execute(async (transaction) => {
    await sql`
      select set_config('request.jwt.claims', ${claims}, true),
        set_config('role', 'authenticated', true)`.execute(transaction);
    const { rows } = await sql<ImportAnswer>`
      select * from public.import_agents(
        ${organizationId}::uuid, ${JSON.stringify(documents)}::text::jsonb, ${dryRun})`.execute(
      transaction,
    );
    return rows;
  });
}

/** Prints refused rows and warnings as they come, a bar below them, and the sum at the end. */
class Report {
  readonly #total: number;
  readonly #dryRun: boolean;
  readonly #started = performance.now();
  readonly #counts = { created: 0, updated: 0, unchanged: 0, refused: 0 };
  #overLimit = 0;
  #done = 0;

  constructor(total: number, dryRun: boolean) {
    this.#total = total;
    this.#dryRun = dryRun;
  }

  add(result: ImportResult): void {
    this.#done += 1;
    this.#counts[result.outcome] += 1;
    if (result.code === 'agent_limit_reached') this.#overLimit += 1;
    if (result.outcome === 'refused') {
      this.#print(`${label(result)}: refused. ${result.message} (${result.code})`);
    } else if (result.outcome !== 'unchanged') {
      for (const warning of result.warnings) this.#print(`${label(result)}: ${warning}`);
    }
    this.#draw();
  }

  finish(): number {
    this.#clear();
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    const sums = Object.entries(this.#counts)
      .filter(([outcome, count]) => count > 0 || outcome === 'created')
      .map(([outcome, count]) => `${count} ${outcome}`);
    console.log(
      `${this.#dryRun ? 'Would be: ' : ''}${sums.join(', ')}, of ${this.#total} rows in ${seconds} s.`,
    );
    if (this.#overLimit > 0) {
      console.log('The organization is at its limit of agents; --max-agents N raises it.');
    }
    return this.#counts.refused > 0 ? 1 : 0;
  }

  #print(line: string): void {
    this.#clear();
    console.log(line);
  }

  #draw(): void {
    const isStep = this.#done % 20 === 0 || this.#done === this.#total;
    if (!process.stderr.isTTY || !isStep) return;
    const filled = Math.round((this.#done / this.#total) * 30);
    const bar = '█'.repeat(filled) + '░'.repeat(30 - filled);
    process.stderr.write(`\r${bar} ${this.#done} of ${this.#total}`);
  }

  #clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

function label({ place, name }: { place: Place; name: string }): string {
  return `${place.kind} ${place.number}${name ? ` "${name}"` : ''}`;
}
