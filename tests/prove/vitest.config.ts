import { defineConfig } from 'vitest/config';

/**
 * `npm run prove`: what takes too long for every `npm test`. Besides the files here, those that try a few
 * random cases there try many.
 */
export default defineConfig({
  test: {
    name: 'prove',
    include: [
      'tests/prove/**/*.test.ts',
      'tests/database/schedules.test.ts',
      'tests/database/catalog.test.ts',
    ],
    env: { SCHEDULES: '100000', AGENTRY_PROPERTY_RUNS: '100' },
    globalSetup: 'tests/support/global-setup.ts',
    testTimeout: 3_600_000,
    hookTimeout: 240_000,
    fileParallelism: false,
  },
});
