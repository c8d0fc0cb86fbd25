// The e-mails of the Auth server: their words and their links. Lite's own templates link to the web
// app instead of the API and forget where the caller wanted to return to.

import { AsyncLocalStorage } from 'node:async_hooks';

export type Mail = { to: string; subject: string; text: string; html: string };

/** What one request to the Auth server asked for, and Lite does not hand on to its mailer. */
export type MailRequest = {
  redirectTo: string | null;
  codeChallenge: string | null;
  codeChallengeMethod: string;
};

type Meta = { currentEmail?: string; newEmail?: string };

export type AuthMailer = ReturnType<typeof createAuthMailer>;

/** Runs around a request to the Auth server, so that the e-mails it sends know where they lead. */
export const mailRequest = new AsyncLocalStorage<MailRequest>();

/**
 * A mailer in the shape that Lite calls. Links lead to `<apiUrl>/auth/v1/verify` as on a hosted
 * project; the code is for people who read their mail on another device.
 */
export function createAuthMailer(
  apiUrl: string,
  siteUrl: string,
  send: (mail: Mail) => Promise<void>,
) {
  const link = (type: string, tokenHash: string): string => {
    const request = mailRequest.getStore();
    const url = new URL('/auth/v1/verify', apiUrl);
    url.searchParams.set('token', tokenHash);
    url.searchParams.set('type', type);
    url.searchParams.set('redirect_to', request?.redirectTo ?? siteUrl);
    if (request?.codeChallenge) {
      url.searchParams.set('code_challenge', request.codeChallenge);
      url.searchParams.set('code_challenge_method', request.codeChallengeMethod);
    }
    return url.href;
  };
  const compose = (
    to: string,
    subject: string,
    action: string,
    code: string,
    href: string | null,
  ) =>
    send({
      to,
      subject,
      text: [action, href, `Code: ${code}`, IGNORE].filter((line) => line !== null).join('\n\n'),
      html: page(subject, action, code, href),
    });

  return {
    sendConfirmation: (to: string, hash: string, code: string) =>
      compose(
        to,
        'Confirm your e-mail address',
        'Confirm this address to finish signing up.',
        code,
        link('signup', hash),
      ),
    sendRecovery: (to: string, hash: string, code: string) =>
      compose(
        to,
        'Reset your password',
        'Choose a new password for your account.',
        code,
        link('recovery', hash),
      ),
    sendMagicLink: (to: string, hash: string, code: string) =>
      compose(to, 'Your sign-in link', 'Sign in to your account.', code, link('magiclink', hash)),
    sendEmailChange: (to: string, hash: string, code: string, meta?: Meta) =>
      compose(
        to,
        'Confirm your new e-mail address',
        `Change the address of your account from ${meta?.currentEmail || 'none'} to ${meta?.newEmail ?? to}.`,
        code,
        link('email_change', hash),
      ),
    sendReauthentication: (to: string, code: string) =>
      compose(to, 'Confirm that it is you', 'Enter this code to continue.', code, null),
  };
}

const IGNORE = 'If you did not ask for this, ignore this e-mail.';

function page(subject: string, action: string, code: string, href: string | null): string {
  const button = href
    ? `<p><a href="${escapeHtml(href)}" style="display:inline-block;padding:10px 16px;border-radius:6px;background:#111;color:#fff;text-decoration:none">${escapeHtml(subject)}</a></p>`
    : '';
  return `<!doctype html>
<html lang="en">
  <body style="margin:0;padding:32px;font-family:system-ui,sans-serif;color:#222;background:#fff">
    <h1 style="font-size:20px">${escapeHtml(subject)}</h1>
    <p>${escapeHtml(action)}</p>
    ${button}
    <p>Code: <strong style="letter-spacing:2px">${escapeHtml(code)}</strong></p>
    <p style="color:#666">${IGNORE}</p>
  </body>
</html>`;
}

/** Text made safe for HTML, attribute values included. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
