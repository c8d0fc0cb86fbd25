import { describe, expect, test } from 'vitest';
import { layOutWaterfall, type TraceSpan } from '../../src/lib/executions/waterfall.ts';

const BEGIN = Date.parse('2026-01-01T00:00:00Z');

function span(
  id: string,
  sequence: number,
  fromMs: number,
  toMs: number | null,
  parent: string | null = null,
): TraceSpan {
  return {
    id,
    parent_step_id: parent,
    sequence_number: sequence,
    started_at: new Date(BEGIN + fromMs).toISOString(),
    completed_at: toMs === null ? null : new Date(BEGIN + toMs).toISOString(),
  };
}

describe('the trace', () => {
  test('puts children under their parent, in the order in which they began', () => {
    const { bars } = layOutWaterfall(
      [
        span('c', 3, 50, 90, 'a'),
        span('d', 4, 90, 100),
        span('a', 1, 0, 90),
        span('b', 2, 0, 50, 'a'),
      ],
      { from: BEGIN, to: BEGIN + 100 },
    );
    expect(bars.map((bar) => [bar.step.id, bar.depth])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 1],
      ['d', 0],
    ]);
  });

  test('places each bar by its share of the whole run', () => {
    const { bars, totalMs } = layOutWaterfall([span('a', 1, 250, 750)], {
      from: BEGIN,
      to: BEGIN + 1000,
    });
    expect(totalMs).toBe(1000);
    expect(bars[0]).toMatchObject({ start: 0.25, width: 0.5, durationMs: 500, isLive: false });
  });

  test('lets a step that has not ended reach the right edge', () => {
    const { bars } = layOutWaterfall([span('a', 1, 200, null)], { from: BEGIN, to: BEGIN + 1000 });
    expect(bars[0]).toMatchObject({ start: 0.2, width: 0.8, isLive: true });
  });

  test('widens the axis for a step outside the window', () => {
    const { bars, totalMs } = layOutWaterfall([span('a', 1, -100, 1100)], {
      from: BEGIN,
      to: BEGIN + 1000,
    });
    expect(totalMs).toBe(1200);
    expect(bars[0]).toMatchObject({ start: 0, width: 1 });
  });

  test('keeps a step whose parent has not arrived', () => {
    const { bars } = layOutWaterfall([span('b', 2, 0, 10, 'missing')], {
      from: BEGIN,
      to: BEGIN + 10,
    });
    expect(bars.map((bar) => [bar.step.id, bar.depth])).toEqual([['b', 0]]);
  });

  test.each([
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [840, [0, 200, 400, 600, 800]],
    [12_300, [0, 5_000, 10_000]],
  ])('marks round times on an axis of %i ms', (totalMs, expected) => {
    const { ticks } = layOutWaterfall([], { from: BEGIN, to: BEGIN + totalMs });
    expect(ticks.map((tick) => Number(tick.milliseconds.toFixed(3)))).toEqual(expected);
  });
});
