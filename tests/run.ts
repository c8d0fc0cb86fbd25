import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * `npm test`: everything that must hold before a change lands. Static checks run beside the build and
 * the tests, the browser journeys after them, since they want the machine to themselves; those tagged
 * @rare are walked by `npm run prove`. What a part prints is shown when it ends, if it failed; the last
 * line is `N passed, N failed`, counting each static check as one test. Arguments are handed to vitest
 * and leave the rest out: `npm test -- tests/unit`.
 */
type Outcome = { passed: number; failed: number };
type Part = { name: string; command: string[]; report?: (text: string) => Outcome };

const scratch = mkdtempSync(join(tmpdir(), 'agentry-test-'));
const filters = process.argv.slice(2);

const build: Part = { name: 'build', command: ['node', 'src/stack/build.ts'] };
/** Of what the build generates, too. */
const types: Part = { name: 'types', command: ['svelte-check', '--tsgo', '--output', 'human'] };
const checks: Part[] = [
  { name: 'formatter', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'linter', command: ['eslint', '.'] },
  { name: 'migrations', command: ['squawk', ...globSync('supabase/migrations/*.sql')] },
];
const tests: Part = {
  name: 'tests',
  command: [
    ...['vitest', 'run', '--reporter=minimal', '--reporter=json'],
    ...[`--outputFile=${join(scratch, 'tests.json')}`, ...filters],
  ],
  report: (text) => {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(text);
    // A file that cannot be loaded fails without a test.
    return { passed: numPassedTests, failed: numFailedTests || numFailedTestSuites };
  },
};
const journeys: Part = {
  name: 'journeys',
  command: ['playwright', 'test', '--grep-invert=@rare', '--reporter=line,json'],
  report: (text) => {
    const { stats, errors } = JSON.parse(text);
    return { passed: stats.expected, failed: stats.unexpected + stats.flaky + errors.length };
  },
};

const outcomes: Outcome[] = [];
try {
  if (filters.length > 0) outcomes.push(await run(tests));
  else {
    const checking = checks.reduce(
      async (before, check) => [...(await before), await run(check)],
      Promise.resolve<Outcome[]>([]),
    );
    outcomes.push(await run(build));
    const typing = run(types);
    outcomes.push(await run(tests), await typing, ...(await checking), await run(journeys));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** Runs one part to its end and counts what it tested; a part that leaves no report has failed. */
async function run({ name, command, report }: Part): Promise<Outcome> {
  const started = performance.now();
  const [program, ...args] = command;
  const child = spawn(join('node_modules', '.bin', program!), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NO_COLOR: '1',
      PLAYWRIGHT_JSON_OUTPUT_NAME: join(scratch, 'journeys.json'),
      ...(filters.length === 0 ? { AGENTRY_EVERY_TEST: 'yes' } : {}),
    },
  });
  const printed: Buffer[] = [];
  child.stdout.on('data', (chunk) => printed.push(chunk));
  child.stderr.on('data', (chunk) => printed.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const outcome = outcomeOf(name, code, report);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const verdict = outcome.failed === 0 ? 'ok' : 'FAILED';
  console.log(
    `${verdict} ${name}: ${outcome.passed} passed, ${outcome.failed} failed (${seconds} s)`,
  );
  if (outcome.failed > 0) console.log(Buffer.concat(printed).toString());
  return outcome;
}

function outcomeOf(name: string, code: number | null, report?: Part['report']): Outcome {
  const passed = code === 0;
  if (!report) return { passed: Number(passed), failed: Number(!passed) };
  try {
    const outcome = report(readFileSync(join(scratch, `${name}.json`), 'utf8'));
    // A runner may fail outside of any test, for example in its set-up.
    return passed || outcome.failed > 0 ? outcome : { ...outcome, failed: 1 };
  } catch {
    return { passed: 0, failed: 1 };
  }
}
