import { defineConfig } from 'vitest/config';

/** `npm run prove`: what takes too long for every `npm test`. */
export default defineConfig({
  test: {
    name: 'prove',
    include: ['tests/prove/**/*.test.ts'],
    globalSetup: 'tests/support/global-setup.ts',
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
