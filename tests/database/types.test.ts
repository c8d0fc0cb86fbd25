import { readFileSync } from 'node:fs';
import { expect, inject, it } from 'vitest';
import { generateTypes } from '../../src/stack/types.ts';

it('the generated types are those of the migrated database (npm run types makes them anew)', async () => {
  for (const [path, text] of Object.entries(await generateTypes(inject('databaseUrl')))) {
    expect(readFileSync(path, 'utf8'), path).toBe(text);
  }
});
