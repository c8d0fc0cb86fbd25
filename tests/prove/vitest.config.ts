import { defineConfig } from 'vitest/config';

/**
 * `npm run prove`: what takes too long for every `npm test`. Besides the files here, those that try little
 * there try much: random cases, crowds, every caller.
 */
export default defineConfig({
  test: {
    name: 'prove',
    include: [
      'tests/prove/**/*.test.ts',
      'tests/database/schedules.test.ts',
      'tests/database/catalog.test.ts',
      'tests/database/{conversations,due-schedules,recount}.test.ts',
      'tests/integration/{access,queue,strangers,worker-leases}.test.ts',
    ],
    env: { PROVING: 'yes' },
    globalSetup: 'tests/support/global-setup.ts',
    testTimeout: 3_600_000,
    hookTimeout: 240_000,
    fileParallelism: false,
  },
});
