import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { WorkerDatabase } from '../../src/worker/database.ts';
import { Vault } from '../../src/worker/secrets.ts';
import { signUp, type Person } from '../support/stack.ts';

/** A secret on its whole way: from the browser into the database, and to the worker alone. */
const sql = postgres(inject('databaseUrl'), { max: 2, onnotice: () => {} });
const worker = new WorkerDatabase(inject('databaseUrl'), {
  maxConnections: 1,
  applicationName: 'tokens.test',
});
afterAll(() => Promise.all([sql.end(), worker.close()]));

let ada: Person;
let ben: Person;
let vault: Vault;
const secret = 'sk-a-value-that-stands-nowhere-else';

beforeAll(async () => {
  [ada, ben] = await Promise.all([signUp('ada'), signUp('ben')]);
  vault = await Vault.open(
    worker.kysely,
    readFileSync(inject('workerEnv').AGENTRY_PRIVATE_KEY_FILE!, 'utf8'),
  );
  await ada.client.rpc('set_token', { key: 'OPENAI_API_KEY', value: secret }).throwOnError();
});

it('a worker reads what its runner stored', async () => {
  expect(await vault.readToken(ada.organizationId, ada.id, 'OPENAI_API_KEY')).toBe(secret);
  expect(await vault.readToken(ben.organizationId, ben.id, 'OPENAI_API_KEY')).toBeUndefined();
});

it('the runner’s own token goes before the organization’s', async () => {
  await ada.client
    .rpc('set_token', { key: 'SHARED', value: 'ours', organization_id: ada.organizationId })
    .throwOnError();
  expect(await vault.readToken(ada.organizationId, ada.id, 'SHARED')).toBe('ours');
  expect(await vault.readToken(ada.organizationId, ben.id, 'SHARED')).toBe('ours');
  await ada.client.rpc('set_token', { key: 'SHARED', value: 'mine' }).throwOnError();
  expect(await vault.readToken(ada.organizationId, ada.id, 'SHARED')).toBe('mine');
});

it('a ciphertext that was moved to another owner or name is refused', async () => {
  const { data: bens } = await ben.client
    .rpc('set_token', { key: 'STOLEN', value: 'x' })
    .throwOnError();
  await sql`
    update private.token_values set ciphertext = (
      select v.ciphertext from private.token_values as v join public.tokens as t on t.id = v.token_id
      where t.user_id = ${ada.id} and t.key = 'OPENAI_API_KEY')
    where token_id = ${bens.id}`;
  await expect(vault.readToken(ben.organizationId, ben.id, 'STOLEN')).rejects.toThrow(
    'another owner or name',
  );
});

it('people see that they have a token, and never its value', async () => {
  const { data } = await ada.client
    .from('tokens')
    .select()
    .eq('key', 'OPENAI_API_KEY')
    .throwOnError();
  expect(data).toHaveLength(1);
  expect(JSON.stringify(data)).not.toContain(secret);
  expect(
    (await ben.client.from('tokens').select('*', { count: 'exact' }).eq('key', 'OPENAI_API_KEY'))
      .count,
  ).toBe(0);
});

it('the value stands in no table, no running statement and no log', async () => {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('public', 'private', 'auth', 'storage', 'realtime')`;
  for (const { name } of tables) {
    const found = await sql.unsafe(
      `select from ${name} as t where t::text like '%${secret}%' limit 1`,
    );
    expect(found, name).toHaveLength(0);
  }
  expect(
    await sql`select from pg_stat_activity where query like ${`%${secret}%`} and pid <> pg_backend_pid()`,
  ).toHaveLength(0);
  const settings = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings
    where name in ('log_statement', 'log_min_duration_statement', 'log_parameter_max_length_on_error') order by name`;
  expect(settings.map(({ setting }) => setting)).toEqual(['-1', '0', 'none']);
});
