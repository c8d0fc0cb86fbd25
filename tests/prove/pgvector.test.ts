import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto';
import { unaccent } from '@electric-sql/pglite/contrib/unaccent';
import { vector } from '@electric-sql/pglite-pgvector';
import { globSync, readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

/**
 * The embedded PostgreSQL has no pgvector; hosted Supabase has. PGlite, PostgreSQL in WebAssembly, can
 * load it: a newer PostgreSQL, and `postgres` is a superuser there, but the path is the same.
 */
describe('on a PostgreSQL with pgvector', () => {
  let db: PGlite;
  beforeAll(async () => {
    db = await PGlite.create({ extensions: { vector, pgcrypto, pg_trgm, unaccent } });
    await db.exec(await baseline());
    for (const file of globSync('supabase/migrations/*.sql').sort()) {
      await db.exec(readFileSync(file, 'utf8'));
    }
    await db.exec(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  });
  afterAll(() => db.close());

  it('memories have an index for each usual number of dimensions', async () => {
    const { rows } = await db.query<{ dimensions: number }>(`
      select (regexp_match(indexdef, 'vector\\((\\d+)\\)'))[1]::integer as dimensions
      from pg_indexes
      where tablename = 'agent_memories' and indexdef like '%USING hnsw%' order by 1`);
    expect(rows.map(({ dimensions }) => dimensions)).toEqual([256, 384, 512, 768, 1024, 1536]);
  });

  it('preparing it again changes nothing', async () => {
    const { rows } = await db.query('select private.use_pgvector() as used');
    expect(rows).toEqual([{ used: true }]);
  });

  it.each([256, 384, 512, 768, 1024, 1536, 3072])(
    'of memories with %i dimensions the closest in meaning comes first, and only one’s own',
    async (dimensions) => {
      const [mine, others] = [
        await createUser(`one-${dimensions}`),
        await createUser(`two-${dimensions}`),
      ];
      const { rows: agents } = await db.query<{ id: string }>(
        `insert into public.agents (organization_id, created_by_id, name)
         select tests.personal_organization($1), $1, 'Remembers' returning id`,
        [mine],
      );
      const agent = agents[0]!.id;
      const vectors = Array.from({ length: 20 }, () => randomVector(dimensions));
      for (const [n, embedding] of vectors.entries()) {
        await db.query(`select private.remember($1, $2, 'fact', $3, null, $4, 'test')`, [
          agent,
          n % 2 ? others : mine,
          `Fact ${n}`,
          embedding,
        ]);
      }
      const question = randomVector(dimensions);
      const closest = vectors
        .map((embedding, n) => ({ n, cosine: cosine(embedding, question) }))
        .filter(({ n }) => n % 2 === 0)
        .sort((a, b) => b.cosine - a.cosine)
        .slice(0, 3);

      const { rows } = await db.query<{ id: string; similarity: number; content: string }>(
        `select s.similarity, m.content
         from private.similar_memories($1, $2, null, private.unit_vector($3), 3) as s
           join public.agent_memories as m using (id)
         order by s.similarity desc`,
        [agent, mine, question],
      );

      expect(rows.map(({ content }) => content)).toEqual(closest.map(({ n }) => `Fact ${n}`));
      for (const [at, { similarity }] of rows.entries()) {
        expect(similarity).toBeCloseTo(closest[at]!.cosine, 4);
      }
    },
  );

  it('what others are told that is closer keeps nothing of one’s own from being found', async () => {
    const [mine, others] = [await createUser('few'), await createUser('many')];
    const { rows: agents } = await db.query<{ id: string }>(
      `insert into public.agents (organization_id, created_by_id, name)
       select tests.personal_organization($1), $1, 'Remembers' returning id`,
      [mine],
    );
    const question = randomVector(256);
    const around = (sign: number) =>
      question.map((x) => Math.fround(sign * x + (Math.random() - 0.5) / 10));
    for (let n = 0; n < 230; n++) {
      await db.query(`select private.remember($1, $2, 'fact', $3, null, $4, 'test')`, [
        ...[agents[0]!.id, n < 30 ? mine : others, `Fact ${n}`],
        around(n < 30 ? -1 : 1),
      ]);
    }

    const found = await db.transaction(async (tx) => {
      // By the index of vectors, as where a person has many memories.
      await tx.exec('set local enable_seqscan = off; set local enable_sort = off');
      const { rows } = await tx.query(
        'select from private.similar_memories($1, $2, null, private.unit_vector($3), 30)',
        [agents[0]!.id, mine, question],
      );
      return rows.length;
    });
    expect(found).toBe(30);
  });

  it('match_memories ranks with it as the person, under row-level security', async () => {
    const person = await createUser('asker');
    const { rows: agents } = await db.query<{ id: string }>(
      `insert into public.agents (organization_id, created_by_id, name)
       select tests.personal_organization($1), $1, 'Remembers' returning id`,
      [person],
    );
    const question = randomVector(256);
    const away = question.map((x) => -x);
    for (const [content, embedding] of [
      ['far', away],
      ['near', question],
    ] as const) {
      await db.query(`select private.remember($1, $2, 'fact', $3, null, $4, 'test')`, [
        ...[agents[0]!.id, person, content],
        embedding,
      ]);
    }

    const contents = await db.transaction(async (tx) => {
      await tx.query('select tests.sign_in($1)', [person]);
      const { rows } = await tx.query<{ content: string }>(
        `select content from public.match_memories($1, '', embedding => $2)`,
        [agents[0]!.id, question],
      );
      return rows.map(({ content }) => content);
    });
    expect(contents).toEqual(['near', 'far']);
  });

  it('the planner finds the index of the dimensions that are asked for', async () => {
    const plan = await db.transaction(async (tx) => {
      await tx.exec('set local enable_seqscan = off; set local enable_sort = off');
      const { rows } = await tx.query<Record<string, string>>(
        `explain
         select m.id from public.agent_memories as m
         where cardinality(m.embedding) = 768
         order by (m.embedding::extensions.vector(768)) operator(extensions.<=>) $1::extensions.vector(768)
         limit 5`,
        [JSON.stringify(randomVector(768))],
      );
      return rows.map((row) => Object.values(row)[0]).join('\n');
    });
    expect(plan).toContain('agent_memories_embedding_768_idx');
  });

  async function createUser(name: string): Promise<string> {
    const { rows } = await db.query<{ id: string }>('select tests.create_user($1) as id', [name]);
    return rows[0]!.id;
  }
});

/** What a Supabase project brings, as src/stack makes it; Auth's tables as they stand in the running stack. */
async function baseline(): Promise<string> {
  const sql = postgres(inject('databaseUrl'), { max: 1 });
  const tables = await sql<{ ddl: string }[]>`
    select format('create table auth.%I (%s)', c.relname, string_agg(
      format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attgenerated = '' then ' default ' || pg_get_expr(d.adbin, d.adrelid) end),
      ', ' order by a.attnum)) as ddl
    from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'
    group by c.relname`;
  await sql.end();
  const file = (name: string) => readFileSync(`src/stack/${name}`, 'utf8');
  return [
    'create role supabase_admin superuser;',
    // PGlite's superuser is called so already.
    file('supabase.sql').replace(/^create role postgres .*$/m, ''),
    ...tables.map(({ ddl }) => `${ddl};`),
    file('storage.sql'),
    file('realtime.sql'),
  ].join('\n');
}

function randomVector(dimensions: number): number[] {
  return Array.from({ length: dimensions }, () => Math.fround(Math.random() - 0.5));
}

function cosine(a: number[], b: number[]): number {
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, n) => sum + value * y[n]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
