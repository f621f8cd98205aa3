import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkPlace, checkPreloads, isPreloaded } from '../../src/runners/right-place.js'
import { runnerProgram, thisRunner } from '../../src/runners/this-runner.js'

describe('an entry for a runner', () => {
  test('loads in that runner', () => {
    expect(thisRunner()).toBe('Vitest')
    expect(() => checkPlace('vitest', 'Vitest')).not.toThrow()
  })

  test('says what to write in another runner', () => {
    expect(() => checkPlace('mocha', 'Mocha')).toThrow(
      expect.objectContaining({
        code: 'ERR_PORTSIDE_UNSUPPORTED',
        message: expect.stringMatching(
          /^Cannot use portside\/mocha here\.\n.*Vitest runs.*\n.*portside\/vitest\/plugin/,
        ),
      }),
    )
  })
})

test('the entry for Playwright says what to write in Vitest', async () => {
  await expect(import('../../src/runners/playwright.js')).rejects.toThrow(
    /^Cannot use portside\/playwright here\.\n.*Vitest runs.*\n.*portside\/vitest\/plugin/,
  )
})

test.for([
  ['/app/node_modules/.bin/playwright', 'Playwright'],
  ['/app/node_modules/@playwright/test/cli.js', 'Playwright'],
  ['C:\\app\\node_modules\\playwright\\cli.js', 'Playwright'],
  ['/app/node_modules/playwright/lib/worker/workerProcessEntry.js', 'Playwright'],
  ['/app/node_modules/playwright/lib/common/process.js', 'Playwright'],
  ['/app/node_modules/playwright-core/cli.js', undefined],
  ['/app/playwright/lib/server.js', undefined],
  ['/app/playwright/cli.js', undefined],
  ['/app/tools/playwright', undefined],
  ['/app/node_modules/.bin/vitest', 'Vitest'],
] as const)('the program %s belongs to %s', ([program, runner]) => {
  const [own = ''] = process.argv.splice(1, 1, program)
  onTestFinished(() => void process.argv.splice(1, 1, own))
  expect(runnerProgram()).toBe(runner)
})

test('an entry for the main process of a runner loads in a process that a test of another runner has started', () => {
  expect(() => checkPreloads('jest-environment', 'Jest')).not.toThrow()
  vi.stubEnv('NODE_OPTIONS', '--import portside/jest-environment')
  expect(() => checkPreloads('jest-environment', 'Jest')).toThrow(/^Cannot use .*\n.*--import.*\n.*preset: 'portside'/)
  vi.unstubAllEnvs()
})

describe('isPreloaded finds an entry in the options of Node', () => {
  test.for([
    [['--import', 'portside/jest'], '', 'jest', true],
    [['--import=portside/jest'], '', 'jest', true],
    [['--require', 'portside/jest'], '', 'jest-environment', false],
    [['-r', '/app/node_modules/portside/dist/jest.cjs'], '', 'jest', true],
    [['--import', 'file:///app/node_modules/portside/dist/vitest-setup.js'], '', 'vitest/setup', true],
    [[], '--max-old-space-size=100 --import portside/vitest/setup', 'vitest/setup', true],
    [[], '--import="portside/mocha"', 'mocha', true],
    [['--import', './jest.mjs', 'portside/jest'], '', 'jest', false],
    [['--test'], '', 'mocha', false],
    [['--import', 'portside'], '', '', true],
    [['-r', 'portside'], '', '', true],
    [['--import', 'file:///app/node_modules/portside/dist/index.js'], '', '', true],
    [['--import', 'portside/node-test'], '', '', false],
    [['--require', './portside'], '', '', false],
  ] as const)('%j %s: %s %s', ([execArgv, options, entry, expected]) => {
    expect(isPreloaded(entry, { execArgv, env: { NODE_OPTIONS: options } })).toBe(expected)
  })
})
