import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { writeDocumentationTests } from './test/support/documentation.js'

writeDocumentationTests()

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url))

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'src',
          include: ['test/**/*.test.ts'],
          exclude: ['test/package/**'],
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
        resolve: { alias: { 'portside/get-port': source('ports/get-port.ts'), portside: source('index.ts') } },
        test: {
          name: 'docs',
          include: ['generated/docs/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
    ],
  },
})
