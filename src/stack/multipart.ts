// Reads multipart/form-data (RFC 7578) as a stream, so that an uploaded file never stands in memory.

import type { Readable } from 'node:stream';

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_FIELD_BYTES = 256 * 1024;

/** The body is not the form that its Content-Type promises. */
export class MalformedForm extends Error {
  override name = 'MalformedForm';
}

/** The text fields before the file, and the file: `content` must be read before anything else. */
export type Upload = {
  fields: Map<string, string>;
  contentType: string | null;
  content: AsyncIterable<Buffer>;
};

/** Reads up to the first file of a form; null when the form has none. */
export async function readUpload(body: Readable, contentType: string): Promise<Upload | null> {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw new MalformedForm('The form names no boundary.');
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const scanner = new Scanner(body);
  const fields = new Map<string, string>();

  await scanner.take(delimiter, MAX_HEADER_BYTES);
  for (;;) {
    const rest = (await scanner.take(CRLF, MAX_HEADER_BYTES)).toString();
    if (rest.startsWith('--')) return null;
    const headers = (await scanner.take(BLANK_LINE, MAX_HEADER_BYTES)).toString();
    const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? '';
    const name = /;\s*name="([^"]*)"/i.exec(disposition)?.[1] ?? '';
    if (/;\s*filename\*?=/i.test(disposition)) {
      const type = /^content-type:\s*(\S.*?)\s*$/im.exec(headers)?.[1] ?? null;
      return { fields, contentType: type, content: scanner.until(delimiter) };
    }
    fields.set(name, (await scanner.take(delimiter, MAX_FIELD_BYTES)).toString());
  }
}

const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

class Scanner {
  readonly #source: AsyncIterator<Buffer>;
  // The first boundary has no line break before it; with this one it looks like all the others.
  #buffer: Buffer = Buffer.from('\r\n');

  constructor(body: Readable) {
    // The connection must outlive a refused form, or the refusal never arrives.
    this.#source = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  /** Yields what comes before `mark`, holding back only what may be its beginning; eats the mark. */
  async *until(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#buffer.indexOf(mark);
      const ready = at >= 0 ? at : Math.max(0, this.#buffer.length - mark.length + 1);
      const chunk = this.#buffer.subarray(0, ready);
      this.#buffer = this.#buffer.subarray(at >= 0 ? at + mark.length : ready);
      if (chunk.length > 0) yield chunk;
      if (at >= 0) return;
      const next = await this.#source.next();
      if (next.done) throw new MalformedForm('The form ends too early.');
      this.#buffer = Buffer.concat([this.#buffer, next.value]);
    }
  }

  async take(mark: Buffer, limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.until(mark)) {
      size += chunk.length;
      if (size > limit) throw new MalformedForm('A part of the form is too large.');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}
