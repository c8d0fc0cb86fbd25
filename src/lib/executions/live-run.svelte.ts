import type { Supabase } from '../supabase/client.ts';
import {
  isFinished,
  listEvents,
  listLogs,
  listSteps,
  readRun,
  type Run,
  type RunEvent,
  type RunLog,
  type RunStep,
} from './executions.ts';

/** A run with all that belongs to it, as a page loads it. */
export type RunSnapshot = { run: Run; steps: RunStep[]; logs: RunLog[]; events: RunEvent[] };

export type Connection = 'connecting' | 'live' | 'polling' | 'ended';

/** Reads a run and what belongs to it; the events only where the answer is still being written. */
export async function readSnapshot(supabase: Supabase, runId: string): Promise<RunSnapshot> {
  const run = await readRun(supabase, runId);
  const [steps, logs, events] = await Promise.all([
    listSteps(supabase, runId),
    listLogs(supabase, runId),
    run.output?.text === undefined ? listEvents(supabase, runId) : [],
  ]);
  return { run, steps, logs, events };
}

const EVENT_KINDS = ['delta', 'step', 'status'] as const;
const POLL_MS = 1_500;
/** A broadcast may be lost without a trace; this bounds for how long. */
const RECONCILE_MS = 10_000;

/**
 * A run as it happens. The answer grows by numbered `delta` events; `step` and `status` events only say
 * that rows have changed, and the rows are read again. Events come over the private channel
 * `execution:<id>`; whatever was missed is read from `execution_events`, and while the channel is
 * away the same is polled.
 */
export class LiveRun {
  run: Run = $state.raw()!;
  steps: RunStep[] = $state.raw([]);
  logs: RunLog[] = $state.raw([]);
  readonly isFinished = $derived(isFinished(this.run.status));
  readonly connection: Connection = $derived.by(() => (this.isFinished ? 'ended' : this.#link));
  /** The answer so far: of a finished run its output, before that what has been streamed. */
  readonly text = $derived.by(() => this.run.output?.text ?? this.#streamed);

  #link: Exclude<Connection, 'ended'> = $state('connecting');
  #streamed = $state('');
  #lastSeq = 0;
  readonly #supabase: Supabase;
  readonly #readRows: () => Promise<void>;
  readonly #readMissedEvents: () => Promise<void>;

  constructor(supabase: Supabase, snapshot: RunSnapshot) {
    this.#supabase = supabase;
    this.run = snapshot.run;
    this.steps = snapshot.steps;
    this.logs = snapshot.logs;
    for (const { seq, kind, payload } of snapshot.events) this.#apply(seq, kind, payload);
    this.#readRows = oneAtATime(() => this.#fetchRows());
    this.#readMissedEvents = oneAtATime(() => this.#fetchMissedEvents());
  }

  /** Follows the run until it ends; call what comes back to stop before that. */
  watch(): () => void {
    if (this.isFinished) return () => undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;

    const channel = this.#supabase.channel(`execution:${this.run.id}`, {
      config: { private: true },
    });
    for (const kind of EVENT_KINDS) {
      channel.on('broadcast', { event: kind }, ({ payload }) => {
        this.#receive(Number(payload?.seq), kind, payload);
      });
    }
    // The channel joins as whoever is signed in now; later tokens are sent on by supabase-js.
    this.#supabase.realtime.setAuth().then(
      () => {
        if (stopped) return;
        channel.subscribe((status) => {
          if (stopped) return;
          this.#link = status === 'SUBSCRIBED' ? 'live' : 'polling';
          void this.#catchUp();
        });
      },
      () => (this.#link = 'polling'),
    );

    const stop = () => {
      stopped = true;
      clearTimeout(timer);
      void this.#supabase.removeChannel(channel);
    };
    const tick = async () => {
      await this.#catchUp();
      if (stopped) return;
      if (this.isFinished) stop();
      else schedule();
    };
    const schedule = () => {
      timer = setTimeout(tick, this.#link === 'live' ? RECONCILE_MS : POLL_MS);
    };
    schedule();

    return () => {
      if (!stopped) stop();
    };
  }

  /** Reads the rows again, after something that this page itself did. */
  refresh(): Promise<void> {
    return this.#catchUp();
  }

  #receive(seq: number, kind: string, payload: RunEvent['payload']): void {
    if (!(seq > this.#lastSeq)) return;
    if (seq > this.#lastSeq + 1) {
      // Something came before that this page has not seen; it is read together with this one.
      void this.#catchUp();
      return;
    }
    this.#apply(seq, kind, payload);
    if (kind !== 'delta') void Promise.allSettled([this.#readRows()]);
  }

  #apply(seq: number, kind: string, payload: RunEvent['payload']): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    if (kind !== 'delta') return;
    // A new attempt begins its answer anew.
    if (payload.reset) this.#streamed = '';
    if (typeof payload.text === 'string') this.#streamed += payload.text;
  }

  /** Never throws: a request that failed is repeated by the next tick. */
  async #catchUp(): Promise<void> {
    await Promise.allSettled([this.#readMissedEvents(), this.#readRows()]);
  }

  async #fetchMissedEvents(): Promise<void> {
    const events = await listEvents(this.#supabase, this.run.id, this.#lastSeq);
    for (const { seq, kind, payload } of events) this.#apply(seq, kind, payload);
  }

  async #fetchRows(): Promise<void> {
    const run = await readRun(this.#supabase, this.run.id);
    // Read after the run itself: of one that has ended they are complete.
    const [steps, logs] = await Promise.all([
      listSteps(this.#supabase, this.run.id),
      listLogs(this.#supabase, this.run.id, this.logs.at(-1)?.sequence_number),
    ]);
    this.run = run;
    this.steps = steps;
    this.logs = [...this.logs, ...logs];
  }
}

/** Calls during a call are answered by one more after it, so that the last answer is never stale. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const call = (): Promise<void> => {
    if (!running) {
      running = work().finally(() => (running = null));
      return running;
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return call();
      });
    return next;
  };
  return call;
}
