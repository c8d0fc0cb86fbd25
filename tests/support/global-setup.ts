import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { freePorts } from '../../src/stack/ports.ts';
import { startStack } from '../../src/stack/stack.ts';
import { countCalls, neverCalled } from './called-functions.ts';
import { TEMPLATE } from './stack.ts';

/** What every test file gets by `inject`: how to reach the stack that this run started. */
declare module 'vitest' {
  // Only an interface can be added to.
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions
  export interface ProvidedContext {
    dataDir: string;
    databaseUrl: string;
    supabaseUrl: string;
    publishableKey: string;
    secretKey: string;
    jwtSecret: string;
    studioUrl: string;
    mailUrl: string;
    workerEnv: Record<string, string>;
  }
}

/** Starts one stack for the run, with a copy of the freshly migrated database for tests to clone. */
export default async function setup(project: TestProject) {
  const dataDir = await mkdtemp(join(tmpdir(), 'agentry-stack-'));
  const [api, db, studio, mail] = await freePorts(4);
  const stack = await startStack({
    dataDir,
    ports: { api: api!, db: db!, studio: studio!, mail: mail! },
    onMigrated: async (databaseUrl) => {
      const sql = postgres(databaseUrl.replace(/\/postgres$/, '/template1'), { max: 1 });
      await sql.unsafe(`create database ${TEMPLATE} template postgres`);
      await sql.end();
    },
    onFatal: (error) => {
      throw error;
    },
  });
  await countCalls(dataDir, stack.databaseUrl);
  project.provide('dataDir', dataDir);
  project.provide('databaseUrl', stack.databaseUrl);
  project.provide('supabaseUrl', stack.supabaseUrl);
  project.provide('publishableKey', stack.publishableKey);
  project.provide('secretKey', stack.secretKey);
  project.provide('jwtSecret', stack.jwtSecret);
  project.provide('studioUrl', stack.studioUrl);
  project.provide('mailUrl', stack.mailUrl);
  project.provide('workerEnv', stack.workerEnv);
  return async () => {
    // Only all tests together call everything.
    const isWhole = process.env['AGENTRY_EVERY_TEST'] !== undefined;
    const missed = isWhole ? await neverCalled(dataDir, stack.databaseUrl) : [];
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
    if (missed.length > 0) throw new Error(`no test calls ${missed.join(', ')}`);
  };
}
