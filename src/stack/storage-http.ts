// What Storage reads from a request, and how it sends a file.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { readBody } from './http.ts';
import { MalformedForm, readUpload } from './multipart.ts';
import { StorageError, noSuchKey } from './storage-errors.ts';
import type { Files } from './storage-files.ts';
import type { StoredObject } from './storage-rows.ts';

const MAX_JSON_BYTES = 1024 * 1024;
const MIME_TYPE = /^[\w.+-]+\/[\w.+-]+( *;[\x20-\x7e]*)?$/;

/** A file on its way in. */
export type Incoming = {
  content: AsyncIterable<Buffer>;
  mimetype: string;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
};

/** A file sent as the body itself, or as the first file of a form. */
export async function readIncoming(request: IncomingMessage): Promise<Incoming> {
  const type = request.headers['content-type'] ?? '';
  if (!type.toLowerCase().startsWith('multipart/form-data')) {
    const metadata = request.headers['x-metadata'];
    return {
      // The connection must outlive a refused file, or the refusal never arrives.
      content: request.iterator({ destroyOnReturn: false }),
      mimetype: mimeType(type),
      cacheControl: request.headers['cache-control'] ?? 'no-cache',
      userMetadata:
        typeof metadata === 'string'
          ? parsedRecord(Buffer.from(metadata, 'base64').toString())
          : null,
    };
  }
  const form = await readUpload(request, type);
  if (form === null) throw new MalformedForm('The form holds no file.');
  const seconds = form.fields.get('cacheControl');
  const metadata = form.fields.get('metadata');
  return {
    content: form.content,
    mimetype: mimeType(form.contentType ?? ''),
    cacheControl:
      seconds === undefined ? 'no-cache' : `max-age=${Number.parseInt(seconds, 10) || 0}`,
    userMetadata: metadata === undefined ? null : parsedRecord(metadata),
  };
}

/** Sends a file, or the part of it that the request asks for. Throws when it is not on disk. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  files: Files,
  object: StoredObject,
  options: { isPublic: boolean; download: string | null },
): Promise<void> {
  const { size, eTag, mimetype, cacheControl, lastModified } = object.metadata;
  const range = rangeOf(request.headers.range, size);
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('etag', eTag);
  response.setHeader('last-modified', new Date(lastModified).toUTCString());
  response.setHeader('cache-control', options.isPublic ? cacheControl : `private, ${cacheControl}`);
  // What people upload must not run as a page of this server.
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('content-security-policy', FILE_POLICY);
  if (options.download !== null) {
    const name = encodeURIComponent(options.download || object.name.split('/').at(-1)!);
    response.setHeader('content-disposition', `attachment; filename*=UTF-8''${name}`);
  }
  if (request.headers['if-none-match'] === eTag) {
    response.writeHead(304).end();
    return;
  }
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }

  const content = await files.read(object.version, range ?? undefined);
  if (content === null) throw noSuchKey();
  response.setHeader('content-type', mimetype);
  if (range) {
    response.setHeader('content-length', range.end - range.start + 1);
    response.setHeader('content-range', `bytes ${range.start}-${range.end}/${size}`);
  } else response.setHeader('content-length', size);
  response.writeHead(range ? 206 : 200);
  if (request.method === 'HEAD') {
    content.destroy();
    response.end();
    return;
  }
  // A client that goes away in the middle is no failure of ours.
  await pipeline(content, response).catch(() => {});
}

const FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The body as a JSON object; an empty one counts as {}. */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = await readBody(request, MAX_JSON_BYTES);
  if (body.length === 0) return {};
  const fields = parsedRecord(body.toString());
  if (fields === null) {
    throw new StorageError(400, 'InvalidRequest', 'InvalidRequest', 'The body is no JSON object');
  }
  return fields;
}

/** A part of a path, decoded. */
export function decoded(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    throw new StorageError(400, 'InvalidKey', 'InvalidKey', `Invalid key: ${part}`);
  }
}

/** A size limit: a number of bytes, or text such as '50MB'. */
export function bytes(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)?$/i.exec(String(value).trim()) ?? [];
  if (digits === undefined) {
    throw new StorageError(400, 'InvalidParameter', 'InvalidParameter', 'This is no size');
  }
  const power = ['b', 'kb', 'mb', 'gb'].indexOf((unit ?? 'b').toLowerCase());
  return Math.floor(Number(digits) * 1024 ** power);
}

/** The texts of a list; what is no list has none. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** It becomes a header again, so nothing passes that is no type. */
function mimeType(value: string): string {
  return MIME_TYPE.test(value) ? value : 'application/octet-stream';
}

/** One range of RFC 9110; null for none, or for several, which are answered with the whole file. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return null;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}

function parsedRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
