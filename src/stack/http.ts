// What the servers of the embedded stack share: answering, reading bodies within a limit, and
// listening on loopback only.

import { once } from 'node:events';
import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

const HOST = '127.0.0.1';
const NOWHERE = 'http://localhost';
const MAX_HEADER_BYTES = 32 * 1024;
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 5 * 60_000;

/** The body of a request exceeded its limit. */
export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge';
}

/** A server on 127.0.0.1 that is already listening, and the way to stop it. */
export type Listening = { server: Server; port: number; url: string; close(): Promise<void> };

/**
 * Starts an HTTP server on loopback. Rejects with the system's error (`EADDRINUSE`) when the port is
 * taken. `close` lets running requests end for two seconds, then cuts them.
 */
export async function listen(port: number, listener: RequestListener): Promise<Listening> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      // The rest of a refused body is read and forgotten; left unread it would block the connection.
      response.once('finish', () => {
        request.removeAllListeners('readable');
        request.resume();
      });
      listener(request, response);
    },
  );
  server.listen(port, HOST);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    server,
    port: bound,
    url: `http://${HOST}:${bound}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Answers with JSON, unless the answer has begun already: then the connection is cut. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(response.req.method === 'HEAD' ? undefined : JSON.stringify(body));
}

/** The whole body of a request; throws BodyTooLarge above `limit` bytes. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection must outlive a refused body, or the refusal never arrives.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The address that a request asks for, its host left out: that is the client's word. What cannot be
 * read as an address counts as the root.
 */
export function urlOf(request: IncomingMessage): URL {
  const url = URL.parse(request.url ?? '/', NOWHERE) ?? new URL(NOWHERE);
  return new URL(url.pathname + url.search, NOWHERE);
}

/** A Node request as the `Request` that fetch-style handlers take. */
export function toRequest(request: IncomingMessage, body: Buffer, origin: string): Request {
  const url = urlOf(request);
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const hasBody = body.length > 0 && request.method !== 'GET' && request.method !== 'HEAD';
  return new Request(new URL(url.pathname + url.search, origin), {
    method: request.method ?? 'GET',
    headers,
    ...(hasBody ? { body: new Uint8Array(body) } : {}),
  });
}

/** Writes a `Response` out; headers set on `response` before stay unless the answer names them too. */
export async function sendResponse(response: ServerResponse, answer: Response): Promise<void> {
  for (const [name, value] of answer.headers) {
    if (name !== 'set-cookie') response.setHeader(name, value);
  }
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) response.setHeader('set-cookie', cookies);
  response.writeHead(answer.status);
  if (answer.body === null || response.req.method === 'HEAD') {
    response.end();
    return;
  }
  await pipeline(Readable.fromWeb(answer.body as ReadableStream), response);
}

/** Whether a Host header names this machine: the defence of local pages against DNS rebinding. */
export function isLocalHost(host: string | undefined): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host ?? '');
}
