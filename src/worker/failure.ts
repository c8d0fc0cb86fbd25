import { APICallError, InvalidResponseDataError, NoSuchModelError, StreamProviderError } from 'ai';

/** Why a run failed, as it stands in executions.error_code. docs/error-codes.md has the next steps. */
export type FailureCode =
  | 'provider_auth'
  | 'provider_rate_limited'
  | 'provider_unavailable'
  | 'provider_bad_response'
  | 'provider_timeout'
  | 'provider_refused'
  | 'stream_interrupted'
  | 'token_missing'
  | 'model_unknown'
  | 'context_too_long'
  | 'input_invalid'
  | 'team_empty'
  | 'target_unsupported'
  | 'deadline_exceeded'
  | 'internal_error';

/** A try that failed. `message` is for the person who ran the agent. */
export class RunFailure extends Error {
  override readonly name = 'RunFailure';
  readonly code: FailureCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long the provider asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: FailureCode,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The same failure, saying whose it is. */
  about(name: string): RunFailure {
    const { retryable, retryAfterMs } = this;
    return new RunFailure(this.code, `${name}: ${this.message}`, {
      retryable,
      retryAfterMs,
      cause: this,
    });
  }
}

/** Makes a {@link RunFailure} of whatever a model call threw or reported in its stream. */
export function providerFailure(error: unknown): RunFailure {
  if (error instanceof RunFailure) return error;
  if (StreamProviderError.isInstance(error)) {
    return reportedFailure({
      status: error.statusCode,
      words: [error.type, error.code, error.message].join(' '),
      message: error.message,
      cause: error,
    });
  }
  if (APICallError.isInstance(error)) {
    if (error.statusCode !== undefined && error.statusCode >= 400) {
      return reportedFailure({
        status: error.statusCode,
        words: `${error.message} ${error.responseBody ?? ''}`,
        message: error.message,
        retryAfterMs: retryAfterMs(error.responseHeaders ?? {}),
        cause: error,
      });
    }
    if (error.statusCode !== undefined) {
      return isDisconnection(error.cause) ? interrupted(error) : unreadable(error);
    }
    return new RunFailure(
      'provider_unavailable',
      `The provider could not be reached: ${brief(error.message)}`,
      { retryable: true, cause: error },
    );
  }
  if (NoSuchModelError.isInstance(error)) {
    return new RunFailure('model_unknown', brief(error.message), { cause: error });
  }
  if (isDisconnection(error)) return interrupted(error);
  if (InvalidResponseDataError.isInstance(error) && /without a finish reason/.test(error.message)) {
    return interrupted(error);
  }
  // The SDK reports what it cannot make sense of in a dozen ways, some of them plain Errors.
  if (error instanceof Error) return unreadable(error);
  return new RunFailure('provider_bad_response', 'The provider reported an error without words.', {
    cause: error,
  });
}

/** The longest wait that a provider may ask for; beyond it, people had better decide themselves. */
const LONGEST_RETRY_MS = 5 * 60_000;

/**
 * How long to wait before the next try, in milliseconds; undefined when there should be none.
 * Doubles from `baseMs` with the number of tries, spread by up to a quarter so that runs that failed
 * together do not return together, and never earlier than the provider asked for.
 *
 * @param attempt the try that failed, from 1
 * @param random a number in [0, 1)
 */
export function retryDelayMs(
  failure: RunFailure,
  attempt: number,
  baseMs: number,
  random: number,
): number | undefined {
  if (!failure.retryable) return undefined;
  const asked = failure.retryAfterMs ?? 0;
  if (asked > LONGEST_RETRY_MS) return undefined;
  const backoff = Math.min(30_000, baseMs * 2 ** (attempt - 1));
  return Math.round(Math.max(asked, backoff) + (backoff / 4) * random);
}

/** An error that the provider worded itself, by HTTP status or inside the stream. */
function reportedFailure(report: {
  status: number | undefined;
  words: string;
  message: string;
  retryAfterMs?: number;
  cause: unknown;
}): RunFailure {
  const { status, words, cause } = report;
  const said = brief(report.message);
  const is = (pattern: RegExp) => pattern.test(words);

  if (status === 413 || is(CONTEXT_TOO_LONG)) {
    return new RunFailure('context_too_long', `The prompt is too long for the model: ${said}`, {
      cause,
    });
  }
  if (status === 401 || status === 403 || is(/authentication_error|invalid_api_key/)) {
    return new RunFailure('provider_auth', `The provider did not accept the key: ${said}`, {
      cause,
    });
  }
  if (status === 402 || is(/insufficient_quota|credit balance/i)) {
    return new RunFailure('provider_auth', `The provider's account has no credit left: ${said}`, {
      cause,
    });
  }
  if (status === 429 || is(/rate_limit/)) {
    return new RunFailure('provider_rate_limited', `The provider is limiting requests: ${said}`, {
      retryable: true,
      retryAfterMs: report.retryAfterMs,
      cause,
    });
  }
  if (is(/content_filter|content_policy|safety_violations/)) {
    return new RunFailure('provider_refused', `The provider declined to answer: ${said}`, {
      cause,
    });
  }
  if (status === 404 || is(/model_not_found/)) {
    return new RunFailure('model_unknown', `The provider does not know the model: ${said}`, {
      cause,
    });
  }
  if (status === undefined || status >= 500 || [408, 409, 425].includes(status)) {
    return new RunFailure('provider_unavailable', `The provider had a problem: ${said}`, {
      retryable: true,
      retryAfterMs: report.retryAfterMs,
      cause,
    });
  }
  return new RunFailure('provider_refused', `The provider refused the request: ${said}`, { cause });
}

const CONTEXT_TOO_LONG =
  /context_length_exceeded|maximum context length|context window|prompt is too long|input is too long|too many tokens/i;

function interrupted(cause: unknown): RunFailure {
  return new RunFailure(
    'stream_interrupted',
    'The connection broke before the answer was complete.',
    {
      retryable: true,
      cause,
    },
  );
}

function unreadable(cause: unknown): RunFailure {
  return new RunFailure(
    'provider_bad_response',
    'The provider answered with something that is not its protocol.',
    { cause },
  );
}

/** What fetch throws when the other side goes away within a body. */
function isDisconnection(error: unknown): boolean {
  return error instanceof TypeError && /terminated|fetch failed/.test(error.message);
}

/** `retry-after-ms`, or RFC 9110's `retry-after` in seconds or as a date. */
function retryAfterMs(headers: Record<string, string>): number | undefined {
  const exact = Number.parseFloat(headers['retry-after-ms'] ?? '');
  if (exact >= 0) return exact;
  const header = headers['retry-after'];
  if (!header) return undefined;
  const wait = /^\d+(\.\d+)?$/.test(header)
    ? Number(header) * 1000
    : Date.parse(header) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

function brief(message: string): string {
  return message.length > 500 ? `${message.slice(0, 500)}…` : message;
}
