// npm run types: generates the database's types anew, from the migrations as they stand, in a database
// made for it. The test of the same name fails while they are stale.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../src/stack/ports.ts';
import { startStack } from '../src/stack/stack.ts';
import { generateTypes } from '../src/stack/types.ts';

const dataDir = await mkdtemp(join(tmpdir(), 'agentry-types-'));
const [api, db, studio, mail] = (await freePorts(4)) as [number, number, number, number];
try {
  const stack = await startStack({ dataDir, ports: { api, db, studio, mail } });
  try {
    for (const [file, text] of Object.entries(await generateTypes(stack.databaseUrl))) {
      await writeFile(file, text);
      console.log(`wrote ${file}`);
    }
  } finally {
    await stack.stop();
  }
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
