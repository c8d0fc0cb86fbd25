import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import type { Database } from '../../src/lib/supabase/database.types.ts';
import { noteCalls } from './called-functions.ts';

/** The migrated, empty database that createDatabase() copies. */
export const TEMPLATE = 'agentry_template';

/**
 * A migrated database of one's own, for tests that look at everything in it (queues, counters) or break
 * things. It has no REST; connect with `postgres` or Kysely, and drop it afterwards.
 */
export async function createDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const maintenanceUrl = new URL(inject('databaseUrl'));
  maintenanceUrl.pathname = '/template1';
  const sql = postgres(maintenanceUrl.href, { max: 1, onnotice: () => {} });
  await sql.unsafe(`create database ${name} template ${TEMPLATE}`);
  const url = new URL(maintenanceUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: async () => {
      await noteCalls(inject('dataDir'), url.href);
      await sql.unsafe(`drop database ${name} with (force)`);
      await sql.end();
    },
  };
}

export type Client = SupabaseClient<Database>;

/** supabase-js as a visitor's browser has it: the publishable key and nothing else. */
export function visitor(): Client {
  return createClient<Database>(inject('supabaseUrl'), inject('publishableKey'), {
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

/** supabase-js as the operator's server has it: above row-level security. */
export function operator(): Client {
  return createClient<Database>(inject('supabaseUrl'), inject('secretKey'), {
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

export type Person = {
  id: string;
  email: string;
  password: string;
  client: Client;
  organizationId: string;
};

/** Somebody new, signed up and signed in through Auth, with the personal organization that came along. */
export async function signUp(name = 'person'): Promise<Person> {
  const client = visitor();
  const email = `${name}-${randomUUID().slice(0, 8)}@example.com`;
  const password = randomUUID();
  const { data, error } = await client.auth.signUp({ email, password });
  if (error) throw error;
  const { data: membership } = await client
    .from('organization_members')
    .select('organization_id')
    .eq('user_id', data.user!.id)
    .single()
    .throwOnError();
  return {
    id: data.user!.id,
    email,
    password,
    client,
    organizationId: membership.organization_id,
  };
}
