import { introspect } from '@supabase/postgrest-typegen/introspection';
import { generateTypescript, sortGeneratorMetadata } from '@supabase/postgrest-typegen/generation';
import { Kysely, PostgresDialect as KyselyPostgresDialect } from 'kysely';
import { generate, getDialect } from 'kysely-codegen';
import pg from 'pg';

/**
 * The two files of types that are generated from a migrated database, as path and text: `public` as
 * supabase-js sees it through PostgREST, and `public` and `private` as Kysely sees them in SQL.
 * `npm run types` writes them; a test fails when they are stale.
 */
export async function generateTypes(databaseUrl: string): Promise<Record<string, string>> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  try {
    const metadata = await introspect(pool, { includedSchemas: ['public'] });
    return {
      'src/lib/supabase/database.types.ts': await generateTypescript(
        sortGeneratorMetadata(metadata),
        { postgrestVersion: '12' },
      ),
      'src/lib/supabase/database.kysely.ts': await generate({
        db: new Kysely({ dialect: new KyselyPostgresDialect({ pool }) }),
        dialect: getDialect('postgres'),
        includePattern: '{public,private}.*',
        excludePattern: 'private.*_{default,[0-9][0-9][0-9][0-9]_[0-9][0-9]}',
        typeMapping: { interval: 'string' },
        typeOnlyImports: true,
      }),
    };
  } finally {
    await pool.end();
  }
}
