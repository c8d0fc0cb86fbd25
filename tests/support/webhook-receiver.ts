import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * What a receiver does with one delivery. `hang`: nothing, on an open connection. `endless`: answers with
 * this status and a body that does not end. `switch`: changes to another protocol, on an open connection.
 */
export type Reception =
  | { kind: 'status'; status: number; body?: string; headers?: Record<string, string> }
  | { kind: 'hang' }
  | { kind: 'switch' }
  | { kind: 'endless'; status: number };

export type SeenDelivery = { headers: Record<string, string>; body: string; at: number };

/** A receiver of webhooks under a test's control, on a real socket; each path has a script of its own. */
export class WebhookReceiver {
  readonly #server = createServer((request, response) => {
    this.#receive(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  readonly #scripts = new Map<string, Reception[]>();
  readonly #seen = new Map<string, SeenDelivery[]>();

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers deliveries to the path in this order; the last answer repeats. Answers the path's address. */
  script(path: string, ...receptions: Reception[]): string {
    this.#scripts.set(path, receptions);
    return this.origin + path;
  }

  seen(path: string): SeenDelivery[] {
    return this.#seen.get(path) ?? [];
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const headers = request.headers as Record<string, string>;
    const seen: SeenDelivery = { headers, body: await text(request), at: Date.now() };
    this.#seen.set(path, [...this.seen(path), seen]);

    const script = this.#scripts.get(path) ?? [];
    const reception = script.length > 1 ? script.shift() : script[0];
    switch (reception?.kind) {
      case 'hang':
        return;
      case 'switch':
        response.socket!.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
        );
        return;
      case 'endless':
        response.writeHead(reception.status);
        while (!response.destroyed) {
          if (!response.write('ä'.repeat(50_000))) {
            await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
          }
        }
        return;
      default:
        response.writeHead(reception?.status ?? 404, reception?.headers);
        response.end(reception?.body);
    }
  }
}
