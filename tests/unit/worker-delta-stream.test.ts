import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { DeltaStream } from '../../src/worker/delta-stream.ts';
import { Redaction } from '../../src/worker/redaction.ts';

type Delta = { text: string; reset?: true };

/** What a watcher has on the screen after these deltas. */
function watched(deltas: Delta[]): string {
  return deltas.reduce((text, delta) => (delta.reset ? delta.text : text + delta.text), '');
}

function hiding(...secrets: string[]): Redaction {
  const redaction = new Redaction();
  for (const secret of secrets) redaction.add(secret);
  return redaction;
}

function connectionLost(): Error {
  return Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' });
}

async function stream(chunks: string[], redaction: Redaction, pauseMs: number): Promise<Delta[]> {
  const deltas: Delta[] = [];
  const stream = new DeltaStream(
    async (delta) => void deltas.push(delta),
    redaction,
    (error) => {
      throw error;
    },
  );
  for (const chunk of chunks) {
    stream.push(chunk);
    await vi.advanceTimersByTimeAsync(pauseMs);
  }
  const ended = stream.end();
  await vi.advanceTimersByTimeAsync(1000);
  await ended;
  return deltas;
}

describe('a stream of deltas', () => {
  vi.useFakeTimers();

  test('shows a watcher the text without its secrets, however it is cut', async () => {
    const secret = 'abcab-secret';
    const pieces = fc.oneof(
      fc.constantFrom('abc', 'abcab', '-secret', 'abcab-secret', 'a', ' ', '\u{1f600}'),
      fc.string({ maxLength: 5 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 20 }), fc.nat(80), async (chunks, pauseMs) => {
        const deltas = await stream(chunks, hiding(secret), pauseMs);
        expect(watched(deltas)).toBe(chunks.join('').replaceAll(secret, '•••'));
        for (const { text } of deltas) expect(text.isWellFormed()).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('puts what arrives together into one delta', async () => {
    expect(await stream(['a', 'b', 'c', 'd'], hiding(), 5)).toEqual([{ text: 'abcd' }]);
  });

  test('repeats everything after a lost connection, because the last delta may be lost', async () => {
    const deltas: Delta[] = [];
    let outages = 1;
    const stream = new DeltaStream(
      async (delta) => {
        deltas.push(delta);
        if (delta.text === 'two' && outages-- > 0) throw connectionLost();
      },
      hiding(),
      () => {},
    );
    stream.push('one');
    await vi.advanceTimersByTimeAsync(100);
    stream.push('two');
    await vi.advanceTimersByTimeAsync(200);
    stream.push('three');
    await vi.advanceTimersByTimeAsync(100);
    await stream.end();

    expect(deltas).toEqual([
      { text: 'one' },
      { text: 'two' },
      { text: 'onetwo', reset: true },
      { text: 'three' },
    ]);
  });

  test('takes back the text of an earlier attempt', async () => {
    const deltas: Delta[] = [];
    const stream = new DeltaStream(
      async (delta) => void deltas.push(delta),
      hiding(),
      () => {},
    );
    await stream.startOver();
    expect(deltas).toEqual([{ text: '', reset: true }]);
  });

  test('says when a delta is refused, and sends nothing more', async () => {
    const send = vi.fn().mockRejectedValue(new Error('lease lost'));
    const onFailure = vi.fn();
    const stream = new DeltaStream(send, hiding(), onFailure);
    stream.push('one');
    await vi.advanceTimersByTimeAsync(100);
    stream.push('two');
    await vi.advanceTimersByTimeAsync(100);

    expect(onFailure).toHaveBeenCalledExactlyOnceWith(new Error('lease lost'));
    expect(send).toHaveBeenCalledTimes(1);
  });
});
