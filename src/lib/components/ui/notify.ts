import { toAppError } from '$lib/errors.ts';
import { errorText } from '$lib/messages/error-text.ts';
import { m } from '$lib/messages/messages.ts';
import { toast } from 'svelte-sonner';

/** Toasts: only for what needs no answer. What people must act on stands in the page. */
export const notify = {
  success: (text: string) => toast.success(text),

  failure: (text: string) => toast.error(text),

  /** What went wrong, in the words of the catalogue, with its code. */
  error(error: unknown) {
    const known = toAppError(error);
    const { what, next } = errorText(known);
    toast.error(what, { description: next ? `${next} (${known.code})` : known.code });
  },

  /** The thing is done already; `undo` takes it back. */
  undo(text: string, undo: () => void | Promise<void>) {
    toast(text, {
      duration: 8_000,
      action: {
        label: m.common.undo,
        onClick: () => {
          Promise.resolve(undo()).catch((error: unknown) => notify.error(error));
        },
      },
    });
  },
};
