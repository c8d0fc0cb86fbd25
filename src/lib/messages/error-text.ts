import type { AppError } from '../errors.ts';
import { m } from './messages.ts';

/** What happened, what it means for one's data, what to do. */
export type ErrorText = { what: string; data: string; next: string };

/** The catalogue's words for a code; for one it does not know, the words of whoever refused. */
export function errorText(error: AppError): ErrorText {
  const known: Partial<ErrorText> | undefined = (
    m.errors as Record<string, Partial<ErrorText> | undefined>
  )[error.code];
  return {
    what: known?.what ?? error.message,
    data: known?.data ?? '',
    next: known?.next ?? error.hint,
  };
}
