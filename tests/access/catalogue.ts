import type postgres from 'postgres';

/** A table or view of the API. */
export type Relation = {
  name: string;
  isView: boolean;
  /** The columns of the primary key; for a view, the column that names its row. */
  key: string[];
  columns: Column[];
  /** Column sets that are unique, the primary key included. */
  uniques: string[][];
  /** The commands granted on the whole table. */
  anon: string[];
  authenticated: string[];
  /** The columns that either of them may write. */
  insertable: string[];
  updatable: string[];
};
export type Column = { name: string; type: string; isGenerated: boolean; hasDefault: boolean };

/** A function of the API. */
export type Routine = {
  name: string;
  signature: string;
  /** Answers GET as well as POST. */
  isReadOnly: boolean;
  /** The table whose rows it extends by a column, if it is a computed one. */
  computedOn: string | null;
  returnsRows: boolean;
  arguments: string[];
};

export type ForeignKey = {
  table: string;
  name: string;
  columns: string[];
  target: string;
  targetColumns: string[];
};

export type Catalogue = {
  relations: Relation[];
  routines: Routine[];
  foreignKeys: ForeignKey[];
  buckets: string[];
  relation: (name: string) => Relation;
};

/** What the API consists of, as the database has it. */
export async function readCatalogue(sql: postgres.Sql): Promise<Catalogue> {
  const relations = await sql<Relation[]>`
    select
      c.relname as name,
      c.relkind = 'v' as "isView",
      coalesce(
        (select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
         from pg_index as i
           join pg_attribute as a on a.attrelid = c.oid and a.attnum = any (i.indkey)
         where i.indrelid = c.oid and i.indisprimary),
        array[(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum = 1)]
      ) as key,
      (select jsonb_agg(jsonb_build_object(
         'name', a.attname,
         'type', format_type(a.atttypid, a.atttypmod),
         'isGenerated', a.attgenerated <> '',
         'hasDefault', a.atthasdef) order by a.attnum)
       from pg_attribute as a
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      coalesce(
        (select jsonb_agg((
           select jsonb_agg(a.attname) from pg_attribute as a
           where a.attrelid = c.oid and a.attnum = any (i.indkey)))
         from pg_index as i
         where i.indrelid = c.oid and i.indisunique), '[]') as uniques,
      ${writable(sql, 'INSERT')} as insertable,
      ${writable(sql, 'UPDATE')} as updatable,
      ${granted(sql, 'anon')} as anon,
      ${granted(sql, 'authenticated')} as authenticated
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    order by c.relname`;
  const routines = await sql<Routine[]>`
    select
      p.proname as name,
      p.oid::regprocedure::text as signature,
      p.provolatile <> 'v' as "isReadOnly",
      (select c.relname from pg_class as c
       where p.pronargs = 1 and c.reltype = p.proargtypes[0] and c.relkind in ('r', 'p', 'v')) as "computedOn",
      p.proretset as "returnsRows",
      coalesce(p.proargnames[1:p.pronargs], '{}') as arguments
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
    order by p.proname`;
  const foreignKeys = await sql<ForeignKey[]>`
    select
      con.conrelid::regclass::text as table,
      con.conname as name,
      con.confrelid::regclass::text as target,
      ${columnNames(sql, 'conrelid', 'conkey')} as columns,
      ${columnNames(sql, 'confrelid', 'confkey')} as "targetColumns"
    from pg_constraint as con
    where con.contype = 'f' and con.connamespace = 'public'::regnamespace and con.conparentid = 0
    order by con.conrelid::regclass::text, con.conname`;
  const buckets = await sql<{ id: string }[]>`select id from storage.buckets order by id`;
  return {
    relations,
    routines,
    foreignKeys,
    buckets: buckets.map(({ id }) => id),
    relation: (name) => {
      const found = relations.find((relation) => relation.name === name);
      if (!found) throw new Error(`there is no table ${name}`);
      return found;
    },
  };
}

function granted(sql: postgres.Sql, role: string) {
  return sql`
    array(
      select lower(a.privilege_type)
      from aclexplode(c.relacl) as a
      where a.grantee in (0, ${role}::regrole)
      order by 1)`;
}

function writable(sql: postgres.Sql, privilege: 'INSERT' | 'UPDATE') {
  return sql`
    array(
      select a.attname::text from pg_attribute as a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and (has_column_privilege('authenticated', c.oid, a.attnum, ${privilege})
          or has_column_privilege('anon', c.oid, a.attnum, ${privilege}))
      order by a.attname)`;
}

function columnNames(sql: postgres.Sql, relation: string, key: string) {
  return sql`
    array(
      select a.attname::text
      from unnest(con.${sql(key)}) with ordinality as k (number, place)
        join pg_attribute as a on a.attrelid = con.${sql(relation)} and a.attnum = k.number
      order by k.place)`;
}
