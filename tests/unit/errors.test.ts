import { describe, expect, test } from 'vitest';
import { AppError, toAppError } from '../../src/lib/errors.ts';

const refusal = (code: string, details: string | null = null) => ({
  code,
  message: 'No.',
  details,
  hint: null,
});

describe('what the server refused', () => {
  test('our own errors keep their code, status, words and next step', () => {
    const error = toAppError({
      code: 'PT402',
      message: 'All 5 seats are taken.',
      details: 'member_quota_exceeded',
      hint: 'Remove a member.',
    });
    expect(error).toMatchObject({
      code: 'member_quota_exceeded',
      status: 402,
      message: 'All 5 seats are taken.',
      hint: 'Remove a member.',
    });
  });

  test.each([
    ['23505', 'already_exists', 409],
    ['42501', 'not_allowed', 403],
    ['PGRST116', 'not_found', 404],
    ['PGRST303', 'not_signed_in', 401],
    ['57014', 'took_too_long', 504],
  ])('%s of Postgres or PostgREST becomes %s', (code, expected, status) => {
    expect(toAppError(refusal(code, 'Key (slug)=(x) already exists.'))).toMatchObject({
      code: expected,
      status,
    });
  });

  test("Auth's own codes pass", () => {
    const refused = Object.assign(new Error('Invalid login credentials'), {
      code: 'invalid_credentials',
      status: 400,
    });
    expect(toAppError(refused)).toMatchObject({ code: 'invalid_credentials', status: 400 });
  });

  test('a refresh token that is gone means signed out', () => {
    expect(toAppError(refusal('refresh_token_not_found'))).toMatchObject({ status: 401 });
  });
});

describe('when no proper answer came', () => {
  test.each([
    new TypeError('Failed to fetch'),
    { message: 'TypeError: fetch failed', code: '', details: '', hint: '' },
    new TypeError('NetworkError when attempting to fetch resource.'),
  ])('a lost connection is unreachable', (error) => {
    expect(toAppError(error)).toMatchObject({ code: 'unreachable', status: 0 });
  });

  test('a gateway without its part is unavailable', () => {
    expect(toAppError(refusal(''), 503)).toMatchObject({ code: 'unavailable', status: 503 });
  });

  test.each([undefined, null, 'broken', {}, new Error('boom')])(
    'anything else is unexpected, and still an AppError',
    (error) => {
      expect(toAppError(error)).toBeInstanceOf(AppError);
      expect(toAppError(error)).toMatchObject({ code: 'unexpected', status: 500 });
    },
  );

  test('an AppError stays itself', () => {
    const error = new AppError('link_incomplete', '');
    expect(toAppError(error)).toBe(error);
  });
});
