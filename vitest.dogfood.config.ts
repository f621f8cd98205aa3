import { defineConfig } from 'vitest/config'
import { TRANSPILED } from './test/support/program.js'
export default defineConfig({
  test: {
    maxWorkers: 3,
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/runners/**'],
    globalSetup: 'test/support/transpile.ts',
    setupFiles: ['./src/runners/vitest-setup.ts'],
    env: { PORTSIDE: new URL('index.js', TRANSPILED).href },
    testTimeout: 30_000, hookTimeout: 30_000,
  },
})
