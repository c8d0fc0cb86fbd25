import { toAppError } from '$lib/errors.ts';
import { error } from '@sveltejs/kit';

/** For `load`: the data, or the error page with the status and code of what was refused. */
export async function forPage<Data>(answer: Promise<Data>): Promise<Data> {
  try {
    return await answer;
  } catch (thrown) {
    const { status, message, code } = toAppError(thrown);
    error(status >= 400 ? status : 503, { message, code });
  }
}
