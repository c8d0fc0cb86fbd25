import { toAppError, type AppError } from '$lib/errors.ts';

/** One page of a keyset-paged list. */
export type Page<Row> = { rows: Row[]; hasMore: boolean };

/**
 * The rows of a list that grows by "load more". Made anew whenever the first page changes:
 * `const list = $derived(new KeysetList(data.runs, (last) => listRuns(supabase, { after: last })))`.
 */
export class KeysetList<Row> {
  rows: Row[] = $state.raw([]);
  hasMore = $state(false);
  loading = $state(false);
  error: AppError | null = $state.raw(null);
  readonly #fetchAfter: (last: Row) => Promise<Page<Row>>;

  constructor(first: Page<Row>, fetchAfter: (last: Row) => Promise<Page<Row>>) {
    this.rows = first.rows;
    this.hasMore = first.hasMore;
    this.#fetchAfter = fetchAfter;
  }

  loadMore = async (): Promise<void> => {
    const last = this.rows.at(-1);
    if (last === undefined || this.loading) return;
    this.loading = true;
    this.error = null;
    try {
      const next = await this.#fetchAfter(last);
      this.rows = [...this.rows, ...next.rows];
      this.hasMore = next.hasMore;
    } catch (error) {
      this.error = toAppError(error);
    } finally {
      this.loading = false;
    }
  };
}
