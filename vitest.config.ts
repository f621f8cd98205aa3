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
  // For a machine that does other things, too. What never comes, comes no sooner.
  testTimeout: 30_000,
  hookTimeout: 30_000,
}

/** The tests of the sources; test/profiles has them on hosts of five kinds, too. */
export const SOURCE_TESTS = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/package/**', 'test/playwright/**', ...ALONE, ...LEAKING],
  // A process for each file, with the sources loaded anew, would cost more than most of them do. What one of them could leave to
  // the next is a socket, and the leak check sees to it that none does.
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
