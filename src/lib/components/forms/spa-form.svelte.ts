import { toAppError, type AppError } from '$lib/errors.ts';
import { errorText } from '$lib/messages/error-text.ts';
import { m } from '$lib/messages/messages.ts';
import type { ClientValidationAdapter } from 'sveltekit-superforms/adapters';
import { setError, superForm, type FormPathLeavesWithErrors } from 'sveltekit-superforms/client';
import type { z } from 'zod';

type Options<Data extends Record<string, unknown>> = {
  initial: Data;
  /** Does the work; what it throws stands in the form. */
  submit: (data: Data) => Promise<void>;
  /** Fields to which an error of the server belongs, by its code. */
  fieldOf?: Record<string, keyof Data & string>;
  /** Asks before leaving with unsaved changes. */
  guard?: boolean;
  /** Empties the form when it is done. */
  reset?: boolean;
};

/**
 * A form that is checked against its schema and answered in the browser, without an action of our
 * server: what it does goes straight to Supabase, as the person and from the person's address.
 */
export function spaForm<Data extends Record<string, unknown>>(
  schema: z.ZodType<Data, Data>,
  { initial, submit, fieldOf = {}, guard = false, reset = false }: Options<Data>,
) {
  let failure: AppError | null = $state.raw(null);

  const form = superForm<Data>(initial, {
    id: crypto.randomUUID(),
    SPA: true,
    // `submit` knows what it changed.
    invalidateAll: false,
    dataType: 'json',
    validators: checkedBy(schema),
    validationMethod: 'onblur',
    resetForm: reset,
    taintedMessage: guard ? () => confirm(m.common.leaveUnsaved) : null,
    onUpdate: async ({ form }) => {
      failure = null;
      if (!form.valid) return;
      try {
        await submit(form.data);
      } catch (thrown) {
        const error = toAppError(thrown);
        const field = fieldOf[error.code];
        if (field) {
          const { what, next } = errorText(error);
          setError(form, field as FormPathLeavesWithErrors<Data>, `${what} ${next}`.trim());
        } else {
          failure = error;
          // Still holds what was typed, so it is still unsaved.
          form.valid = false;
        }
      }
    },
  });

  return {
    ...form,
    /** What the server refused and no field is to blame for. */
    get failure() {
      return failure;
    },
  };
}

/** Superforms' own adapter comes in one file with those of a dozen other libraries, 1 MB of them. */
function checkedBy<Data extends Record<string, unknown>>(
  schema: z.ZodType<Data, Data>,
): ClientValidationAdapter<Partial<Data>, Record<string, unknown>> {
  return {
    superFormValidationLibrary: 'zod4',
    validate: async (data) => {
      const result = await schema.safeParseAsync(data);
      return result.success
        ? { success: true, data: result.data }
        : {
            success: false,
            issues: result.error.issues.map(({ message, path }) => ({
              message,
              path: path.filter((step) => typeof step !== 'symbol'),
            })),
          };
    },
  };
}
