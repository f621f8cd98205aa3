import { defineConfig } from 'vitest/config'

/** Playwright's own runs take a while each. */
export default defineConfig({
  test: {
    include: ['test/playwright/**/*.test.ts'],
    globalSetup: 'test/support/pack.ts',
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
})
