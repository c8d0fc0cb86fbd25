/**
 * The one error that modules of `src/lib` throw, and the one place that turns what PostgREST,
 * Postgres, Auth and the network answer into it. Callers switch on `code`, never on prose.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  /** Stable snake_case code, listed in docs/error-codes.md. */
  readonly code: string;
  /** The next step, in the words of whoever refused; empty when there is none. */
  readonly hint: string;
  /** HTTP status; 0 when no answer came at all. */
  readonly status: number;

  constructor(code: string, message: string, options: { hint?: string; status?: number } = {}) {
    super(message);
    this.code = code;
    this.hint = options.hint ?? '';
    this.status = options.status ?? 500;
  }
}

/** Makes an {@link AppError} of anything that was thrown or came back in `{ error }`. */
export function toAppError(error: unknown, status?: number): AppError {
  if (error instanceof AppError) return error;
  const { code, message, details, hint } = shapeOf(error);

  if (/failed to fetch|fetch failed|load failed|networkerror/i.test(message)) {
    return new AppError('unreachable', 'The server cannot be reached.', { status: 0 });
  }

  // Ours: `raise sqlstate 'PT404'`, with our code in `detail`.
  const own = /^PT([1-5]\d\d)$/.exec(code);
  if (own) {
    return new AppError(details || `http_${own[1]}`, message, { hint, status: Number(own[1]) });
  }

  const known = KNOWN_CODES[code];
  if (known) return new AppError(known.code, message, { hint, status: known.status });

  const answered = status ?? shapeOf(error).status;
  if (answered && [502, 503, 504].includes(answered)) {
    return new AppError('unavailable', message || 'A part of the server is away.', {
      hint,
      status: answered,
    });
  }
  // Auth answers with codes of its own (`invalid_credentials`), which are stable too.
  if (/^[a-z][a-z0-9_]+$/.test(code)) {
    return new AppError(code, message, { hint, status: answered ?? 400 });
  }
  return new AppError('unexpected', message || 'Something unexpected happened.', {
    hint,
    status: answered ?? 500,
  });
}

/** What Postgres and PostgREST say on their own, outside our functions. */
const KNOWN_CODES: Record<string, { code: string; status: number }> = {
  '23505': { code: 'already_exists', status: 409 },
  '23503': { code: 'reference_missing', status: 409 },
  '23502': { code: 'value_missing', status: 400 },
  '23514': { code: 'value_refused', status: 400 },
  '22P02': { code: 'value_refused', status: 400 },
  '22001': { code: 'value_refused', status: 400 },
  '40001': { code: 'try_again', status: 409 },
  '40P01': { code: 'try_again', status: 409 },
  '42501': { code: 'not_allowed', status: 403 },
  '57014': { code: 'took_too_long', status: 504 },
  PGRST000: { code: 'unavailable', status: 503 },
  PGRST001: { code: 'unavailable', status: 503 },
  PGRST002: { code: 'unavailable', status: 503 },
  PGRST003: { code: 'unavailable', status: 504 },
  PGRST116: { code: 'not_found', status: 404 },
  PGRST301: { code: 'not_signed_in', status: 401 },
  PGRST302: { code: 'not_signed_in', status: 401 },
  PGRST303: { code: 'not_signed_in', status: 401 },
  refresh_token_not_found: { code: 'not_signed_in', status: 401 },
  refresh_token_already_used: { code: 'not_signed_in', status: 401 },
  session_not_found: { code: 'not_signed_in', status: 401 },
  session_expired: { code: 'not_signed_in', status: 401 },
  bad_jwt: { code: 'not_signed_in', status: 401 },
  email_exists: { code: 'user_already_exists', status: 422 },
};

type ErrorShape = {
  code: string;
  message: string;
  details: string;
  hint: string;
  status: number | undefined;
};

function shapeOf(error: unknown): ErrorShape {
  const fields: Record<string, unknown> =
    typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '');
  return {
    code: text('code'),
    message: text('message') || (typeof error === 'string' ? error : ''),
    details: text('details'),
    hint: text('hint'),
    status: typeof fields.status === 'number' ? fields.status : undefined,
  };
}
