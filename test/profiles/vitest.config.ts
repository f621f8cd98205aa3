import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { namespacePool } from 'portside/vitest/pool'
import { defineConfig } from 'vitest/config'
import { SOURCE_TESTS } from '../../vitest.config.js'
import { PROFILES } from './profiles.js'

// Runs the tests of the sources on hosts of five kinds, by the built pool. Each test must pass on each host, or be skipped there
// with a reason.
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    maxWorkers: availableParallelism() + 1,
    projects: Object.entries(PROFILES).map(([name, profile]) => ({
      test: {
        ...SOURCE_TESTS,
        name,
        // Without tests that make their own hosts, which would do the same five times, and runners whose tests listen on 127.0.0.1.
        // Invalid arguments are rejected, and processes end, in the same way on each host.
        exclude: [
          ...SOURCE_TESTS.exclude,
          'test/namespaces/**',
          'test/assertions/namespaces.test.ts',
          'test/runners/{bun,deno}.test.ts',
          'test/programs/{killed-parent,many-kinds,other-user,ready,strangers,wrappers}.test.ts',
          ...(profile.ipv4 === false || profile.ipv6 === false
            ? []
            : ['test/programs/{anywhere,ask-tcp,bad-programs,wait-for-ready}.test.ts']),
          'test/cli/**',
          'test/arguments.test.ts',
          'test/fuzz/**',
          'test/prose/**',
          'test/architecture.test.ts',
          'test/contributing.test.ts',
        ],
        pool: namespacePool(profile),
      },
    })),
  },
})
