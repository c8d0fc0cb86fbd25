import { m } from '../messages/messages.ts';
import { z } from 'zod';

/** Shortest password that sign-up and reset take; supabase/config.toml asks for the same. */
export const SHORTEST_PASSWORD = 8;

export const emailField = z.email(m.auth.emailInvalid);
export const newPasswordField = z
  .string()
  .min(SHORTEST_PASSWORD, m.auth.passwordTooShort(SHORTEST_PASSWORD))
  // bcrypt looks at 72 bytes: what is longer would be cut without a word.
  .refine((password) => new TextEncoder().encode(password).length <= 72, m.auth.passwordTooLong);
