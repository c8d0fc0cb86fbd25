// The table editor: Supabase Lite's Studio on a loopback port of its own. It works as service_role, so
// it sees every table whatever the policies say, and answers only to pages that it served itself.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { App } from '@supabase/lite';
import { connect } from './auth.ts';
import {
  BodyTooLarge,
  isLocalHost,
  listen,
  readBody,
  sendJson,
  sendResponse,
  toRequest,
  urlOf,
} from './http.ts';

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const STATIC_FILES = fileURLToPath(
  new URL(
    '..',
    pathToFileURL(createRequire(import.meta.url).resolve('@supabase/lite/dist/manifest.json')),
  ),
);
const CONTENT_TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2',
  '.ico': 'image/x-icon',
};

export type Studio = { url: string; close(): Promise<void> };

/** Starts the table editor; `databaseUrl` connects as role postgres, which sees all our tables. */
export async function startStudio(options: { port: number; databaseUrl: string }): Promise<Studio> {
  const connection = connect(options.databaseUrl, 'studio');
  const app = new App({
    connection,
    auth: { enabled: false },
    storage: { enabled: false },
    studio: { enabled: true },
    db: { driver: 'postgres', migrations: { enabled: false } },
    options: { server: { admin: true } },
  });
  const listening = await listen(options.port, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      const tooLarge = error instanceof BodyTooLarge;
      sendJson(response, tooLarge ? 413 : 500, {
        message: tooLarge ? 'The request is too large.' : 'The table editor failed.',
      });
    });
  });
  return {
    url: listening.url,
    async close() {
      await listening.close();
      await connection.close();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isOwnPage(request)) {
      sendJson(response, 403, { message: 'Open the table editor as 127.0.0.1 or localhost.' });
      return;
    }
    const path = urlOf(request).pathname;
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('x-frame-options', 'DENY');
    response.setHeader('referrer-policy', 'no-referrer');
    if (path.startsWith('/static/')) return sendStatic(response, path.slice('/static/'.length));
    // Lite's own answer holds the connection's address with its password; the page reads only this.
    if (path === '/_system/info') return sendJson(response, 200, { admin: true, config: {} });

    const origin = `http://${request.headers.host}`;
    const body = await readBody(request, MAX_BODY_BYTES);
    const peerAddress = request.socket.remoteAddress ?? null;
    await sendResponse(
      response,
      await app.fetch(toRequest(request, body, origin), { peerAddress }),
    );
  }
}

/**
 * Whether the request comes from the editor itself or from no page at all. A foreign Host is a name
 * rebound to this machine; a foreign Origin or fetch site is another page in the same browser.
 */
function isOwnPage(request: IncomingMessage): boolean {
  const { host, origin } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const isNavigation = request.headers['sec-fetch-mode'] === 'navigate' && request.method === 'GET';
  return (
    isLocalHost(host) &&
    (origin === undefined || origin === `http://${host}`) &&
    (site === undefined || site === 'same-origin' || site === 'none' || isNavigation)
  );
}

async function sendStatic(response: ServerResponse, name: string): Promise<void> {
  const file = join(STATIC_FILES, normalize(`/${decodeURIComponent(name)}`));
  const found = file.startsWith(STATIC_FILES.replace(/[/\\]?$/, sep))
    ? await stat(file).catch(() => null)
    : null;
  if (!found?.isFile()) {
    sendJson(response, 404, { message: 'There is no such file.' });
    return;
  }
  response.writeHead(200, {
    'content-type': CONTENT_TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': found.size,
    'cache-control': 'public, max-age=3600',
  });
  await pipeline(createReadStream(file), response);
}
