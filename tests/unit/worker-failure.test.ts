import { APICallError, StreamProviderError } from 'ai';
import { describe, expect, test } from 'vitest';
import { providerFailure, retryDelayMs, RunFailure } from '../../src/worker/failure.ts';

function answered(
  statusCode: number,
  options: { body?: string; headers?: Record<string, string> } = {},
) {
  return new APICallError({
    message: 'scripted',
    url: 'http://provider.test',
    requestBodyValues: {},
    statusCode,
    responseBody: options.body,
    responseHeaders: options.headers,
  });
}

describe('what a provider did wrong gets a code', () => {
  test.each([
    [400, '', 'provider_refused', false],
    [400, '{"error":{"code":"context_length_exceeded"}}', 'context_too_long', false],
    [400, '{"error":{"code":"content_filter"}}', 'provider_refused', false],
    [401, '', 'provider_auth', false],
    [402, '', 'provider_auth', false],
    [403, '', 'provider_auth', false],
    [404, '', 'model_unknown', false],
    [408, '', 'provider_unavailable', true],
    [413, '', 'context_too_long', false],
    [429, '', 'provider_rate_limited', true],
    [429, '{"error":{"code":"insufficient_quota"}}', 'provider_auth', false],
    [500, '', 'provider_unavailable', true],
    [529, '', 'provider_unavailable', true],
  ])('HTTP %i %s is %s', (status, body, code, retryable) => {
    expect(providerFailure(answered(status, { body }))).toMatchObject({ code, retryable });
  });

  test('a server that cannot be reached is unavailable', () => {
    const error = new APICallError({
      message: 'Cannot connect to API: connect ECONNREFUSED',
      url: 'http://provider.test',
      requestBodyValues: {},
    });
    expect(providerFailure(error)).toMatchObject({ code: 'provider_unavailable', retryable: true });
  });

  test('an error inside the stream counts like its status', () => {
    const error = new StreamProviderError({ message: 'slow down', type: 'rate_limit_error' });
    expect(providerFailure(error)).toMatchObject({
      code: 'provider_rate_limited',
      retryable: true,
    });
  });

  test('a failure of our own stays what it is', () => {
    const failure = new RunFailure('token_missing', 'set it');
    expect(providerFailure(failure)).toBe(failure);
  });
});

describe('waiting before the next try', () => {
  const transient = new RunFailure('provider_unavailable', '', { retryable: true });

  test('doubles from try to try, and has an end', () => {
    expect([1, 2, 3, 10].map((attempt) => retryDelayMs(transient, attempt, 1000, 0))).toEqual([
      1000, 2000, 4000, 30_000,
    ]);
  });

  test('is spread by up to a quarter', () => {
    expect(retryDelayMs(transient, 1, 1000, 0.999)).toBe(1250);
  });

  test.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after-ms': '1500' }, 1500],
    [{ 'retry-after': '0' }, 1000],
  ])('is as long as the provider asks: %o', (headers, expected) => {
    expect(retryDelayMs(providerFailure(answered(429, { headers })), 1, 1000, 0)).toBe(expected);
  });

  test('understands a date in Retry-After', () => {
    const headers = { 'retry-after': new Date(Date.now() + 20_000).toUTCString() };
    const delay = retryDelayMs(providerFailure(answered(429, { headers })), 1, 1000, 0);
    expect(delay).toBeGreaterThan(18_000);
    expect(delay).toBeLessThanOrEqual(20_000);
  });

  test('does not begin when the provider asks for an hour', () => {
    const failure = providerFailure(answered(429, { headers: { 'retry-after': '3600' } }));
    expect(retryDelayMs(failure, 1, 1000, 0)).toBeUndefined();
  });

  test('does not begin for what will not pass by itself', () => {
    expect(retryDelayMs(providerFailure(answered(401)), 1, 1000, 0)).toBeUndefined();
  });
});
