import { randomBytes, randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Person, operator, signUp, visitor } from '../support/stack.ts';

// A bucket of this run alone: people own the folder that has their id, as in many a Supabase project.
const bucket = `test-${randomUUID().slice(0, 8)}`;
const openBucket = `${bucket}-open`;
const sql = postgres(inject('databaseUrl'), { max: 1, onnotice() {} });
const text = { contentType: 'text/plain' };

let owner: Person;
let stranger: Person;
const mine = () => owner.client.storage.from(bucket);
const path = (name: string) => `${owner.id}/${name}`;

beforeAll(async () => {
  [owner, stranger] = await Promise.all([signUp('owner'), signUp('stranger')]);
  const { storage } = operator();
  await storage.createBucket(bucket, {
    public: false,
    fileSizeLimit: '1MB',
    allowedMimeTypes: ['text/*', 'image/png'],
  });
  await storage.createBucket(openBucket, { public: true });
  for (const command of ['select', 'insert', 'update', 'delete']) {
    const rule = `bucket_id = '${bucket}' and (storage.foldername(name))[1] = (select auth.uid())::text`;
    const clause = command === 'insert' ? `with check (${rule})` : `using (${rule})`;
    await sql.unsafe(
      `create policy "${bucket}-${command}" on storage.objects for ${command} to authenticated ${clause}`,
    );
  }
});

afterAll(async () => {
  for (const command of ['select', 'insert', 'update', 'delete']) {
    await sql.unsafe(`drop policy "${bucket}-${command}" on storage.objects`);
  }
  for (const id of [bucket, openBucket]) {
    await operator().storage.emptyBucket(id);
    await operator().storage.deleteBucket(id);
  }
  await sql.end();
});

describe('buckets', () => {
  it('are made, shown, changed and removed with the secret key', async () => {
    const { storage } = operator();
    const id = `${bucket}-2`;
    expect((await storage.createBucket(id, { public: false })).data).toEqual({ name: id });
    expect((await storage.createBucket(id, { public: false })).error).toMatchObject({
      statusCode: '409',
      message: 'The resource already exists',
    });
    await storage.updateBucket(id, { public: true, fileSizeLimit: 10 });
    expect((await storage.getBucket(id)).data).toMatchObject({
      id,
      public: true,
      file_size_limit: 10,
    });
    expect((await storage.listBuckets()).data?.map((found) => found.id)).toContain(id);

    await storage.from(id).upload('a.txt', 'a', text);
    expect((await storage.deleteBucket(id)).error).toMatchObject({ statusCode: '409' });
    await storage.emptyBucket(id);
    expect((await storage.deleteBucket(id)).error).toBeNull();
    expect((await storage.getBucket(id)).error).toMatchObject({ statusCode: '404' });
  });

  it('cannot be made or seen by people', async () => {
    expect(
      (await owner.client.storage.createBucket('theirs', { public: true })).error,
    ).toMatchObject({
      statusCode: '403',
    });
    expect((await owner.client.storage.listBuckets()).data).toEqual([]);
  });
});

describe('uploading', () => {
  it('takes text, bytes, blobs, forms and streams, and gives the same back', async () => {
    const bytes = new Uint8Array(randomBytes(300_000));
    const form = new FormData();
    form.append('', new Blob([bytes], { type: 'image/png' }), 'picture.png');
    const stream = new Blob([bytes]).stream();
    const bodies = {
      text: 'hello',
      bytes,
      blob: new Blob([bytes], { type: 'image/png' }),
      form,
      stream,
    };
    for (const [name, body] of Object.entries(bodies)) {
      const { data, error } = await mine().upload(path(name), body, { contentType: 'image/png' });
      expect(error).toBeNull();
      expect(data?.fullPath).toBe(`${bucket}/${path(name)}`);
      const file = await mine().download(path(name));
      const content = new Uint8Array(await file.data!.arrayBuffer());
      expect(Buffer.from(content).equals(Buffer.from(name === 'text' ? 'hello' : bytes))).toBe(
        true,
      );
      expect(file.data!.type).toBe('image/png');
    }
  });

  it('replaces a file only when told to', async () => {
    await mine().upload(path('twice'), 'one', text);
    expect((await mine().upload(path('twice'), 'two', text)).error).toMatchObject({
      status: 400,
      statusCode: '409',
      message: 'The resource already exists',
    });
    await mine().upload(path('twice'), 'two', { ...text, upsert: true });
    expect(await (await mine().download(path('twice'))).data!.text()).toBe('two');
    await mine().update(path('twice'), 'three', text);
    expect(await (await mine().download(path('twice'))).data!.text()).toBe('three');
  });

  it('lets one of many uploads at once win, whole', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        mine().upload(path('raced'), `${i}`.repeat(50_000), text),
      ),
    );
    expect(results.filter((result) => result.error === null)).toHaveLength(1);
    const content = await (await mine().download(path('raced'))).data!.text();
    expect(content).toBe(content[0]!.repeat(50_000));
  });

  it('keeps what the uploader says about the file', async () => {
    await mine().upload(path('described'), new Blob(['x'], { type: 'text/plain' }), {
      cacheControl: '60',
      metadata: { title: 'Zoë' },
    });
    expect((await mine().info(path('described'))).data).toMatchObject({
      size: 1,
      contentType: 'text/plain',
      cacheControl: 'max-age=60',
      metadata: { title: 'Zoë' },
    });
  });

  it.each([
    ['another’s folder', () => `${stranger.id}/a`, 'a', 'text/plain', '403', 'AccessDenied'],
    [
      'a type that the bucket does not take',
      () => path('a.pdf'),
      'a',
      'application/pdf',
      '415',
      'InvalidMimeType',
    ],
    [
      'more than the bucket’s limit',
      () => path('big'),
      new Uint8Array(1_100_000),
      'text/plain',
      '413',
      'EntityTooLarge',
    ],
    ['a name with other letters', () => path('ü'), 'a', 'text/plain', '400', 'InvalidKey'],
  ])('refuses %s', async (_what, name, body, contentType, statusCode, code) => {
    for (const content of [body, new Blob([body], { type: contentType })]) {
      const { error } = await mine().upload(name(), content, { contentType });
      expect(error).toMatchObject({ status: 400, statusCode, code });
    }
    expect((await mine().list(owner.id, { search: 'big' })).data).toEqual([]);
  });

  it('refuses visitors, and a bucket that is not there', async () => {
    const { error } = await visitor().storage.from(bucket).upload(path('b'), 'b', text);
    expect(error).toMatchObject({ statusCode: '403' });
    const missing = await owner.client.storage.from('nowhere').upload('b', 'b');
    expect(missing.error).toMatchObject({ statusCode: '404', message: 'Bucket not found' });
  });

  it('is allowed to whoever holds a link for it, for that name and once', async () => {
    const { data } = await mine().createSignedUploadUrl(path('by-link'));
    const guest = visitor().storage.from(bucket);
    expect(
      (await guest.uploadToSignedUrl(path('elsewhere'), data!.token, 'x', text)).error,
    ).not.toBeNull();
    expect(
      (await guest.uploadToSignedUrl(path('by-link'), data!.token, 'x', text)).error,
    ).toBeNull();
    expect(
      (await guest.uploadToSignedUrl(path('by-link'), data!.token, 'y', text)).error,
    ).not.toBeNull();
    expect(await (await mine().download(path('by-link'))).data!.text()).toBe('x');
    expect(
      (await visitor().storage.from(bucket).createSignedUploadUrl(path('c'))).error,
    ).not.toBeNull();
  });
});

describe('reading', () => {
  beforeAll(async () => {
    await mine().upload(path('read/one.txt'), 'hello world', text);
    await mine().upload(path('read/deep/two.txt'), 'two', text);
    await operator().storage.from(openBucket).upload('page.html', '<script>alert(1)</script>', {
      contentType: 'text/html',
    });
  });

  it('is for those whom the policies let read; to others the file is not there', async () => {
    for (const client of [stranger.client, visitor()]) {
      const { error } = await client.storage.from(bucket).download(path('read/one.txt'));
      expect(error).toMatchObject({ status: 400, statusCode: '404' });
      expect((await client.storage.from(bucket).list(owner.id)).data).toEqual([]);
    }
  });

  it('tells whether a file is there', async () => {
    expect((await mine().exists(path('read/one.txt'))).data).toBe(true);
    const { data, error } = await mine().exists(path('read/none.txt'));
    expect(data).toBe(false);
    expect(error).toMatchObject({ statusCode: '404', code: 'NoSuchKey' });
  });

  it('lists a folder: names within it, folders among them, in pages and order', async () => {
    const names = async (options: object, folder = path('read')) =>
      (await mine().list(folder, options)).data!.map((entry) => [entry.name, entry.id !== null]);
    expect(await names({})).toEqual([
      ['deep', false],
      ['one.txt', true],
    ]);
    expect(await names({ sortBy: { column: 'name', order: 'desc' }, limit: 1 })).toEqual([
      ['one.txt', true],
    ]);
    expect(await names({ offset: 1 })).toEqual([['one.txt', true]]);
    expect(await names({ search: 'ONE' })).toEqual([['one.txt', true]]);
    expect((await names({}, '')).map(([name]) => name)).toEqual([owner.id]);
  });

  it('opens to whoever holds a link, for that file, until it expires', async () => {
    const { data } = await mine().createSignedUrl(path('read/one.txt'), 60, {
      download: 'two words.txt',
    });
    const response = await fetch(data!.signedUrl);
    expect(await response.text()).toBe('hello world');
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename/);
    expect((await fetch(data!.signedUrl.replace('one.txt', 'deep/two.txt'))).status).toBe(400);

    const brief = (await mine().createSignedUrl(path('read/one.txt'), 1)).data!.signedUrl;
    await expect.poll(async () => (await fetch(brief)).status, { timeout: 5000 }).toBe(400);
    expect(
      (await stranger.client.storage.from(bucket).createSignedUrl(path('read/one.txt'), 60)).error,
    ).not.toBeNull();
  });

  it('makes many links at once, and says which it could not', async () => {
    const { data } = await mine().createSignedUrls([path('read/one.txt'), path('none')], 60);
    expect(data!.map((link) => link.error === null)).toEqual([true, false]);
    expect((await fetch(data![0]!.signedUrl!)).status).toBe(200);
  });

  it('keeps the token of a link from being anybody’s token', async () => {
    const { data } = await mine().createSignedUploadUrl(path('token'));
    const response = await fetch(`${inject('supabaseUrl')}/rest/v1/profiles?limit=1`, {
      headers: { apikey: inject('publishableKey'), authorization: `Bearer ${data!.token}` },
    });
    expect(response.status).toBe(401);
  });

  it('shows a public bucket to everybody, harmlessly, and no private one', async () => {
    const open = await fetch(
      visitor().storage.from(openBucket).getPublicUrl('page.html').data.publicUrl,
    );
    expect(open.status).toBe(200);
    expect(open.headers.get('x-content-type-options')).toBe('nosniff');
    expect(open.headers.get('content-security-policy')).toMatch(/^sandbox;/);
    const closed = await fetch(mine().getPublicUrl(path('read/one.txt')).data.publicUrl);
    expect(closed.status).toBe(400);
    expect((await visitor().storage.from(openBucket).list()).data).toEqual([]);
  });

  it('answers for a part of a file, and for one that has not changed', async () => {
    const url = (await mine().createSignedUrl(path('read/one.txt'), 60)).data!.signedUrl;
    const part = async (range: string) => {
      const response = await fetch(url, { headers: { range } });
      return [response.status, response.headers.get('content-range'), await response.text()];
    };
    expect(await part('bytes=6-')).toEqual([206, 'bytes 6-10/11', 'world']);
    expect(await part('bytes=0-4')).toEqual([206, 'bytes 0-4/11', 'hello']);
    expect(await part('bytes=-5')).toEqual([206, 'bytes 6-10/11', 'world']);
    expect(await part('bytes=99-')).toEqual([416, 'bytes */11', '']);
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('11');
    const same = await fetch(url, { headers: { 'if-none-match': head.headers.get('etag')! } });
    expect(same.status).toBe(304);
  });
});

describe('moving, copying, removing', () => {
  it('moves and copies what one may write, and nothing over another file', async () => {
    await mine().upload(path('from'), 'content', text);
    expect((await mine().copy(path('from'), path('copy'))).data).toEqual({
      path: `${bucket}/${path('copy')}`,
    });
    expect((await mine().copy(path('from'), path('copy'))).error).toMatchObject({
      statusCode: '409',
    });
    expect((await mine().move(path('from'), path('to'))).error).toBeNull();
    expect((await mine().move(path('to'), `${stranger.id}/to`)).error).toMatchObject({
      statusCode: '403',
    });
    expect((await mine().exists(path('from'))).data).toBe(false);
    for (const name of ['to', 'copy']) {
      expect(await (await mine().download(path(name))).data!.text()).toBe('content');
    }
  });

  it('removes what one may remove, and says what that was', async () => {
    await mine().upload(path('gone'), 'x', text);
    const theirs = await stranger.client.storage.from(bucket).remove([path('gone')]);
    expect(theirs.data).toEqual([]);
    const { data } = await mine().remove([path('gone'), path('never')]);
    expect(data!.map((file) => file.name)).toEqual([path('gone')]);
    expect((await mine().exists(path('gone'))).data).toBe(false);
  });

  it('leaves no way to remove the row and forget the file', async () => {
    await mine().upload(path('kept'), 'x', text);
    await expect(sql`delete from storage.objects where bucket_id = ${bucket}`).rejects.toThrow(
      /Storage API/,
    );
    expect((await mine().exists(path('kept'))).data).toBe(true);
  });
});
