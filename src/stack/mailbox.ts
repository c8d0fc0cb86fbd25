// The mailbox of the embedded stack: e-mails that Auth sends are kept in the data folder and shown on a
// local page, with a JSON list for tests. Nothing leaves the machine.

import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Mail, escapeHtml } from './auth-mail.ts';
import { isLocalHost, listen, sendJson, urlOf } from './http.ts';

const KEPT = 200;
const ID = /^\d{13}-[0-9a-f-]{36}$/;

/** An e-mail as GET /api/messages lists it, newest first; `?to=` filters by address. */
export type StoredMail = Mail & { id: string; sentAt: string };

export type Mailbox = { url: string; send(mail: Mail): Promise<void>; close(): Promise<void> };

/** Starts the mailbox on a loopback port. `dir` is made when missing; the last 200 e-mails are kept. */
export async function startMailbox(options: { port: number; dir: string }): Promise<Mailbox> {
  const { dir } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const listening = await listen(options.port, (request, response) => {
    answer(request, response).catch(() =>
      sendJson(response, 500, { message: 'The mailbox failed.' }),
    );
  });
  return { url: listening.url, send, close: listening.close };

  async function send(mail: Mail): Promise<void> {
    const id = `${Date.now()}-${randomUUID()}`;
    const stored: StoredMail = { id, sentAt: new Date().toISOString(), ...mail };
    const file = join(dir, `${id}.json`);
    await writeFile(`${file}.tmp`, JSON.stringify(stored), { mode: 0o600 });
    await rename(`${file}.tmp`, file);
    for (const old of (await ids()).slice(KEPT))
      await rm(join(dir, `${old}.json`), { force: true });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page elsewhere could point its own name at 127.0.0.1 and read the mail through the browser.
    if (!isLocalHost(request.headers.host)) {
      sendJson(response, 403, { message: 'Open the mailbox as 127.0.0.1 or localhost.' });
      return;
    }
    const url = urlOf(request);
    const [, id, part] = /^\/messages\/([^/]+)(\/html)?$/.exec(url.pathname) ?? [];
    if (url.pathname === '/api/messages') return api(request, response, url.searchParams.get('to'));
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendJson(response, 405, { message: 'Only reading.' });
    if (url.pathname === '/') return sendHtml(response, listPage(await mails()));
    const mail = id === undefined ? null : await read(id);
    if (mail === null) return sendJson(response, 404, { message: 'There is no such e-mail.' });
    if (part === undefined) return sendHtml(response, mailPage(mail));
    sendHtml(response, `<base target="_blank">${mail.html}`, MAIL_POLICY);
  }

  async function api(
    request: IncomingMessage,
    response: ServerResponse,
    to: string | null,
  ): Promise<void> {
    if (request.method === 'GET') {
      const all = await mails();
      sendJson(
        response,
        200,
        to === null ? all : all.filter((mail) => mail.to === to.toLowerCase()),
      );
    } else if (request.method === 'DELETE') {
      for (const id of await ids()) await rm(join(dir, `${id}.json`), { force: true });
      response.writeHead(204).end();
    } else {
      sendJson(response, 405, { message: 'GET lists the e-mails, DELETE removes them.' });
    }
  }

  async function mails(): Promise<StoredMail[]> {
    const found = await Promise.all((await ids()).map(read));
    return found.filter((mail) => mail !== null);
  }

  async function ids(): Promise<string[]> {
    const names = (await readdir(dir))
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -5));
    return names
      .filter((name) => ID.test(name))
      .sort()
      .reverse();
  }

  async function read(id: string): Promise<StoredMail | null> {
    if (!ID.test(id)) return null;
    try {
      return JSON.parse(await readFile(join(dir, `${id}.json`), 'utf8')) as StoredMail;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }
}

const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'";
// The mail itself: no scripts, nothing loaded from elsewhere; its links open in a tab of their own.
const MAIL_POLICY =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

function sendHtml(response: ServerResponse, html: string, policy = PAGE_POLICY): void {
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  response.end(html);
}

function listPage(mails: StoredMail[]): string {
  const rows = mails.map(
    (mail) => `<li><a href="/messages/${mail.id}">${escapeHtml(mail.subject)}</a>
      <span>${escapeHtml(mail.to)}</span><time>${escapeHtml(mail.sentAt)}</time></li>`,
  );
  const empty =
    '<p>No e-mails yet. What the platform sends, such as a link to reset a password, appears here.</p>';
  return page(
    'Mailbox',
    '<meta http-equiv="refresh" content="5">',
    rows.length > 0 ? `<ul>${rows.join('')}</ul>` : empty,
  );
}

function mailPage(mail: StoredMail): string {
  return page(
    mail.subject,
    '',
    `<p><a href="/">All e-mails</a></p>
    <p>To <strong>${escapeHtml(mail.to)}</strong>, <time>${escapeHtml(mail.sentAt)}</time></p>
    <pre>${linkified(mail.text)}</pre>
    <iframe title="HTML version" src="/messages/${mail.id}/html" sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>`,
  );
}

function page(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title>${head}
    <style>
      :root { color-scheme: light dark }
      body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
      ul { list-style: none; padding: 0 }
      li { display: grid; grid-template-columns: 1fr auto auto; gap: 1rem; padding: .5rem 0; border-bottom: 1px solid #8884 }
      time, span { opacity: .7 }
      pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8884; border-radius: 6px }
      iframe { width: 100%; height: 28rem; border: 1px solid #8884; border-radius: 6px; background: #fff }
    </style>
  </head>
  <body><h1>${escapeHtml(title)}</h1>${body}</body>
</html>`;
}

function linkified(text: string): string {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .map((part, index) =>
      index % 2 === 1 ? `<a href="${escapeHtml(part)}">${escapeHtml(part)}</a>` : escapeHtml(part),
    )
    .join('');
}
