// The rows of Storage: buckets, and the metadata of files. They are read and written with the caller's
// role and claims, so that the policies decide.

import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import type { Claims } from './jwt.ts';
import { noSuchBucket, noSuchKey } from './storage-errors.ts';

/** Which file: `name` is its path within the bucket. */
export type Target = { bucket: string; name: string };

export type Bucket = {
  id: string;
  name: string;
  public: boolean;
  file_size_limit: number | null;
  allowed_mime_types: string[] | null;
};

export type FileMetadata = {
  eTag: string;
  size: number;
  mimetype: string;
  cacheControl: string;
  lastModified: string;
  contentLength: number;
  httpStatusCode: number;
};

/** `version` is the name of the file on disk. */
export type StoredObject = {
  id: string;
  bucket_id: string;
  name: string;
  owner: string | null;
  owner_id: string | null;
  version: string;
  metadata: FileMetadata;
  user_metadata: Record<string, unknown> | null;
  created_at: Date;
  updated_at: Date;
  last_accessed_at: Date;
};

/** The row of a file about to be written. */
export type NewObject = Target & {
  owner: string | null;
  version: string;
  metadata: FileMetadata;
  userMetadata: Record<string, unknown> | null;
};

export type Query<T> = (tx: postgres.TransactionSql) => Promise<T>;

/** Connects as supabase_storage_admin, who becomes the caller in each transaction. */
export function openRows(databaseUrl: string) {
  const sql = postgres(databaseUrl, {
    max: 8,
    onnotice() {},
    // Sizes; they stay far below what a JavaScript number holds.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: { application_name: 'storage', statement_timeout: 15_000 },
  });

  return {
    /** Runs statements as the caller, in one transaction. */
    async as<T>(claims: Claims, query: Query<T>): Promise<T> {
      const [result] = await sql.begin(async (tx) => {
        await become(tx, claims);
        return [await query(tx)] as const;
      });
      return result as T;
    },

    /** A bucket, whoever asks: its limits hold for everybody. Throws when there is none. */
    async bucket(id: string): Promise<Bucket> {
      const [bucket] = await sql<Bucket[]>`select * from storage.buckets where id = ${id}`;
      if (!bucket) throw noSuchBucket();
      return bucket;
    },

    /** A file that the caller may read. Throws when there is none. */
    async object(claims: Claims, target: Target): Promise<StoredObject> {
      return present(await this.as(claims, (tx) => find(tx, target)));
    },

    /** Past all policies: for public buckets, and for links that somebody who may read has made. */
    async anyObject(target: Target): Promise<StoredObject> {
      return present(await find(sql, target));
    },

    /** Which of these files on disk have a row. */
    async known(versions: string[]): Promise<Set<string>> {
      const rows = await sql<{ version: string }[]>`
        select version from storage.objects where version = any(${versions})`;
      return new Set(rows.map((row) => row.version));
    },

    /** Refuses a write that the policies refuse, by trying it and rolling back. */
    async mayWrite(object: NewObject, claims: Claims, isUpsert: boolean): Promise<void> {
      try {
        await sql.begin(async (tx) => {
          await become(tx, claims);
          await insert(tx, object, isUpsert);
          throw new Rollback();
        });
      } catch (error) {
        if (!(error instanceof Rollback)) throw error;
      }
    },

    /**
     * Writes a row; `beforeCommit` runs once it is accepted. Answers with its id and the file that it
     * no longer names.
     */
    write(
      object: NewObject,
      claims: Claims,
      isUpsert: boolean,
      beforeCommit: () => Promise<void>,
    ): Promise<{ id: string; replaced: string | null }> {
      return sql.begin(async (tx) => {
        const [before] = await tx<{ version: string }[]>`
          select version from storage.objects
          where bucket_id = ${object.bucket} and name = ${object.name} for update`;
        await become(tx, claims);
        await insert(tx, object, isUpsert);
        // Not by `returning`: a caller who may write need not be allowed to read.
        await tx`select set_config('role', 'none', true)`;
        const [written] = await tx<{ id: string }[]>`
          select id from storage.objects
          where bucket_id = ${object.bucket} and name = ${object.name}`;
        await beforeCommit();
        return { id: written!.id, replaced: before?.version ?? null };
      });
    },

    close: (): Promise<void> => sql.end({ timeout: 1 }),
  };
}

/** The rest of the transaction runs with the caller's role and claims. */
async function become(tx: postgres.TransactionSql, claims: Claims): Promise<void> {
  await tx`
    select set_config('role', ${claims.role}, true),
      set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('storage.allow_delete_query', 'true', true)`;
}

async function insert(
  tx: postgres.TransactionSql,
  object: NewObject,
  isUpsert: boolean,
): Promise<void> {
  const { owner, userMetadata } = object;
  const row = {
    id: randomUUID(),
    bucket_id: object.bucket,
    name: object.name,
    owner: uuidOf(owner),
    owner_id: owner,
    version: object.version,
    metadata: tx.json(object.metadata),
    user_metadata: userMetadata === null ? null : tx.json(userMetadata as postgres.JSONValue),
  };
  const onConflict = isUpsert
    ? tx`on conflict (bucket_id, name) do update set
        owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
        metadata = excluded.metadata, user_metadata = excluded.user_metadata, updated_at = now()`
    : tx``;
  await tx`insert into storage.objects ${tx(row)} ${onConflict}`;
}

async function find(sql: postgres.ISql, target: Target): Promise<StoredObject | undefined> {
  const [object] = await sql<StoredObject[]>`
    select * from storage.objects where bucket_id = ${target.bucket} and name = ${target.name}`;
  return object;
}

/** A row that SQL alone has made names no file. */
function present(object: StoredObject | undefined): StoredObject {
  if (!object?.version || !object.metadata) throw noSuchKey();
  return object;
}

/** An owner as the older uuid column takes it. */
export function uuidOf(owner: string | null): string | null {
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(owner ?? '');
  return isUuid ? owner : null;
}

class Rollback extends Error {}
