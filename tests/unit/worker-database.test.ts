import { describe, expect, test, vi } from 'vitest';
import { untilAnswered } from '../../src/worker/database.ts';

function refusal(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('a statement of the worker', () => {
  vi.useFakeTimers();

  test.each(['CONNECTION_CLOSED', '57P01', '40P01', '40001'])(
    'is made again after %s',
    async (code) => {
      const statement = vi.fn(async () => 'answer').mockRejectedValueOnce(refusal(code));
      const answer = untilAnswered(statement, new AbortController().signal);
      await vi.advanceTimersByTimeAsync(100);
      expect(await answer).toBe('answer');
      expect(statement).toHaveBeenCalledTimes(2);
    },
  );

  test('is made once when the database refuses it', async () => {
    const statement = vi.fn().mockRejectedValue(refusal('PT409'));
    await expect(untilAnswered(statement, new AbortController().signal)).rejects.toThrow('PT409');
    expect(statement).toHaveBeenCalledTimes(1);
  });
});
