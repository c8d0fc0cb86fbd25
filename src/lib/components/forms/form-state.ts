import { createContext } from 'svelte';

/** What the buttons inside a form need to know of it. */
export type FormState = { readonly isReady: boolean; readonly isSubmitting: boolean };

const [useFormState, provideFormState] = createContext<FormState>();

export { provideFormState, useFormState };
