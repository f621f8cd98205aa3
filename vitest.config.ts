import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { writeDocumentationTests } from './test/support/documentation.js'
import { TRANSPILED } from './test/support/program.js'
import { sourceAliases } from './test/support/source-aliases.js'

writeDocumentationTests()

/** Tests which begin where nothing is: no matchers, and no connections or timers that other tests have left to a pool or a client. */
const ALONE = [
  'test/drain/time-wait.test.ts',
  'test/leaks/alive.test.ts',
  ...['vitest', 'jest', 'jest-environment', 'mocha', 'playwright', 'use-net'].map(
    (name) => `test/runners/${name}.test.ts`,
  ),
]

/** Tests of the leak check, which leave sockets open. */
const LEAKING = ['test/leaks/**/*.test.ts', 'test/leaks/leak-check.test.ts']

const SOURCES = {
  globalSetup: 'test/support/transpile.ts',
  env: { PORTSIDE: new URL('index.js', TRANSPILED).href },
  // For a machine that is slow or busy: a longer timeout costs nothing in a test that passes.
  testTimeout: 120_000,
  hookTimeout: 120_000,
}

/** The tests of the sources; test/profiles has them on hosts of five kinds, too. */
export const SOURCE_TESTS = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/package/**', 'test/playwright/**', ...ALONE, ...LEAKING],
  // A process for each file would load the sources again, which takes longer than most files. A file could leave a socket to the
  // next one, and the leak check makes sure that it does not.
  isolate: false,
  setupFiles: ['src/runners/vitest-setup.ts'],
  ...SOURCES,
}

/** A first run knows no durations, and would begin the longest files last: those that run other programs. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification): boolean =>
      /[/\\]test[/\\](?:package|namespaces)[/\\]/.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Most of them wait. Vitest alone would give a machine with two cores one worker.
    maxWorkers: availableParallelism() + 2,
    projects: [
      { test: { ...SOURCE_TESTS, name: 'src' } },
      {
        test: {
          name: 'leaks',
          include: LEAKING,
          exclude: ALONE,
          isolate: false,
          ...SOURCES,
        },
      },
      {
        test: {
          name: 'alone',
          include: ALONE,
          setupFiles: ['test/support/any-place.ts'],
          ...SOURCES,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: 'test/support/pack.ts',
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        resolve: { alias: sourceAliases() },
        test: {
          name: 'docs',
          include: ['generated/docs/**/*.test.ts'],
          // A file could depend on the matchers that another installs: documentation.test.ts checks that it does not.
          isolate: false,
          testTimeout: 120_000,
        },
      },
    ],
  },
})
