import { errorText } from '../messages/error-text.ts';
import { AppError } from '../errors.ts';

/** What helps: a key, a change to the agent, or simply another try. */
export type Remedy = 'tokens' | 'agent' | 'retry';

/** Codes with which runs fail, as docs/error-codes.md lists them, and where the next step is taken. */
const REMEDIES: Record<string, Remedy> = {
  provider_auth: 'tokens',
  token_missing: 'tokens',
  model_unknown: 'agent',
  context_too_long: 'agent',
  input_invalid: 'agent',
  team_empty: 'agent',
  target_unsupported: 'retry',
  provider_refused: 'agent',
  provider_rate_limited: 'retry',
  provider_unavailable: 'retry',
  provider_bad_response: 'retry',
  provider_timeout: 'retry',
  stream_interrupted: 'retry',
  approval_expired: 'retry',
  worker_lost: 'retry',
  deadline_exceeded: 'agent',
  internal_error: 'retry',
};

/** What a failed run means and what to do about it, in the words of the catalogue. */
export function runError(code: string): { what: string; next: string; remedy: Remedy } {
  const unknown = errorText(new AppError('internal_error', ''));
  const { what, next } = errorText(new AppError(code, unknown.what, { hint: unknown.next }));
  return { what, next, remedy: REMEDIES[code] ?? 'retry' };
}
