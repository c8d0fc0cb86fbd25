import { AppError, toAppError } from '../errors.ts';
import type { Supabase } from '../supabase/client.ts';

/** Signs in; the session is kept in cookies by the client. */
export async function signIn(supabase: Supabase, email: string, password: string): Promise<void> {
  const { error } = await supabase.auth.signInWithPassword({ email, password });
  if (error) throw toAppError(error);
}

/** Makes an account; whether it must be confirmed by e-mail first is the server's choice. */
export async function signUp(
  supabase: Supabase,
  account: { email: string; password: string; fullName: string },
  confirmUrl: string,
): Promise<'signed_in' | 'confirm_email'> {
  const { data, error } = await supabase.auth.signUp({
    email: account.email,
    password: account.password,
    options: { data: { full_name: account.fullName }, emailRedirectTo: confirmUrl },
  });
  if (error) throw toAppError(error);
  return data.session ? 'signed_in' : 'confirm_email';
}

/** Sends a link by which a new password can be set; says nothing about whether the account exists. */
export async function requestPasswordReset(
  supabase: Supabase,
  email: string,
  resetUrl: string,
): Promise<void> {
  const { error } = await supabase.auth.resetPasswordForEmail(email, { redirectTo: resetUrl });
  if (error) throw toAppError(error);
}

/** Sets the password of whoever is signed in. */
export async function changePassword(supabase: Supabase, password: string): Promise<void> {
  const { error } = await supabase.auth.updateUser({ password });
  if (error) throw toAppError(error);
}

/**
 * Makes a session of what a link from an e-mail brought: a one-time `code`, a `token_hash` with its
 * `type`, or, from servers without PKCE, the tokens behind the `#`.
 */
export async function enterByLink(supabase: Supabase, link: URL): Promise<void> {
  const query = link.searchParams;
  const fragment = new URLSearchParams(link.hash.slice(1));

  const refusal = query.get('error_code') ?? fragment.get('error_code') ?? query.get('error');
  if (refusal) {
    throw new AppError(
      refusal,
      query.get('error_description') ?? fragment.get('error_description') ?? '',
    );
  }

  const code = query.get('code');
  const tokenHash = query.get('token_hash');
  const accessToken = fragment.get('access_token');
  const refreshToken = fragment.get('refresh_token');
  const { error } = code
    ? await supabase.auth.exchangeCodeForSession(code)
    : tokenHash
      ? await supabase.auth.verifyOtp({
          token_hash: tokenHash,
          type: query.get('type') === 'recovery' ? 'recovery' : 'email',
        })
      : accessToken && refreshToken
        ? await supabase.auth.setSession({
            access_token: accessToken,
            refresh_token: refreshToken,
          })
        : { error: new AppError('link_incomplete', '') };
  if (error) throw toAppError(error);
}
