// The Storage API, for supabase-js: buckets and files, with their metadata in schema `storage` under the
// policies of whoever calls. Image transformations, resumable uploads and versions are not offered.

import { createHmac, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { readBody, sendJson, urlOf } from './http.ts';
import { type Caller, type Claims, claimsOf, signToken, verifyToken } from './jwt.ts';
import { MalformedForm, type Upload, readUpload } from './multipart.ts';
import { FileTooLarge, openFiles } from './storage-files.ts';

const MAX_FILE_BYTES = 50 * 1024 * 1024;
const MAX_JSON_BYTES = 1024 * 1024;
const UPLOAD_URL_SECONDS = 2 * 60 * 60;
// The characters that a hosted project takes.
const VALID_NAME = /^[\w/!\-.*'() &$@=;:+,?]{1,1024}$/;
const VALID_BUCKET = /^[\w!\-.*'() &$@=;:+,?]{1,100}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
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

type Bucket = {
  id: string;
  name: string;
  public: boolean;
  file_size_limit: number | null;
  allowed_mime_types: string[] | null;
};

type FileMetadata = {
  eTag: string;
  size: number;
  mimetype: string;
  cacheControl: string;
  lastModified: string;
  contentLength: number;
  httpStatusCode: number;
};

type StoredObject = {
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

/** What a request is about: the parts of its path, decoded. */
type Target = { bucket: string; name: string };

type Exchange = { request: IncomingMessage; response: ServerResponse; url: URL; caller: Caller };

/** Starts the Storage API on a database that has run storage.sql. */
export function startStorage(options: StorageOptions): Storage {
  const files = openFiles(options.dir);
  const sql = postgres(options.databaseUrl, {
    max: 8,
    onnotice() {},
    // Sizes; they stay far below what a JavaScript number holds.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: { application_name: 'storage', statement_timeout: 15_000 },
  });
  // A key of its own: a link to a file must never pass for a user's token.
  const linkSecret = createHmac('sha256', options.jwtSecret)
    .update('storage links')
    .digest('base64url');

  files
    .sweep(async (versions) => {
      const rows = await sql<{ version: string }[]>`
        select version from storage.objects where version = any(${versions})`;
      return new Set(rows.map((row) => row.version));
    })
    .catch((error: unknown) => options.log(`storage: the sweep failed: ${String(error)}`));

  const routes: [
    method: string,
    path: RegExp,
    answer: (exchange: Exchange, target: Target) => Promise<unknown>,
  ][] = [
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

  return { handle, close: () => sql.end({ timeout: 1 }) };

  /** A handler answers by itself or returns the JSON to answer with. */
  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
  ): Promise<void> {
    const url = urlOf(request);
    const path = url.pathname.replace(/^\/storage\/v1/, '');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    try {
      for (const [routeMethod, pattern, answer] of routes) {
        const match = routeMethod === method ? pattern.exec(path) : null;
        if (match === null) continue;
        const target = {
          bucket: decoded(match.groups?.['bucket']),
          name: decoded(match.groups?.['name']),
        };
        const body = await answer({ request, response, url, caller }, target);
        if (body !== undefined) sendJson(response, 200, body);
        return;
      }
      throw new StorageError(
        404,
        'NotImplemented',
        'not_found',
        'This server does not offer this part of Storage.',
      );
    } catch (error) {
      const known = asStorageError(error);
      if (known === null) throw error;
      const { statusCode, code, error: name, message } = known;
      sendJson(response, 400, { statusCode: String(statusCode), error: name, message, code });
    }
  }

  // Buckets. Their rows are under policies too, and a platform has few: service_role makes them.

  async function listBuckets({ caller }: Exchange): Promise<unknown> {
    return asCaller(callerClaims(caller), (tx) => tx`select * from storage.buckets order by name`);
  }

  async function getBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const [row] = await asCaller(
      callerClaims(caller),
      (tx) => tx`select * from storage.buckets where id = ${bucket}`,
    );
    if (!row) throw noSuchBucket();
    return row;
  }

  async function createBucket({ request, caller }: Exchange): Promise<unknown> {
    const claims = callerClaims(caller);
    const fields = await json(request);
    const id = textOf(fields['id']) || textOf(fields['name']);
    if (!VALID_BUCKET.test(id))
      throw new StorageError(400, 'InvalidBucketName', 'Invalid Input', 'Bucket name invalid');
    try {
      await asCaller(
        claims,
        (tx) => tx`
        insert into storage.buckets (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types)
        values (${id}, ${textOf(fields['name']) || id}, ${ownerUuid(claims)}, ${claims.sub ?? null},
          ${fields['public'] === true}, ${bytes(fields['file_size_limit'])}, ${mimeTypes(fields['allowed_mime_types'])})`,
      );
    } catch (error) {
      if (isPostgresError(error, UNIQUE_VIOLATION)) {
        throw new StorageError(
          409,
          'ResourceAlreadyExists',
          'Duplicate',
          'The resource already exists',
        );
      }
      throw error;
    }
    return { name: id };
  }

  async function updateBucket({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const fields = await json(request);
    const changes = {
      ...('public' in fields ? { public: fields['public'] === true } : {}),
      ...('file_size_limit' in fields ? { file_size_limit: bytes(fields['file_size_limit']) } : {}),
      ...('allowed_mime_types' in fields
        ? { allowed_mime_types: mimeTypes(fields['allowed_mime_types']) }
        : {}),
      updated_at: new Date(),
    };
    const rows = await asCaller(
      callerClaims(caller),
      (tx) => tx`update storage.buckets set ${tx(changes)} where id = ${bucket} returning id`,
    );
    if (rows.length === 0) throw noSuchBucket();
    return { message: 'Successfully updated' };
  }

  async function emptyBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    await findBucket(bucket);
    const gone = await asCaller(
      callerClaims(caller),
      (tx) =>
        tx<StoredObject[]>`delete from storage.objects where bucket_id = ${bucket} returning *`,
    );
    await removeFiles(gone);
    return { message: 'Successfully emptied' };
  }

  async function deleteBucket({ caller }: Exchange, { bucket }: Target): Promise<unknown> {
    try {
      const rows = await asCaller(
        callerClaims(caller),
        (tx) => tx`delete from storage.buckets where id = ${bucket} returning id`,
      );
      if (rows.length === 0) throw noSuchBucket();
    } catch (error) {
      if (isPostgresError(error, FOREIGN_KEY_VIOLATION)) {
        throw new StorageError(
          409,
          'BucketNotEmpty',
          'InvalidRequest',
          'The bucket you tried to delete is not empty',
        );
      }
      throw error;
    }
    return { message: 'Successfully deleted' };
  }

  // Writing files.

  async function upload({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const claims = callerClaims(caller);
    const isUpsert = request.method === 'PUT' || request.headers['x-upsert'] === 'true';
    return store(request, target, claims, claims.sub ?? null, isUpsert);
  }

  async function signUpload({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const claims = callerClaims(caller);
    const isUpsert = request.headers['x-upsert'] === 'true';
    await findBucket(target.bucket);
    await mayWrite(target, claims, claims.sub ?? null, isUpsert);
    const path = `${target.bucket}/${target.name}`;
    const token = signToken(
      { use: 'upload', url: path, owner: claims.sub ?? null, upsert: isUpsert },
      linkSecret,
      UPLOAD_URL_SECONDS,
    );
    return { url: `/object/upload/sign/${path}?token=${token}`, token };
  }

  async function uploadSigned({ request, url }: Exchange, target: Target): Promise<unknown> {
    const link = verifyLink(url, target, 'upload');
    // The policies were asked when the link was made.
    return store(
      request,
      target,
      { role: 'service_role' },
      textOf(link['owner']) || null,
      link['upsert'] === true,
    );
  }

  /** Takes in a file: asks the policies first, then reads the body, then commits row and file together. */
  async function store(
    request: IncomingMessage,
    target: Target,
    claims: Claims,
    owner: string | null,
    isUpsert: boolean,
  ): Promise<unknown> {
    const bucket = await findBucket(target.bucket);
    await mayWrite(target, claims, owner, isUpsert);
    const limit = Math.min(MAX_FILE_BYTES, bucket.file_size_limit ?? MAX_FILE_BYTES);
    const incoming = await readIncoming(request);
    requireMimeType(bucket, incoming.mimetype);

    const { version, size, md5 } = await files.receive(incoming.content, limit);
    const metadata = describe(md5, size, incoming.mimetype, incoming.cacheControl);
    const row = { ...target, owner, version, metadata, userMetadata: incoming.userMetadata };
    const written = await commit(row, claims, isUpsert, () => files.place(version));
    return { Id: written, Key: `${target.bucket}/${target.name}` };
  }

  async function copy({ request, caller }: Exchange): Promise<unknown> {
    const claims = callerClaims(caller);
    const fields = await json(request);
    const source = await findObject(claims, {
      bucket: textOf(fields['bucketId']),
      name: textOf(fields['sourceKey']),
    });
    const target = {
      bucket: textOf(fields['destinationBucket']) || source.bucket_id,
      name: textOf(fields['destinationKey']),
    };
    const bucket = await findBucket(target.bucket);
    const isUpsert = request.headers['x-upsert'] === 'true';
    await mayWrite(target, claims, claims.sub ?? null, isUpsert);
    requireMimeType(bucket, source.metadata.mimetype);
    if (source.metadata.size > (bucket.file_size_limit ?? MAX_FILE_BYTES)) throw tooLarge();

    const version = await files.duplicate(source.version);
    const metadata = { ...source.metadata, lastModified: new Date().toISOString() };
    const row = {
      ...target,
      owner: claims.sub ?? null,
      version,
      metadata,
      userMetadata: source.user_metadata,
    };
    const written = await commit(row, claims, isUpsert, async () => {});
    return { Id: written, Key: `${target.bucket}/${target.name}` };
  }

  async function move({ request, caller }: Exchange): Promise<unknown> {
    const claims = callerClaims(caller);
    const fields = await json(request);
    const source = await findObject(claims, {
      bucket: textOf(fields['bucketId']),
      name: textOf(fields['sourceKey']),
    });
    const target = {
      bucket: textOf(fields['destinationBucket']) || source.bucket_id,
      name: textOf(fields['destinationKey']),
    };
    requireValidName(target);
    const bucket = await findBucket(target.bucket);
    requireMimeType(bucket, source.metadata.mimetype);
    if (source.metadata.size > (bucket.file_size_limit ?? MAX_FILE_BYTES)) throw tooLarge();
    const rows = await asCaller(
      claims,
      (tx) => tx`
      update storage.objects set bucket_id = ${target.bucket}, name = ${target.name}, updated_at = now()
      where id = ${source.id} returning id`,
    );
    if (rows.length === 0) throw accessDenied();
    return { message: 'Successfully moved' };
  }

  type Row = Target & {
    owner: string | null;
    version: string;
    metadata: FileMetadata;
    userMetadata: Record<string, unknown> | null;
  };

  /**
   * Writes the row with the caller's rights, and puts the file to its place before the row is committed.
   * The file that an upsert replaces goes afterwards, and this one goes when the row is refused.
   */
  async function commit(
    row: Row,
    claims: Claims,
    isUpsert: boolean,
    place: () => Promise<void>,
  ): Promise<string> {
    try {
      const { id, replaced } = await sql.begin(async (tx) => {
        const [before] = await tx<{ version: string }[]>`
          select version from storage.objects where bucket_id = ${row.bucket} and name = ${row.name} for update`;
        await become(tx, claims);
        const id = await write(tx, row, isUpsert);
        await place();
        return { id, replaced: before?.version ?? null };
      });
      if (replaced !== null) await files.remove(replaced);
      return id;
    } catch (error) {
      // When the connection broke, the commit may have happened: then the sweep decides.
      if (error instanceof postgres.PostgresError) await files.remove(row.version);
      throw error;
    }
  }

  /** Refuses a write before its body is read: the row is written for trial and rolled back. */
  async function mayWrite(
    target: Target,
    claims: Claims,
    owner: string | null,
    isUpsert: boolean,
  ): Promise<void> {
    requireValidName(target);
    const row = {
      ...target,
      owner,
      version: randomUUID(),
      metadata: describe('', 0, '', ''),
      userMetadata: null,
    };
    try {
      await sql.begin(async (tx) => {
        await become(tx, claims);
        await write(tx, row, isUpsert);
        throw new Rollback();
      });
    } catch (error) {
      if (!(error instanceof Rollback)) throw error;
    }
  }

  async function write(tx: postgres.TransactionSql, row: Row, isUpsert: boolean): Promise<string> {
    const values = {
      bucket_id: row.bucket,
      name: row.name,
      owner: row.owner !== null && UUID.test(row.owner) ? row.owner : null,
      owner_id: row.owner,
      version: row.version,
      metadata: tx.json(row.metadata),
      user_metadata:
        row.userMetadata === null ? null : tx.json(row.userMetadata as postgres.JSONValue),
    };
    const onConflict = isUpsert
      ? tx`on conflict (bucket_id, name) do update set
          owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
          metadata = excluded.metadata, user_metadata = excluded.user_metadata, updated_at = now()`
      : tx``;
    const id = randomUUID();
    await tx`insert into storage.objects ${tx({ id, ...values })} ${onConflict}`;
    if (!isUpsert) return id;
    // Without `returning`: a caller who may write need not be allowed to read.
    await tx`select set_config('role', 'none', true)`;
    const [kept] = await tx<{ id: string }[]>`
      select id from storage.objects where bucket_id = ${row.bucket} and name = ${row.name}`;
    return kept?.id ?? id;
  }

  // Reading files.

  async function download(
    { request, response, url, caller }: Exchange,
    target: Target,
  ): Promise<undefined> {
    const bucket = await findBucket(target.bucket);
    const object = bucket.public
      ? await findAnyObject(target)
      : await findObject(callerClaims(caller), target);
    await sendFile(request, response, url, object, bucket.public);
  }

  async function downloadPublic(
    { request, response, url }: Exchange,
    target: Target,
  ): Promise<undefined> {
    await requirePublic(target);
    await sendFile(request, response, url, await findAnyObject(target), true);
  }

  async function downloadSigned(
    { request, response, url }: Exchange,
    target: Target,
  ): Promise<undefined> {
    verifyLink(url, target, 'download');
    await sendFile(request, response, url, await findAnyObject(target), false);
  }

  async function info({ caller }: Exchange, target: Target): Promise<unknown> {
    const bucket = await findBucket(target.bucket);
    return describeObject(
      bucket.public ? await findAnyObject(target) : await findObject(callerClaims(caller), target),
    );
  }

  async function infoPublic(_exchange: Exchange, target: Target): Promise<unknown> {
    await requirePublic(target);
    return describeObject(await findAnyObject(target));
  }

  /** The files and folders directly under a prefix; a folder is a name without an id. */
  async function list({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const fields = await json(request);
    const folder = textOf(fields['prefix']).replace(/^\/+|\/+$/g, '');
    const prefix = folder === '' ? '' : `${folder}/`;
    const search = textOf(fields['search']).toLowerCase();
    const sort = recordOf(fields['sortBy']);
    const column = SORTABLE.includes(textOf(sort['column'])) ? textOf(sort['column']) : 'name';
    const limit = Math.min(1000, Math.max(1, Number(fields['limit'] ?? 100) || 100));
    const offset = Math.max(0, Number(fields['offset'] ?? 0) || 0);
    await findBucket(bucket);
    return asCaller(
      callerClaims(caller),
      (tx) => tx`
      with below as (
        select o.*, substr(o.name, ${prefix.length + 1}::int) as rest
        from storage.objects o
        where o.bucket_id = ${bucket} and starts_with(o.name, ${prefix})
      ), entries as (
        select split_part(rest, '/', 1) as name, null::uuid as id, null::timestamptz as updated_at,
          null::timestamptz as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata
        from below where strpos(rest, '/') > 0 group by 1
        union all
        select rest, id, updated_at, created_at, last_accessed_at, metadata
        from below where strpos(rest, '/') = 0
      )
      select * from entries
      where starts_with(lower(name), ${search}) and name <> ''
      order by ${tx(column)} ${textOf(sort['order']) === 'desc' ? tx`desc` : tx`asc`}, name
      limit ${limit} offset ${offset}`,
    );
  }

  async function signOne({ request, caller }: Exchange, target: Target): Promise<unknown> {
    const { expiresIn } = await json(request);
    await findObject(callerClaims(caller), target);
    return { signedURL: link(target, expiresIn) };
  }

  async function signMany({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const { paths, expiresIn } = await json(request);
    const names = Array.isArray(paths) ? paths.filter((path) => typeof path === 'string') : [];
    const rows = await asCaller(
      callerClaims(caller),
      (tx) => tx<{ name: string }[]>`
      select name from storage.objects where bucket_id = ${bucket} and name = any(${names})`,
    );
    const visible = new Set(rows.map((row) => row.name));
    return names.map((name) =>
      visible.has(name)
        ? { error: null, path: name, signedURL: link({ bucket, name }, expiresIn) }
        : {
            error: 'Either the object does not exist or you do not have access to it',
            path: name,
            signedURL: null,
          },
    );
  }

  // Removing files.

  async function removeMany({ request, caller }: Exchange, { bucket }: Target): Promise<unknown> {
    const { prefixes } = await json(request);
    const names = Array.isArray(prefixes)
      ? prefixes.filter((name) => typeof name === 'string')
      : [];
    const gone = await remove(callerClaims(caller), bucket, names);
    return gone.map(({ version: _version, ...row }) => row);
  }

  async function removeOne({ caller }: Exchange, { bucket, name }: Target): Promise<unknown> {
    const gone = await remove(callerClaims(caller), bucket, [name]);
    if (gone.length === 0) throw noSuchKey();
    return { message: 'Successfully deleted' };
  }

  async function remove(claims: Claims, bucket: string, names: string[]): Promise<StoredObject[]> {
    const gone = await asCaller(
      claims,
      (tx) => tx<StoredObject[]>`
      delete from storage.objects where bucket_id = ${bucket} and name = any(${names}) returning *`,
    );
    await removeFiles(gone);
    return gone;
  }

  /** After the commit only: a row must never name a file that is gone. */
  async function removeFiles(objects: StoredObject[]): Promise<void> {
    for (const object of objects) await files.remove(object.version);
  }

  // What all of these share.

  async function sendFile(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    object: StoredObject,
    isPublic: boolean,
  ): Promise<void> {
    const { metadata } = object;
    const range = rangeOf(request.headers.range, metadata.size);
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('etag', metadata.eTag);
    response.setHeader('last-modified', new Date(metadata.lastModified).toUTCString());
    response.setHeader(
      'cache-control',
      isPublic ? metadata.cacheControl : `private, ${metadata.cacheControl}`,
    );
    // What people upload must not run as a page of this server.
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader(
      'content-security-policy',
      "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    );
    if (url.searchParams.has('download')) {
      const name = url.searchParams.get('download') || (object.name.split('/').at(-1) ?? 'file');
      response.setHeader(
        'content-disposition',
        `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
      );
    }
    if (request.headers['if-none-match'] === metadata.eTag) {
      response.writeHead(304).end();
      return;
    }
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${metadata.size}` }).end();
      return;
    }
    const content = await files.read(object.version, range ?? undefined);
    if (content === null) throw noSuchKey();
    response.setHeader('content-type', metadata.mimetype);
    response.setHeader('content-length', range ? range.end - range.start + 1 : metadata.size);
    if (range)
      response.setHeader('content-range', `bytes ${range.start}-${range.end}/${metadata.size}`);
    response.writeHead(range ? 206 : 200);
    if (request.method === 'HEAD') {
      content.destroy();
      response.end();
      return;
    }
    // A client that goes away in the middle is no failure of ours.
    await pipeline(content, response).catch(() => {});
  }

  function link(target: Target, expiresIn: unknown): string {
    const seconds = Number(expiresIn);
    if (!Number.isInteger(seconds) || seconds < 1) {
      throw new StorageError(
        400,
        'InvalidParameter',
        'InvalidParameter',
        'expiresIn must be a whole number of seconds',
      );
    }
    const path = `${target.bucket}/${target.name}`;
    return `/object/sign/${path}?token=${signToken({ use: 'download', url: path }, linkSecret, seconds)}`;
  }

  function verifyLink(
    url: URL,
    target: Target,
    use: 'download' | 'upload',
  ): Record<string, unknown> {
    const claims = verifyToken(url.searchParams.get('token') ?? '', linkSecret);
    if (claims?.['use'] !== use || claims['url'] !== `${target.bucket}/${target.name}`) {
      throw new StorageError(
        400,
        'InvalidSignature',
        'InvalidSignature',
        'The link is not valid, or no longer.',
      );
    }
    return claims;
  }

  function callerClaims(caller: Caller): Claims {
    const claims = claimsOf(caller, options.jwtSecret);
    if (claims === null)
      throw new StorageError(
        403,
        'InvalidJWT',
        'Unauthorized',
        'The access token is invalid or has expired.',
      );
    return claims;
  }

  async function findBucket(id: string): Promise<Bucket> {
    const [bucket] = await sql<Bucket[]>`select * from storage.buckets where id = ${id}`;
    if (!bucket) throw noSuchBucket();
    return bucket;
  }

  async function requirePublic(target: Target): Promise<void> {
    if (!(await findBucket(target.bucket)).public) throw noSuchBucket();
  }

  async function findObject(claims: Claims, target: Target): Promise<StoredObject> {
    const [object] = await asCaller(
      claims,
      (tx) => tx<StoredObject[]>`
      select * from storage.objects where bucket_id = ${target.bucket} and name = ${target.name}`,
    );
    if (!object) throw noSuchKey();
    return object;
  }

  /** Past all policies: for public buckets, and for links that somebody who may read has made. */
  async function findAnyObject(target: Target): Promise<StoredObject> {
    const [object] = await sql<StoredObject[]>`
      select * from storage.objects where bucket_id = ${target.bucket} and name = ${target.name}`;
    if (!object) throw noSuchKey();
    return object;
  }

  async function asCaller<T>(
    claims: Claims,
    query: (tx: postgres.TransactionSql) => Promise<T>,
  ): Promise<T> {
    const [result] = await sql.begin(async (tx) => {
      await become(tx, claims);
      return [await query(tx)] as const;
    });
    return result as T;
  }
}

/** The rest of the transaction runs with the caller's role and claims. */
async function become(tx: postgres.TransactionSql, claims: Claims): Promise<void> {
  await tx`
    select set_config('role', ${claims.role}, true), set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('storage.allow_delete_query', 'true', true)`;
}

class Rollback extends Error {}

/** An error as the Storage API writes it; `statusCode` stands in the body, HTTP itself says 400. */
class StorageError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly error: string;

  constructor(statusCode: number, code: string, error: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.error = error;
  }
}

const noSuchBucket = (): StorageError =>
  new StorageError(404, 'NoSuchBucket', 'Bucket not found', 'Bucket not found');
const noSuchKey = (): StorageError =>
  new StorageError(404, 'NoSuchKey', 'not_found', 'Object not found');
const tooLarge = (): StorageError =>
  new StorageError(
    413,
    'EntityTooLarge',
    'Payload too large',
    'The object exceeded the maximum allowed size',
  );
const accessDenied = (): StorageError =>
  new StorageError(
    403,
    'AccessDenied',
    'Unauthorized',
    'new row violates row-level security policy',
  );

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const INSUFFICIENT_PRIVILEGE = '42501';

function asStorageError(error: unknown): StorageError | null {
  if (error instanceof StorageError) return error;
  if (error instanceof FileTooLarge) return tooLarge();
  if (error instanceof MalformedForm)
    return new StorageError(400, 'InvalidRequest', 'InvalidRequest', error.message);
  if (isPostgresError(error, INSUFFICIENT_PRIVILEGE)) return accessDenied();
  if (isPostgresError(error, UNIQUE_VIOLATION)) {
    return new StorageError(409, 'KeyAlreadyExists', 'Duplicate', 'The resource already exists');
  }
  return null;
}

function isPostgresError(error: unknown, code: string): boolean {
  return error instanceof postgres.PostgresError && error.code === code;
}

type Incoming = {
  content: AsyncIterable<Buffer>;
  mimetype: string;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
};

/** A file sent as the body itself, or as the first file of a form. */
async function readIncoming(request: IncomingMessage): Promise<Incoming> {
  const type = request.headers['content-type'] ?? 'application/octet-stream';
  if (!type.toLowerCase().startsWith('multipart/form-data')) {
    const metadata = request.headers['x-metadata'];
    return {
      // The connection must outlive a refused file, or the refusal never arrives.
      content: request.iterator({ destroyOnReturn: false }),
      mimetype: type,
      cacheControl: request.headers['cache-control'] ?? 'no-cache',
      userMetadata:
        typeof metadata === 'string'
          ? parsedRecord(Buffer.from(metadata, 'base64').toString())
          : null,
    };
  }
  const form: Upload | null = await readUpload(request, type);
  if (form === null) throw new MalformedForm('The form holds no file.');
  const seconds = form.fields.get('cacheControl');
  const metadata = form.fields.get('metadata');
  return {
    content: form.content,
    mimetype: form.contentType ?? 'application/octet-stream',
    cacheControl:
      seconds === undefined ? 'no-cache' : `max-age=${Number.parseInt(seconds, 10) || 0}`,
    userMetadata: metadata === undefined ? null : parsedRecord(metadata),
  };
}

function describe(md5: string, size: number, mimetype: string, cacheControl: string): FileMetadata {
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

function describeObject(object: StoredObject): Record<string, unknown> {
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

function requireValidName({ name }: Target): void {
  if (!VALID_NAME.test(name))
    throw new StorageError(400, 'InvalidKey', 'InvalidKey', `Invalid key: ${name}`);
}

function requireMimeType(bucket: Bucket, mimetype: string): void {
  const type = mimetype.split(';')[0]?.trim().toLowerCase() ?? '';
  const allowed = bucket.allowed_mime_types ?? [];
  const matches = (pattern: string): boolean =>
    pattern === '*/*' ||
    pattern === type ||
    (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)));
  if (allowed.length > 0 && !allowed.some((pattern) => matches(pattern.toLowerCase()))) {
    throw new StorageError(
      415,
      'InvalidMimeType',
      'invalid_mime_type',
      `mime type ${type} is not supported`,
    );
  }
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

/** A size limit: a number of bytes, or text such as '50MB'. */
function bytes(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)?$/i.exec(String(value).trim()) ?? [];
  if (digits === undefined)
    throw new StorageError(
      400,
      'InvalidParameter',
      'InvalidParameter',
      'file_size_limit is no size',
    );
  const power = ['b', 'kb', 'mb', 'gb'].indexOf((unit ?? 'b').toLowerCase());
  return Math.floor(Number(digits) * 1024 ** power);
}

function mimeTypes(value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter((type) => typeof type === 'string') : null;
}

function ownerUuid(claims: Claims): string | null {
  return claims.sub !== undefined && UUID.test(claims.sub) ? claims.sub : null;
}

function decoded(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    throw new StorageError(400, 'InvalidKey', 'InvalidKey', `Invalid key: ${part}`);
  }
}

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = await readBody(request, MAX_JSON_BYTES);
  if (body.length === 0) return {};
  const fields = parsedRecord(body.toString());
  if (fields === null)
    throw new StorageError(400, 'InvalidRequest', 'InvalidRequest', 'The body is no JSON object');
  return fields;
}

function parsedRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
