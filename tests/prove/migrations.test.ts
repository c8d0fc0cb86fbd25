import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { expect, it } from 'vitest';
import { migrate } from '../../src/stack/migrate.ts';
import { freePorts } from '../../src/stack/ports.ts';
import { startStack } from '../../src/stack/stack.ts';
import { createDatabase } from '../support/stack.ts';

it('the migrations make the same database every time, and have nothing to do the second time', async () => {
  const first = await createDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'agentry-migrations-'));
  const [api, db, studio, mail] = await freePorts(4);
  const second = await startStack({
    dataDir,
    ports: { api: api!, db: db!, studio: studio!, mail: mail! },
  });
  try {
    const made = await catalogue(second.databaseUrl);
    expect(made.length).toBeGreaterThan(1000);
    expect(made).toEqual(await catalogue(first.url));
    expect(await migrate(second.databaseUrl)).toBe(0);
    expect(await catalogue(second.databaseUrl)).toEqual(made);
  } finally {
    await second.stop();
    await rm(dataDir, { recursive: true, force: true });
    await first.drop();
  }
});

/** What pg_dump would say: every object of ours with its definition, comment and grants, and the reference data. */
async function catalogue(databaseUrl: string): Promise<string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ line: string }[]>`
      with ours as (
        select oid, nspname from pg_namespace where nspname in ('public', 'private')
      )
      select 'relation ' || c.oid::regclass || ' ' || c.relkind::text || ' rls=' || c.relrowsecurity::text || ' '
        || coalesce(c.relacl::text, '') || coalesce(c.reloptions::text, '')
        || coalesce(obj_description(c.oid, 'pg_class'), '')
        || coalesce(pg_get_viewdef(case when c.relkind = 'v' then c.oid end), '')
        || coalesce(pg_get_indexdef(case when c.relkind in ('i', 'I') then c.oid end), '') as line
      from pg_class as c join ours on ours.oid = c.relnamespace
      union all
      select 'column ' || c.oid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || a.attnotnull::text || a.attgenerated::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
        || coalesce(a.attacl::text, '') || coalesce(col_description(c.oid, a.attnum), '')
      from pg_class as c
        join ours on ours.oid = c.relnamespace
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind in ('r', 'p', 'v', 'c')
      union all
      select 'constraint ' || coalesce(k.conrelid::regclass::text, '') || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
      from pg_constraint as k join ours on ours.oid = k.connamespace
      union all
      select 'trigger ' || t.tgrelid::regclass || ' ' || pg_get_triggerdef(t.oid)
      from pg_trigger as t
        join pg_class as c on c.oid = t.tgrelid
      where not t.tgisinternal and t.tgfoid in (
        select p.oid from pg_proc as p join ours on ours.oid = p.pronamespace)
      union all
      select 'policy ' || schemaname || '.' || tablename || ' ' || policyname || ' ' || permissive || cmd
        || roles::text || coalesce(qual, '') || coalesce(with_check, '')
      from pg_policies where schemaname in ('public', 'private', 'storage', 'realtime')
      union all
      select 'function ' || p.oid::regprocedure || ' ' || pg_get_functiondef(p.oid)
        || coalesce(p.proacl::text, '') || coalesce(obj_description(p.oid, 'pg_proc'), '')
      from pg_proc as p join ours on ours.oid = p.pronamespace
      union all
      select 'type ' || t.oid::regtype || ' ' || e.enumlabel || ' ' || e.enumsortorder::text
      from pg_type as t
        join ours on ours.oid = t.typnamespace
        join pg_enum as e on e.enumtypid = t.oid
      union all
      select 'default ' || coalesce(n.nspname, '') || d.defaclrole::regrole::text || d.defaclobjtype::text || d.defaclacl::text
      from pg_default_acl as d left join pg_namespace as n on n.oid = d.defaclnamespace
      union all
      select 'extension ' || extname || extversion || extnamespace::regnamespace from pg_extension
      union all
      select 'model ' || (to_jsonb(m) - '{created_at,updated_at}'::text[])::text from public.models as m
      union all
      select 'plan ' || (to_jsonb(p) - '{created_at,updated_at}'::text[])::text from public.plans as p
      union all
      select 'upkeep ' || name || task || every from private.upkeep_tasks
      order by 1`;
    return rows.map(({ line }) => line);
  } finally {
    await sql.end();
  }
}
