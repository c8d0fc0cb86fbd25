// The Storage API, for supabase-js: buckets and files under the policies of whoever calls. Image
// transformations, resumable uploads and versions are not offered.

import { createHmac, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import postgres from 'postgres';
import { sendJson, urlOf } from './http.ts';
import { type Caller, type Claims, claimsOf, signToken, verifyToken } from './jwt.ts';
import {
  FOREIGN_KEY_VIOLATION,
  StorageError,
  UNIQUE_VIOLATION,
  accessDenied,
  asStorageError,
  isPostgresError,
  noSuchBucket,
  noSuchKey,
  tooLarge,
} from './storage-errors.ts';
import { openFiles } from './storage-files.ts';
import {
  bytes,
  decoded,
  readIncoming,
  readJson,
  recordOf,
  sendFile,
  textOf,
  texts,
} from './storage-http.ts';
import {
  type Bucket,
  type FileMetadata,
  type NewObject,
  type StoredObject,
  type Target,
  openRows,
  uuidOf,
} from './storage-rows.ts';

const MAX_FILE_BYTES = 50 * 1024 * 1024;
const UPLOAD_LINK_SECONDS = 2 * 60 * 60;
// The characters that a hosted project takes.
const FILE_NAME = /^[\w/!\-.*'() &$@=;:+,?]{1,1024}$/;
const BUCKET_NAME = /^[\w!\-.*'() &$@=;:+,?]{1,100}$/;
const SORTABLE = ['name', 'updated_at', 'created_at', 'last_accessed_at'];

export type StorageOptions = {
  /** Connects as supabase_storage_admin. */
  databaseUrl: string;
  jwtSecret: string;
  /** Where the files are kept; made when missing. */
  dir: string;
  log: (line: string) => void;
};

export type Storage = {
  /** Answers a request under /storage/v1. */
  handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  close(): Promise<void>;
};

type Exchange = { request: IncomingMessage; response: ServerResponse; url: URL; caller: Caller };

/** Answers by itself, or returns the JSON to answer with. */
type Handler = (exchange: Exchange, target: Target) => Promise<unknown>;

/** Starts the Storage API on a database that has run storage.sql. */
export function startStorage(options: StorageOptions): Storage {
  const files = openFiles(options.dir);
  const rows = openRows(options.databaseUrl);
  // A key of its own: a link to a file must never pass for a user's token.
  const linkSecret = createHmac('sha256', options.jwtSecret)
    .update('storage links')
    .digest('base64url');

  files
    .sweep(rows.known)
    .catch((error: unknown) => options.log(`storage: the sweep failed: ${String(error)}`));

  const routes: [method: string, path: RegExp, handler: Handler][] = [
    ['GET', /^\/bucket$/, listBuckets],
    ['POST', /^\/bucket$/, createBucket],
    ['GET', /^\/bucket\/(?<bucket>[^/]+)$/, getBucket],
    ['PUT', /^\/bucket\/(?<bucket>[^/]+)$/, updateBucket],
    ['DELETE', /^\/bucket\/(?<bucket>[^/]+)$/, deleteBucket],
    ['POST', /^\/bucket\/(?<bucket>[^/]+)\/empty$/, emptyBucket],
    ['GET', /^\/object\/public\/(?<bucket>[^/]+)\/(?<name>.+)$/, downloadPublic],
    ['GET', /^\/object\/sign\/(?<bucket>[^/]+)\/(?<name>.+)$/, downloadSigned],
    ['GET', /^\/object\/info\/public\/(?<bucket>[^/]+)\/(?<name>.+)$/, infoPublic],
    ['GET', /^\/object\/info\/(?:authenticated\/)?(?<bucket>[^/]+)\/(?<name>.+)$/, info],
    ['GET', /^\/object\/(?:authenticated\/)?(?<bucket>[^/]+)\/(?<name>.+)$/, download],
    ['POST', /^\/object\/list\/(?<bucket>[^/]+)$/, list],
    ['POST', /^\/object\/move$/, move],
    ['POST', /^\/object\/copy$/, copy],
    ['POST', /^\/object\/sign\/(?<bucket>[^/]+)$/, signMany],
    ['POST', /^\/object\/sign\/(?<bucket>[^/]+)\/(?<name>.+)$/, signOne],
    ['POST', /^\/object\/upload\/sign\/(?<bucket>[^/]+)\/(?<name>.+)$/, signUpload],
    ['PUT', /^\/object\/upload\/sign\/(?<bucket>[^/]+)\/(?<name>.+)$/, uploadSigned],
    ['POST', /^\/object\/(?<bucket>[^/]+)\/(?<name>.+)$/, upload],
    ['PUT', /^\/object\/(?<bucket>[^/]+)\/(?<name>.+)$/, upload],
    ['DELETE', /^\/object\/(?<bucket>[^/]+)$/, removeMany],
    ['DELETE', /^\/object\/(?<bucket>[^/]+)\/(?<name>.+)$/, removeOne],
  ];

  return { handle, close: rows.close };

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
  ): Promise<void> {
    const url = urlOf(request);
    const path = url.pathname.replace(/^\/storage\/v1/, '');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    try {
      const [, pattern, handler] =
        routes.find((route) => route[0] === method && route[1].test(path)) ?? [];
      if (!pattern || !handler) throw notOffered();
      const { bucket, name } = pattern.exec(path)?.groups ?? {};
      const target = { bucket: decoded(bucket), name: decoded(name) };
      const body = await handler({ request, response, url, caller }, target);
      if (body !== undefined) sendJson(response, 200, body);
    } catch (error) {
      const known = asStorageError(error);
      if (known === null) throw error;
      const { statusCode, code, error: name, message } = known;
      sendJson(response, 400, { statusCode: String(statusCode), error: name, message, code });
    }
  }

  // Buckets. Policies guard them too; as a rule there are none, so that only service_role makes them.

  async function listBuckets({ caller }: Exchange): Promise<unknown> {
    return rows.as(claimsFor(caller), (tx) => tx`select * from storage.buckets order by name`);
  }

  async function getBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const [found] = await rows.as(
      claimsFor(caller),
      (tx) => tx`select * from storage.buckets where id = ${bucket}`,
    );
    if (!found) throw noSuchBucket();
    return found;
  }

  async function createBucket({ request, caller }: Exchange): Promise<unknown> {
    const claims = claimsFor(caller);
    const fields = await readJson(request);
    const id = textOf(fields['id']) || textOf(fields['name']);
    if (!BUCKET_NAME.test(id)) {
      throw new StorageError(400, 'InvalidBucketName', 'Invalid Input', 'Bucket name invalid');
    }
    const bucket = {
      id,
      name: textOf(fields['name']) || id,
      owner: uuidOf(claims.sub ?? null),
      owner_id: claims.sub ?? null,
      public: fields['public'] === true,
      ...limitsOf(fields),
    };
    try {
      await rows.as(claims, (tx) => tx`insert into storage.buckets ${tx(bucket)}`);
    } catch (error) {
      if (!isPostgresError(error, UNIQUE_VIOLATION)) throw error;
      const message = 'The resource already exists';
      throw new StorageError(409, 'ResourceAlreadyExists', 'Duplicate', message);
    }
    return { name: id };
  }

  async function updateBucket({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const fields = await readJson(request);
    const changes = {
      ...('public' in fields ? { public: fields['public'] === true } : {}),
      ...limitsOf(fields),
      updated_at: new Date(),
    };
    const changed = await rows.as(
      claimsFor(caller),
      (tx) => tx`update storage.buckets set ${tx(changes)} where id = ${bucket} returning id`,
    );
    if (changed.length === 0) throw noSuchBucket();
    return { message: 'Successfully updated' };
  }

  async function emptyBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    await rows.bucket(bucket);
    const gone = await rows.as(
      claimsFor(caller),
      (tx) =>
        tx<StoredObject[]>`delete from storage.objects where bucket_id = ${bucket} returning *`,
    );
    await removeFiles(gone);
    return { message: 'Successfully emptied' };
  }

  async function deleteBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    try {
      const gone = await rows.as(
        claimsFor(caller),
        (tx) => tx`delete from storage.buckets where id = ${bucket} returning id`,
      );
      if (gone.length === 0) throw noSuchBucket();
    } catch (error) {
      if (!isPostgresError(error, FOREIGN_KEY_VIOLATION)) throw error;
      const message = 'The bucket you tried to delete is not empty';
      throw new StorageError(409, 'BucketNotEmpty', 'InvalidRequest', message);
    }
    return { message: 'Successfully deleted' };
  }

  // Writing files.

  async function upload({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const claims = claimsFor(caller);
    const isUpsert = request.method === 'PUT' || wantsUpsert(request);
    return store(request, target, claims, claims.sub ?? null, isUpsert);
  }

  async function signUpload({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const claims = claimsFor(caller);
    const owner = claims.sub ?? null;
    const upsert = wantsUpsert(request);
    await rows.bucket(target.bucket);
    await requireWritable(target, claims, owner, upsert);
    const url = pathOf(target);
    const token = signToken({ use: 'upload', url, owner, upsert }, linkSecret, UPLOAD_LINK_SECONDS);
    return { url: `/object/upload/sign/${url}?token=${token}`, token };
  }

  async function uploadSigned({ request, url }: Exchange, target: Target): Promise<unknown> {
    const link = verifyLink(url, target, 'upload');
    const owner = textOf(link['owner']) || null;
    // The policies were asked when the link was made.
    return store(request, target, { role: 'service_role' }, owner, link['upsert'] === true);
  }

  /** Takes in a file: asks the policies first, then reads the body, then commits row and file. */
  async function store(
    request: IncomingMessage,
    target: Target,
    claims: Claims,
    owner: string | null,
    isUpsert: boolean,
  ): Promise<unknown> {
    const bucket = await rows.bucket(target.bucket);
    await requireWritable(target, claims, owner, isUpsert);
    const { content, mimetype, cacheControl, userMetadata } = await readIncoming(request);
    requireMimeType(bucket, mimetype);
    const { version, size, md5 } = await files.receive(content, sizeLimit(bucket));
    const metadata = metadataOf(md5, size, mimetype, cacheControl);
    const object = { ...target, owner, version, metadata, userMetadata };
    return commit(object, claims, isUpsert, () => files.place(version));
  }

  async function copy({ request, caller }: Exchange): Promise<unknown> {
    const claims = claimsFor(caller);
    const owner = claims.sub ?? null;
    const isUpsert = wantsUpsert(request);
    const { source, target } = await sourceAndTarget(request, claims);
    await requireWritable(target, claims, owner, isUpsert);
    const version = await files.duplicate(source.version);
    const metadata = { ...source.metadata, lastModified: new Date().toISOString() };
    const object = { ...target, owner, version, metadata, userMetadata: source.user_metadata };
    return commit(object, claims, isUpsert, async () => {});
  }

  async function move({ request, caller }: Exchange): Promise<unknown> {
    const claims = claimsFor(caller);
    const { source, target } = await sourceAndTarget(request, claims);
    requireFileName(target);
    const moved = await rows.as(
      claims,
      (tx) => tx`
        update storage.objects
        set bucket_id = ${target.bucket}, name = ${target.name}, updated_at = now()
        where id = ${source.id} returning id`,
    );
    if (moved.length === 0) throw accessDenied();
    return { message: 'Successfully moved' };
  }

  /** What a copy or a move is about; the target's bucket takes a file of this type and size. */
  async function sourceAndTarget(
    request: IncomingMessage,
    claims: Claims,
  ): Promise<{ source: StoredObject; target: Target }> {
    const fields = await readJson(request);
    const from = { bucket: textOf(fields['bucketId']), name: textOf(fields['sourceKey']) };
    const source = await rows.object(claims, from);
    const target = {
      bucket: textOf(fields['destinationBucket']) || from.bucket,
      name: textOf(fields['destinationKey']),
    };
    const bucket = await rows.bucket(target.bucket);
    requireMimeType(bucket, source.metadata.mimetype);
    if (source.metadata.size > sizeLimit(bucket)) throw tooLarge();
    return { source, target };
  }

  /** Refuses a write before its body is read. */
  async function requireWritable(
    target: Target,
    claims: Claims,
    owner: string | null,
    isUpsert: boolean,
  ): Promise<void> {
    requireFileName(target);
    const metadata = metadataOf('', 0, '', '');
    const trial = { ...target, owner, version: randomUUID(), metadata, userMetadata: null };
    await rows.mayWrite(trial, claims, isUpsert);
  }

  /**
   * Writes the row with the caller's rights, and puts the file to its place before the row is committed.
   * The file that an upsert replaces goes afterwards, and this one goes when the row is refused.
   */
  async function commit(
    object: NewObject,
    claims: Claims,
    isUpsert: boolean,
    place: () => Promise<void>,
  ): Promise<unknown> {
    try {
      const { id, replaced } = await rows.write(object, claims, isUpsert, place);
      if (replaced !== null) await files.remove(replaced);
      return { Id: id, Key: pathOf(object) };
    } catch (error) {
      // When the connection broke, the commit may have happened: then the sweep decides.
      if (error instanceof postgres.PostgresError) await files.remove(object.version);
      throw error;
    }
  }

  // Reading files.

  async function download(exchange: Exchange, target: Target): Promise<undefined> {
    const { public: isPublic } = await rows.bucket(target.bucket);
    const object = isPublic
      ? await rows.anyObject(target)
      : await rows.object(claimsFor(exchange.caller), target);
    await send(exchange, object, isPublic);
  }

  async function downloadPublic(exchange: Exchange, target: Target): Promise<undefined> {
    await requirePublic(target);
    await send(exchange, await rows.anyObject(target), true);
  }

  async function downloadSigned(exchange: Exchange, target: Target): Promise<undefined> {
    verifyLink(exchange.url, target, 'download');
    await send(exchange, await rows.anyObject(target), false);
  }

  function send(exchange: Exchange, object: StoredObject, isPublic: boolean): Promise<void> {
    const { request, response, url } = exchange;
    const download = url.searchParams.get('download');
    return sendFile(request, response, files, object, { isPublic, download });
  }

  async function info({ caller }: Exchange, target: Target): Promise<unknown> {
    const bucket = await rows.bucket(target.bucket);
    return described(
      bucket.public ? await rows.anyObject(target) : await rows.object(claimsFor(caller), target),
    );
  }

  async function infoPublic(_exchange: Exchange, target: Target): Promise<unknown> {
    await requirePublic(target);
    return described(await rows.anyObject(target));
  }

  /** The files and folders directly under a prefix; a folder is a name without an id. */
  async function list({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const fields = await readJson(request);
    const folder = textOf(fields['prefix']).replace(/^\/+|\/+$/g, '');
    const prefix = folder === '' ? '' : `${folder}/`;
    const search = textOf(fields['search']).toLowerCase();
    const sort = recordOf(fields['sortBy']);
    const column = SORTABLE.find((name) => name === sort['column']) ?? 'name';
    const limit = Math.min(1000, Math.max(1, Math.trunc(Number(fields['limit'])) || 100));
    const offset = Math.max(0, Math.trunc(Number(fields['offset'])) || 0);
    await rows.bucket(bucket);
    return rows.as(
      claimsFor(caller),
      (tx) => tx`
        with below as (
          select o.*, substr(o.name, ${prefix.length + 1}::integer) as rest
          from storage.objects as o
          where o.bucket_id = ${bucket} and starts_with(o.name, ${prefix})
        ), entries as (
          select split_part(b.rest, '/', 1) as name, null::uuid as id,
            null::timestamptz as updated_at, null::timestamptz as created_at,
            null::timestamptz as last_accessed_at, null::jsonb as metadata
          from below as b
          where strpos(b.rest, '/') > 0
          group by 1
          union all
          select b.rest, b.id, b.updated_at, b.created_at, b.last_accessed_at, b.metadata
          from below as b
          where strpos(b.rest, '/') = 0
        )
        select e.*
        from entries as e
        where e.name <> '' and starts_with(lower(e.name), ${search})
        order by ${tx(column)} ${sort['order'] === 'desc' ? tx`desc` : tx`asc`}, e.name
        limit ${limit} offset ${offset}`,
    );
  }

  async function signOne({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const { expiresIn } = await readJson(request);
    await rows.object(claimsFor(caller), target);
    return { signedURL: downloadLink(target, expiresIn) };
  }

  async function signMany({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const { paths, expiresIn } = await readJson(request);
    const names = texts(paths);
    const found = await rows.as(
      claimsFor(caller),
      (tx) => tx<{ name: string }[]>`
        select name from storage.objects where bucket_id = ${bucket} and name = any(${names})`,
    );
    const visible = new Set(found.map((row) => row.name));
    return names.map((name) =>
      visible.has(name)
        ? { error: null, path: name, signedURL: downloadLink({ bucket, name }, expiresIn) }
        : { error: NOT_VISIBLE, path: name, signedURL: null },
    );
  }

  // Removing files.

  async function removeMany({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const { prefixes } = await readJson(request);
    const gone = await remove(claimsFor(caller), bucket, texts(prefixes));
    return gone.map(({ version: _version, ...row }) => row);
  }

  async function removeOne({ caller }: Exchange, { bucket, name }: Target): Promise<unknown> {
    const gone = await remove(claimsFor(caller), bucket, [name]);
    if (gone.length === 0) throw noSuchKey();
    return { message: 'Successfully deleted' };
  }

  async function remove(claims: Claims, bucket: string, names: string[]): Promise<StoredObject[]> {
    const gone = await rows.as(
      claims,
      (tx) => tx<StoredObject[]>`
        delete from storage.objects
        where bucket_id = ${bucket} and name = any(${names}) returning *`,
    );
    await removeFiles(gone);
    return gone;
  }

  /** After the commit only: a row must never name a file that is gone. */
  async function removeFiles(objects: StoredObject[]): Promise<void> {
    for (const { version } of objects) if (version) await files.remove(version);
  }

  // Who may.

  function claimsFor(caller: Caller): Claims {
    const claims = claimsOf(caller, options.jwtSecret);
    if (claims !== null) return claims;
    const message = 'The access token is invalid or has expired.';
    throw new StorageError(403, 'InvalidJWT', 'Unauthorized', message);
  }

  async function requirePublic(target: Target): Promise<void> {
    if (!(await rows.bucket(target.bucket)).public) throw noSuchBucket();
  }

  function downloadLink(target: Target, expiresIn: unknown): string {
    const seconds = Number(expiresIn);
    if (!Number.isInteger(seconds) || seconds < 1) {
      const message = 'expiresIn must be a whole number of seconds';
      throw new StorageError(400, 'InvalidParameter', 'InvalidParameter', message);
    }
    const url = pathOf(target);
    return `/object/sign/${url}?token=${signToken({ use: 'download', url }, linkSecret, seconds)}`;
  }

  function verifyLink(url: URL, target: Target, use: 'download' | 'upload') {
    const claims = verifyToken(url.searchParams.get('token') ?? '', linkSecret);
    if (claims?.['use'] === use && claims['url'] === pathOf(target)) return claims;
    const message = 'The link is not valid, or no longer.';
    throw new StorageError(400, 'InvalidSignature', 'InvalidSignature', message);
  }
}

const NOT_VISIBLE = 'Either the object does not exist or you do not have access to it';

const notOffered = (): StorageError =>
  new StorageError(404, 'NotImplemented', 'not_found', 'This server does not offer this.');

function pathOf(target: Target): string {
  return `${target.bucket}/${target.name}`;
}

function wantsUpsert(request: IncomingMessage): boolean {
  return request.headers['x-upsert'] === 'true';
}

function limitsOf(fields: Record<string, unknown>) {
  const types = fields['allowed_mime_types'];
  return {
    ...('file_size_limit' in fields ? { file_size_limit: bytes(fields['file_size_limit']) } : {}),
    ...(types !== undefined ? { allowed_mime_types: types === null ? null : texts(types) } : {}),
  };
}

function sizeLimit(bucket: Bucket): number {
  return Math.min(MAX_FILE_BYTES, bucket.file_size_limit ?? MAX_FILE_BYTES);
}

function requireFileName({ name }: Target): void {
  if (FILE_NAME.test(name)) return;
  throw new StorageError(400, 'InvalidKey', 'InvalidKey', `Invalid key: ${name}`);
}

function requireMimeType(bucket: Bucket, mimetype: string): void {
  const type = mimetype.split(';')[0]!.trim().toLowerCase();
  const allowed = (bucket.allowed_mime_types ?? []).map((pattern) => pattern.toLowerCase());
  const isAllowed = allowed.some(
    (pattern) =>
      pattern === '*/*' ||
      pattern === type ||
      (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1))),
  );
  if (allowed.length === 0 || isAllowed) return;
  const message = `mime type ${type} is not supported`;
  throw new StorageError(415, 'InvalidMimeType', 'invalid_mime_type', message);
}

function metadataOf(
  md5: string,
  size: number,
  mimetype: string,
  cacheControl: string,
): FileMetadata {
  return {
    eTag: `"${md5}"`,
    size,
    mimetype,
    cacheControl,
    lastModified: new Date().toISOString(),
    contentLength: size,
    httpStatusCode: 200,
  };
}

/** A file as `info` tells of it. */
function described(object: StoredObject): Record<string, unknown> {
  const { metadata } = object;
  return {
    id: object.id,
    bucket_id: object.bucket_id,
    name: object.name,
    version: object.version,
    size: metadata.size,
    content_type: metadata.mimetype,
    cache_control: metadata.cacheControl,
    etag: metadata.eTag,
    metadata: object.user_metadata ?? {},
    last_modified: metadata.lastModified,
    created_at: object.created_at,
    updated_at: object.updated_at,
  };
}
