import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';

type Finding = { name: string; level: 'INFO' | 'WARN' | 'ERROR'; detail: string };

/** Runs Supabase's own linter, as `supabase db advisors` does for a hosted project. */
async function advisors(): Promise<Finding[]> {
  const { stdout } = await promisify(execFile)('node_modules/.bin/supabase', [
    ...['db', 'advisors', `--remote=${inject('databaseUrl')}?sslmode=disable`, '--level', 'info'],
  ]);
  return JSON.parse(stdout.slice(stdout.indexOf('[')));
}

it("Supabase's advisors have nothing to warn about, and what they remark is explained in the docs", async () => {
  const findings = await advisors();
  expect(findings.filter(({ level }) => level !== 'INFO').map(({ detail }) => detail)).toEqual([]);
  const explained = readFileSync('docs/advisors.md', 'utf8');
  expect(findings.filter(({ name }) => !explained.includes(`\`${name}\``))).toEqual([]);
});
