import { importAgents } from '$lib/agents/agents.ts';
import { importRows, readImport, type ImportResult, type ImportRow } from '$lib/agents/import.ts';
import type { Supabase } from '$lib/supabase/client.ts';

/** One import from the choice of a file to its results. */
export class PromptImport {
  fileName = $state('');
  rows: ImportRow[] = $state.raw([]);
  results: ImportResult[] = $state.raw([]);
  phase: 'choosing' | 'reading' | 'preview' | 'importing' | 'done' = $state('choosing');
  /** The file that cannot be read, or the batch that did not get through. */
  error: unknown = $state.raw(null);

  readonly readable = $derived(this.rows.filter(({ document }) => document !== null).length);
  readonly parameters = $derived(this.rows.reduce((sum, row) => sum + parametersOf(row).length, 0));
  readonly refused = $derived(this.results.filter(({ outcome }) => outcome === 'refused'));

  async read(file: File): Promise<void> {
    this.reset();
    this.fileName = file.name;
    this.phase = 'reading';
    try {
      this.rows = await readImport(await file.text());
      this.phase = 'preview';
    } catch (error) {
      this.error = error;
      this.phase = 'choosing';
    }
  }

  /** May be called again after a failure: what is in already is found by its key and left alone. */
  async run(supabase: Supabase, organizationId: string): Promise<void> {
    this.phase = 'importing';
    this.results = [];
    this.error = null;
    const results: ImportResult[] = [];
    try {
      const send = (documents: Parameters<typeof importAgents>[2]) =>
        importAgents(supabase, organizationId, documents);
      for await (const result of importRows(this.rows, send)) {
        results.push(result);
        this.results = [...results];
      }
      this.phase = 'done';
    } catch (error) {
      this.error = error;
      this.phase = 'preview';
    }
  }

  count(outcome: ImportResult['outcome']): number {
    return this.results.filter((result) => result.outcome === outcome).length;
  }

  reset(): void {
    this.fileName = '';
    this.rows = [];
    this.results = [];
    this.error = null;
    this.phase = 'choosing';
  }
}

/** The names of the parameters that a row would get. */
export function parametersOf(row: ImportRow): string[] {
  const parameters = row.document?.parameters;
  if (!Array.isArray(parameters)) return [];
  return parameters.flatMap((parameter) =>
    typeof parameter === 'object' &&
    parameter !== null &&
    'name' in parameter &&
    typeof parameter.name === 'string'
      ? parameter.name
      : [],
  );
}
