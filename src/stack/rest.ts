// The way from the gateway to PostgREST: streams in both directions, over connections that stay open.

import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as httpRequest,
} from 'node:http';
import { Transform, pipeline } from 'node:stream';
import { BodyTooLarge } from './http.ts';

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 65_000;

/** Headers that end here: those of one connection, and those that only the gateway may set. */
const NOT_FORWARDED = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'host', 'cookie'],
  ...['apikey', 'authorization', 'forwarded', 'x-forwarded-for', 'x-forwarded-host'],
  ...['x-forwarded-port', 'x-forwarded-proto', 'x-real-ip', 'x-request-id'],
]);

/** PostgREST did not answer. */
export class Unavailable extends Error {
  override name = 'Unavailable';
}

export type Rest = {
  /** Passes a request under /rest/v1 on, with these headers in place of what the client said. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    own: Record<string, string>,
  ): Promise<void>;
  close(): void;
};

/** Makes the way to the PostgREST at `restUrl`. Throws Unavailable and BodyTooLarge when used. */
export function createRest(restUrl: string): Rest {
  const { hostname, port } = new URL(restUrl);
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  return { handle, close: () => agent.destroy() };

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    own: Record<string, string>,
  ): Promise<void> {
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > MAX_BODY_BYTES) throw new BodyTooLarge();
    const hasBody = length > 0 || request.headers['transfer-encoding'] !== undefined;
    const headers = { ...forwardable(request.headers), ...own };
    const query = url.search.replace(/([?&])apikey=[^&]*&?/, '$1');
    const path = (url.pathname.replace(/^\/rest\/v1/, '') || '/') + query;

    await new Promise<void>((resolve, reject) => {
      const send = (mayRetry: boolean): void => {
        const upstream = httpRequest(
          { agent, hostname, port, method: request.method, path, headers, timeout: TIMEOUT_MS },
          (reply) => {
            for (const [name, value] of Object.entries(forwardable(reply.headers))) {
              // The gateway answers for all parts to other origins.
              if (!name.startsWith('access-control-')) response.setHeader(name, value);
            }
            response.writeHead(reply.statusCode ?? 502);
            pipeline(reply, response, (error) => (error ? reject(error) : resolve()));
          },
        );
        upstream.on('timeout', () => upstream.destroy(new Error('no answer in time')));
        upstream.on('error', (error) => {
          // A connection that stayed open may have died unseen, with PostgREST: once more on a new one.
          // Not when the client has left: then it was we who ended it.
          const isWanted = !response.headersSent && !response.destroyed;
          if (mayRetry && upstream.reusedSocket && isWanted) send(false);
          else reject(new Unavailable(error.message));
        });
        response.once('close', () => upstream.destroy());
        if (!hasBody) {
          upstream.end();
          return;
        }
        // The client's connection must outlive a refused body, or the refusal never arrives.
        const body = request.iterator({ destroyOnReturn: false });
        pipeline(body, limited(), upstream, (error) => error && reject(error));
      };
      send(!hasBody && (request.method === 'GET' || request.method === 'HEAD'));
    });
  }
}

function forwardable(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !NOT_FORWARDED.has(name)) kept[name] = value;
  }
  return kept;
}

function limited(): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) done(new BodyTooLarge());
      else done(null, chunk);
    },
  });
}
