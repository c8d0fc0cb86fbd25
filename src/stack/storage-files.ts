// The files of Storage on disk, each under a random name: what people call them stands in the database
// only, so that no name can reach outside the folder.

import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const STRAY_AFTER_MS = 60 * 60_000;

/** More bytes came than the caller allowed. */
export class FileTooLarge extends Error {
  override name = 'FileTooLarge';
}

/** A file that is wholly on disk, but not yet at its place. */
export type Received = { version: string; size: number; md5: string };

export type Files = {
  /** Writes a stream to disk, flushed; throws FileTooLarge above `limit` bytes, leaving nothing. */
  receive(content: AsyncIterable<Buffer>, limit: number): Promise<Received>;
  /** Moves a received file to where `read` finds it: before the row that names it is committed. */
  place(version: string): Promise<void>;
  /** A second file with the same content, at its place already. */
  duplicate(version: string): Promise<string>;
  /** Opens a file; null when it is not there. `end` is inclusive. */
  read(version: string, range?: { start: number; end: number }): Promise<Readable | null>;
  /** Removes a file, wherever it stands; a missing one is no error. */
  remove(version: string): Promise<void>;
  /** Removes files older than an hour that `known` does not name: what a crash left behind. */
  sweep(known: (versions: string[]) => Promise<Set<string>>): Promise<void>;
};

/** Opens the folder, making it when missing. */
export function openFiles(folder: string): Files {
  const incoming = join(folder, 'incoming');
  mkdirSync(incoming, { recursive: true, mode: 0o700 });
  const shelfOf = (version: string): string => join(folder, version.slice(0, 2));
  const placeOf = (version: string): string => join(shelfOf(version), version);

  return {
    async receive(content, limit) {
      const version = randomUUID();
      const path = join(incoming, version);
      const md5 = createHash('md5');
      let size = 0;
      const measure = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          size += chunk.length;
          md5.update(chunk);
          if (size > limit) done(new FileTooLarge());
          else done(null, chunk);
        },
      });
      try {
        await pipeline(content, measure, createWriteStream(path, { mode: 0o600, flush: true }));
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
      return { version, size, md5: md5.digest('hex') };
    },

    async place(version) {
      await mkdir(shelfOf(version), { recursive: true, mode: 0o700 });
      await rename(join(incoming, version), placeOf(version));
    },

    async duplicate(version) {
      const copy = randomUUID();
      await mkdir(shelfOf(copy), { recursive: true, mode: 0o700 });
      await copyFile(placeOf(version), placeOf(copy));
      return copy;
    },

    async read(version, range) {
      const stream = createReadStream(placeOf(version), range);
      try {
        await once(stream, 'open');
        return stream;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },

    async remove(version) {
      await rm(placeOf(version), { force: true });
      await rm(join(incoming, version), { force: true });
    },

    async sweep(known) {
      for (const shelf of await readdir(folder)) {
        const names = await readdir(join(folder, shelf));
        const keep = shelf === 'incoming' ? new Set<string>() : await known(names);
        for (const name of names.filter((name) => !keep.has(name))) {
          const path = join(folder, shelf, name);
          const { mtimeMs } = await stat(path);
          if (mtimeMs < Date.now() - STRAY_AFTER_MS) await rm(path, { force: true });
        }
      }
    },
  };
}
