import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { writeDocumentationTests } from './test/support/documentation.js'
import { TRANSPILED } from './test/support/program.js'
import { sourceAliases } from './test/support/source-aliases.js'

writeDocumentationTests()

export default defineConfig({
  test: {
    // Most of them wait. Vitest alone would give a machine with two cores one worker.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          name: 'src',
          include: ['test/**/*.test.ts'],
          exclude: ['test/package/**'],
          globalSetup: 'test/support/transpile.ts',
          env: { PORTSIDE: new URL('index.js', TRANSPILED).href },
          // For a machine that does other things, too. What never comes, comes no sooner.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: 'test/support/pack.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve: { alias: sourceAliases() },
        test: {
          name: 'docs',
          include: ['generated/docs/**/*.test.ts'],
          // What one of them could owe another is the matchers: documentation.test.ts looks after those.
          isolate: false,
          testTimeout: 30_000,
        },
      },
    ],
  },
})
