import { toAppError } from '../errors.ts';

/** The data of a supabase-js answer, or the AppError that its error means. */
export function dataOf<Data>(answer: {
  data: Data;
  error: unknown;
  status?: number;
}): NonNullable<Data> {
  if (answer.error) throw toAppError(answer.error, answer.status);
  return answer.data as NonNullable<Data>;
}
