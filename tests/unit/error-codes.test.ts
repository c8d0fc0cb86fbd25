import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** docs/error-codes.md, which clients switch on, against what can be raised. */
const documented = all(/^\| `(\w+)` \|/gm, ['docs/error-codes.md']);
const migrations = globSync('supabase/migrations/*.sql');
const sources = globSync('src/**/*.{ts,svelte}');

test('every code that the database or the app raises is documented', () => {
  const raised = [
    ...all(/\bdetail = '(\w+)'/g, migrations),
    ...all(/new AppError\(\s*'(\w+)'/g, sources),
  ];
  expect(raised.length).toBeGreaterThan(100);
  expect(raised.filter((code) => !documented.includes(code))).toEqual([]);
});

test('every documented code is one that something answers with', () => {
  const quoted = new Set(all(/'(\w+)'/g, [...migrations, ...sources]));
  expect(documented.filter((code) => !quoted.has(code))).toEqual([]);
});

/** What the pattern's group matches in the files. */
function all(pattern: RegExp, files: string[]): string[] {
  return files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(pattern)].map((match) => match[1]!),
  );
}
