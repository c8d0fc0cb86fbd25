import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import type { Claims } from '../../src/stack/jwt.ts';
import { DONE } from './requests.ts';
import type { CallerName, Standing, World } from './tenants.ts';
import { samples, words } from './words.ts';

/** The kinds of private channels that private.can_join_channel() knows. */
export const CHANNELS = ['execution'];

type File = Standing & { id: string; name: string };

/**
 * Tries a command on kestrel's files in a bucket, with the caller's role and claims as the Storage API does
 * it. Updates and deletes have no filter, so that nothing but their own policy stands in the way.
 */
export async function tryFiles(
  world: World,
  bucket: string,
  command: string,
  caller: CallerName,
): Promise<string> {
  const [files, claims] = await Promise.all([filesOf(world, bucket), world.claimsOf(caller)]);
  if (command === 'insert') {
    return tryEach(world, caller, files, async (tx, { name }) => {
      await become(tx, claims);
      const beside = name.replace(/[^/]*$/, randomUUID());
      await tx`
        insert into storage.objects (bucket_id, name, owner_id)
        values (${bucket}, ${beside}, ${claims.sub ?? null})`;
      return true;
    });
  }
  let reached = new Set<string>();
  const code = await attempt(world, async (tx) => {
    await become(tx, claims);
    if (command === 'select') {
      reached = idsOf(await tx`select id from storage.objects where bucket_id = ${bucket}`);
      return true;
    }
    await tx.unsafe(WRITES[command]!);
    await tx`select set_config('role', 'none', true)`;
    const untouched = idsOf(
      await tx`
      select id from storage.objects
      where name = any(${files.map(({ name }) => name)}) and version is distinct from 'touched'`,
    );
    reached = new Set(files.map(({ id }) => id).filter((id) => !untouched.has(id)));
    return true;
  });
  if (code !== DONE) return code;
  return words(world, caller, files, ({ id }) => (reached.has(id) ? DONE : 'none'));
}

/** Nothing in them reads a column, which would bring the policies of `select` in. */
const WRITES: Record<string, string> = {
  update: "update storage.objects set version = 'touched'",
  'update name': 'update storage.objects set name = gen_random_uuid()::text',
  delete: 'delete from storage.objects',
};

async function filesOf(world: World, bucket: string): Promise<File[]> {
  const stored = await world.sql<{ id: string; name: string; owner: string | null }[]>`
    select o.id, o.name, p.username as owner
    from storage.objects as o
      left join public.profiles as p
        on p.id::text = case o.bucket_id
          when 'avatars' then split_part(o.name, '/', 1)
          when 'attachments' then o.owner_id
        end
    where o.bucket_id = ${bucket} and o.name like ${`%/zq${world.kestrel.name}%`}`;
  const artifacts = new Map(
    world.kestrel.rows
      .get('execution_artifacts')!
      .map((artifact) => [artifact.values['storage_path'], artifact] as const),
  );
  return stored.map(({ id, name, owner }): File => {
    const artifact = artifacts.get(name);
    const { agentOwner, kind } = artifact ?? {
      agentOwner: undefined,
      kind: owner === null ? 'organization' : 'private',
    };
    return { id, name, owner: artifact?.owner ?? owner ?? undefined, agentOwner, kind };
  });
}

/** Tries to listen (`select`) or send (`insert`) on the channels of kestrel's rows, as Realtime asks for it. */
export async function tryChannel(
  world: World,
  channel: string,
  command: string,
  caller: CallerName,
): Promise<string> {
  const rows = world.kestrel.rows.get(`${channel}s`)!;
  const claims = await world.claimsOf(caller);
  return tryEach(world, caller, rows, async (tx, row) => {
    const topic = `${channel}:${String(row.key['id'])}`;
    const send = () => tx`
      insert into realtime.messages (topic, extension, private) values (${topic}, 'broadcast', true)`;
    await tx`select set_config('realtime.topic', ${topic}, true)`;
    if (command === 'select') await send();
    await become(tx, claims);
    if (command === 'insert') await send();
    else return (await tx`select from realtime.messages where topic = ${topic}`).length > 0;
    return true;
  });
}

async function tryEach<Kind extends Standing>(
  world: World,
  caller: CallerName,
  rows: Kind[],
  isDone: (tx: postgres.TransactionSql, row: Kind) => Promise<boolean>,
): Promise<string> {
  const tried = samples(rows, world.ownerOf(caller));
  const codes = await Promise.all(tried.map((row) => attempt(world, (tx) => isDone(tx, row))));
  return words(world, caller, tried, (row) => codes[tried.indexOf(row)]!);
}

/** Runs it in a transaction of its own that leaves nothing, and answers as requests.ts does. */
async function attempt(
  world: World,
  isDone: (tx: postgres.TransactionSql) => Promise<boolean>,
): Promise<string> {
  let code = DONE;
  try {
    await world.sql.begin(async (tx) => {
      if (!(await isDone(tx))) code = 'none';
      throw new Undone();
    });
  } catch (error) {
    if (error instanceof postgres.PostgresError)
      return error.code === '42501' ? 'denied' : error.code;
    if (!(error instanceof Undone)) throw error;
  }
  return code;
}
class Undone extends Error {}

async function become(tx: postgres.TransactionSql, claims: Claims): Promise<void> {
  await tx`
    select set_config('role', ${claims.role}, true),
      set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('storage.allow_delete_query', 'true', true)`;
}

function idsOf(rows: postgres.Row[]): Set<string> {
  return new Set(rows.map((row) => String(row['id'])));
}
