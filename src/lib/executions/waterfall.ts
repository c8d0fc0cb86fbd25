/** Where the steps of a run lie on its time axis: the arithmetic behind the trace. */

/** What a step must have to stand in the trace; times as the database writes them. */
export type TraceSpan = {
  id: string;
  parent_step_id: string | null;
  sequence_number: number;
  started_at: string;
  completed_at: string | null;
};

export type TraceBar<S extends TraceSpan> = {
  step: S;
  /** 0 for a step that no other step contains. */
  depth: number;
  /** Left edge and width as shares of the axis, 0 to 1. */
  start: number;
  width: number;
  durationMs: number;
  isLive: boolean;
};

export type Tick = { offset: number; milliseconds: number };

export type Waterfall<S extends TraceSpan> = {
  /** Depth first, siblings in the order in which the worker began them. */
  bars: TraceBar<S>[];
  ticks: Tick[];
  totalMs: number;
};

/**
 * Lays the steps out between `from` and `to` (epoch milliseconds; `to` is now while the run lives).
 * Clocks of two workers may disagree a little, so the axis widens to whatever a step says.
 * A step that has not ended reaches the right edge. A step whose parent is not there (steps expire
 * and arrive one by one) stands at the root.
 */
export function layOutWaterfall<S extends TraceSpan>(
  steps: readonly S[],
  window: { from: number; to: number },
  mostTicks = 5,
): Waterfall<S> {
  const starts = steps.map((step) => Date.parse(step.started_at));
  const ends = steps.map((step) => (step.completed_at ? Date.parse(step.completed_at) : window.to));
  const from = Math.min(window.from, ...starts);
  const to = Math.max(window.to, ...ends);
  const totalMs = Math.max(1, to - from);

  const bars = inTreeOrder(steps).map(({ step, depth }) => {
    const startedAt = Date.parse(step.started_at);
    const endedAt = step.completed_at ? Date.parse(step.completed_at) : to;
    const durationMs = Math.max(0, endedAt - startedAt);
    return {
      step,
      depth,
      start: (startedAt - from) / totalMs,
      width: durationMs / totalMs,
      durationMs,
      isLive: step.completed_at === null,
    };
  });
  return { bars, ticks: ticksOf(totalMs, mostTicks), totalMs };
}

function inTreeOrder<S extends TraceSpan>(steps: readonly S[]): { step: S; depth: number }[] {
  const known = new Set(steps.map((step) => step.id));
  const children = new Map<string | null, S[]>();
  for (const step of steps) {
    const parent =
      step.parent_step_id !== null && known.has(step.parent_step_id) ? step.parent_step_id : null;
    const siblings = children.get(parent) ?? [];
    siblings.push(step);
    children.set(parent, siblings);
  }

  const ordered: { step: S; depth: number }[] = [];
  const visit = (parent: string | null, depth: number) => {
    const siblings = children.get(parent) ?? [];
    for (const step of siblings.toSorted((a, b) => a.sequence_number - b.sequence_number)) {
      ordered.push({ step, depth });
      visit(step.id, depth + 1);
    }
  };
  visit(null, 0);
  return ordered;
}

/** Marks at round times (1, 2 or 5 times a power of ten), besides zero at most so many. */
function ticksOf(totalMs: number, most: number): Tick[] {
  const rough = totalMs / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: Tick[] = [];
  for (let at = 0; at <= totalMs; at += step) {
    ticks.push({ offset: at / totalMs, milliseconds: at });
  }
  return ticks;
}
