import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatExactMoney,
  formatMoney,
  formatNumber,
  formatRelativeTime,
} from '../../src/lib/format.ts';

describe('durations', () => {
  test.each([
    [0, '0 ms'],
    [840, '840 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [3_240, '3.2 s'],
    [59_940, '59.9 s'],
    [59_960, '1 m 0 s'],
    [130_000, '2 m 10 s'],
    [3_599_700, '1 h 0 m'],
    [3_900_000, '1 h 5 m'],
    [86_399_000, '1 d 0 h'],
    [183_600_000, '2 d 3 h'],
  ])('%d ms reads %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test('a duration that is not a number reads as a dash', () => {
    expect(formatDuration(Number.NaN)).toBe('–');
  });
});

describe('money', () => {
  test.each([
    [0, '$0.00'],
    ['0.00001', '<$0.0001'],
    [0.0034, '$0.0034'],
    [0.00996, '$0.01'],
    [0.01, '$0.01'],
    ['1234.5', '$1,234.50'],
    [-0.5, '−$0.50'],
  ])('%s reads %s', (usd, text) => {
    expect(formatMoney(usd)).toBe(text);
  });

  test('the exact amount keeps every digit', () => {
    expect(formatExactMoney('0.000012345')).toBe('$0.000012345');
  });
});

describe('numbers', () => {
  test.each([
    [0, '0'],
    [1_523, '1,523'],
    [9_999, '9,999'],
    [12_449, '12.4 k'],
    [999_949, '999.9 k'],
    [999_950, '1 M'],
    [2_000_000_000, '2 B'],
  ])('%d reads %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test.each([
    [812, '812 B'],
    [14_240, '14.2 kB'],
    [999_999, '1 MB'],
  ])('%d bytes read %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('relative times', () => {
  const now = new Date('2026-06-15T12:00:00');
  const before = (milliseconds: number) => new Date(now.getTime() - milliseconds);

  test.each([
    [0, 'just now'],
    [9_000, 'just now'],
    [40_000, '40 s ago'],
    [59 * 60_000, '59 min ago'],
    [3 * 3_600_000, '3 h ago'],
    [5 * 86_400_000, '5 d ago'],
    [-180_000, 'in 3 min'],
    [20 * 86_400_000, '26 May'],
    [400 * 86_400_000, '11 May 2025'],
  ])('%d ms before now reads %s', (milliseconds, text) => {
    expect(formatRelativeTime(before(milliseconds), now)).toBe(text);
  });

  test('a time that cannot be read is a dash, never "Invalid Date"', () => {
    expect(formatRelativeTime('soon', now)).toBe('–');
  });
});
