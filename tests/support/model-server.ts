import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What the server does with one request for a model.
 *
 * `stream`: the chunks one by one, then a proper end. `status`: an error response. `cut`: the chunks,
 * then the connection drops. `unfinished`: the chunks, then a clean end without a finish. `stall`: the
 * chunks, then silence on an open connection (without chunks: not even response headers). `garbage`: 200 with bytes
 * that are no protocol at all. `error-event`: the chunks, then an error inside the stream.
 */
export type Answer =
  | { kind: 'stream'; chunks: string[]; pauseMs?: number; finish?: Finish }
  | { kind: 'status'; status: number; headers?: Record<string, string>; error?: ProviderError }
  | { kind: 'cut'; chunks: string[] }
  | { kind: 'unfinished'; chunks: string[] }
  | { kind: 'stall'; chunks: string[] }
  | { kind: 'garbage'; contentType: 'text/event-stream' | 'text/html' }
  | { kind: 'error-event'; chunks: string[]; error: ProviderError };

type Finish = 'stop' | 'length' | 'content_filter';
type ProviderError = { message: string; type: string; code?: string };

/** A request as it arrived: the test asserts on what a provider would have seen. */
export type SeenRequest = {
  model: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
};

/**
 * A model provider under a test's control, on a real socket: Chat Completions at `/v1/chat/completions`
 * and Anthropic's Messages at `/v1/messages`. Answers are scripted per model name, so that tests that
 * run side by side do not disturb each other.
 */
export class ModelServer {
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  readonly #scripts = new Map<string, Answer[]>();
  readonly #seen: SeenRequest[] = [];
  readonly #abandoned = new Map<string, number>();

  static async start(): Promise<ModelServer> {
    const server = new ModelServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** Base URL for `OPENAI_COMPATIBLE_BASE_URL`, `OPENAI_BASE_URL` and `ANTHROPIC_BASE_URL` alike. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** Answers the requests for `model` in this order; the last answer repeats. */
  script(model: string, ...answers: Answer[]): void {
    this.#scripts.set(model, answers);
  }

  requests(model: string): SeenRequest[] {
    return this.#seen.filter((request) => request.model === model);
  }

  /** How many callers of `model` hung up before the answer was complete. */
  abandoned(model: string): number {
    return this.#abandoned.get(model) ?? 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await readAll(request)) as Record<string, unknown>;
    const model = String(body.model);
    const path = request.url ?? '';
    this.#seen.push({ model, path, headers: request.headers, body });

    const protocol = path.endsWith('/messages') ? anthropic : chatCompletions;
    const answers = this.#scripts.get(model);
    const answer = answers && answers.length > 1 ? answers.shift() : answers?.[0];
    if (!answer) {
      const error = { message: `The model ${model} does not exist`, type: 'not_found_error' };
      return sendJson(response, 404, protocol.errorBody({ ...error, code: 'model_not_found' }));
    }
    const finished = await play(answer, model, protocol, response);
    if (!finished) this.#abandoned.set(model, this.abandoned(model) + 1);
  }
}

/** Answers false when the caller hung up on the way. */
async function play(
  answer: Answer,
  model: string,
  protocol: Protocol,
  response: ServerResponse,
): Promise<boolean> {
  if (answer.kind === 'status') {
    const error = answer.error ?? { message: `scripted ${answer.status}`, type: 'scripted' };
    sendJson(response, answer.status, protocol.errorBody(error), answer.headers);
    return true;
  }
  if (answer.kind === 'garbage') {
    response.writeHead(200, { 'content-type': answer.contentType });
    response.end('data: <html>502 from a proxy that lies\n\n');
    return true;
  }
  if (answer.kind === 'stall' && answer.chunks.length === 0) return true;

  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(protocol.open(model));
  for (const chunk of answer.chunks) {
    response.write(protocol.text(model, chunk));
    await delay(answer.kind === 'stream' ? (answer.pauseMs ?? 1) : 1);
    if (response.destroyed) return false;
  }
  switch (answer.kind) {
    case 'stream':
      response.end(protocol.close(model, answer.finish ?? 'stop', answer.chunks.length));
      break;
    case 'error-event':
      response.end(protocol.error(answer.error));
      break;
    case 'unfinished':
      response.end();
      break;
    case 'cut':
      response.socket?.destroy();
      break;
  }
  return true;
}

/** How one provider family words a stream. Counts: 7 prompt tokens, one completion token a chunk. */
type Protocol = {
  errorBody(error: ProviderError): unknown;
  open(model: string): string;
  text(model: string, text: string): string;
  error(error: ProviderError): string;
  close(model: string, finish: Finish, tokens: number): string;
};

const chatCompletions: Protocol = {
  errorBody: (error) => ({ error }),
  open: (model) => chatChunk(model, { role: 'assistant', content: '' }, null),
  text: (model, text) => chatChunk(model, { content: text }, null),
  error: (error) => sse({ error }),
  close: (model, finish, tokens) =>
    chatChunk(model, {}, finish) +
    sse({
      ...chatEnvelope(model),
      choices: [],
      usage: { prompt_tokens: 7, completion_tokens: tokens, total_tokens: 7 + tokens },
    }) +
    'data: [DONE]\n\n',
};

const anthropic: Protocol = {
  errorBody: (error) => ({ type: 'error', error }),
  open: (model) =>
    sse(
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model,
          content: [],
          stop_reason: null,
          usage: { input_tokens: 7, output_tokens: 0 },
        },
      },
      'message_start',
    ) +
    sse(
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      'content_block_start',
    ),
  text: (_model, text) =>
    sse(
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
      'content_block_delta',
    ),
  error: (error) => sse({ type: 'error', error }, 'error'),
  close: (_model, finish, tokens) =>
    sse({ type: 'content_block_stop', index: 0 }, 'content_block_stop') +
    sse(
      {
        type: 'message_delta',
        delta: {
          stop_reason: { stop: 'end_turn', length: 'max_tokens', content_filter: 'refusal' }[
            finish
          ],
          stop_sequence: null,
        },
        usage: { output_tokens: tokens },
      },
      'message_delta',
    ) +
    sse({ type: 'message_stop' }, 'message_stop'),
};

function chatChunk(model: string, delta: unknown, finish: Finish | null): string {
  return sse({ ...chatEnvelope(model), choices: [{ index: 0, delta, finish_reason: finish }] });
}

function chatEnvelope(model: string) {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model };
}

function sse(data: unknown, event?: string): string {
  return `${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
