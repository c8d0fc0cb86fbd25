import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedForm, readUpload } from '../../src/stack/multipart.ts';

const TYPE = 'multipart/form-data; boundary=x--x';

describe('reading an upload', () => {
  it('gives fields and file back, however the body is cut', async () => {
    // Contents made of the boundary's own characters come closest to being taken for it.
    const content = fc
      .array(fc.constantFrom('\r', '\n', '-', 'x', 'a'))
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 1, max: 40 }), async (file, size) => {
        fc.pre(!file.includes('\r\n--x--x'));
        const body = Buffer.from(
          '--x--x\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n60' +
            '\r\n--x--x\r\nContent-Disposition: form-data; name=""; filename="a.txt"\r\n' +
            `Content-Type: text/plain\r\n\r\n${file}\r\n--x--x--\r\n`,
        );
        const upload = (await readUpload(cut(body, size), TYPE))!;
        expect(upload.fields.get('cacheControl')).toBe('60');
        expect(upload.contentType).toBe('text/plain');
        expect(await contentOf(upload.content)).toBe(file);
      }),
    );
  });

  it('finds no file in a form without one', async () => {
    const body = Buffer.from(
      '--x--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--x--\r\n',
    );
    expect(await readUpload(cut(body, 7), TYPE)).toBeNull();
  });

  it.each([
    ['without a boundary', 'multipart/form-data', '--x--x\r\n'],
    [
      'that ends in the middle',
      TYPE,
      '--x--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
    ],
    ['with headers without end', TYPE, `--x--x\r\n${'a'.repeat(20_000)}`],
  ])('refuses a form %s', async (_what, type, body) => {
    await expect(readUpload(cut(Buffer.from(body), 1000), type)).rejects.toThrow(MalformedForm);
  });

  it('refuses a file that ends in the middle', async () => {
    const body = Buffer.from('--x--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\nhalf');
    const upload = (await readUpload(cut(body, 5), TYPE))!;
    await expect(contentOf(upload.content)).rejects.toThrow(MalformedForm);
  });
});

function cut(body: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) pieces.push(body.subarray(at, at + size));
  return Readable.from(pieces, { objectMode: false });
}

async function contentOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}
