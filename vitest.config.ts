import { defineConfig } from 'vitest/config';

/**
 * Three projects, by what they need: nothing, a migrated database, or the whole embedded stack.
 * `database` and `integration` share one stack, which tests/support/global-setup.ts starts on free ports
 * in a temporary folder. Browser journeys are Playwright's (playwright.config.ts).
 */
export default defineConfig({
  test: {
    reporters: ['default'],
    maxWorkers: 3,
    isolate: false,
    // For what hangs; a slow machine is no failure.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['tests/unit/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'stack',
          include: ['tests/database/**/*.test.ts', 'tests/integration/**/*.test.ts'],
          globalSetup: 'tests/support/global-setup.ts',
        },
      },
    ],
  },
});
