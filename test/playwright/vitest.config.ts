import { defineConfig } from 'vitest/config'

/** Each run of Playwright takes a while. */
export default defineConfig({
  test: {
    include: ['test/playwright/**/*.test.ts'],
    globalSetup: 'test/support/pack.ts',
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
})
