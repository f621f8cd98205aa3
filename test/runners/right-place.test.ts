import { describe, expect, test, vi } from 'vitest'
import { checkPlace, checkPreloads, isPreloaded } from '../../src/runners/right-place.js'
import { thisRunner } from '../../src/runners/this-runner.js'

describe('an entry for a runner', () => {
  test('can be loaded where that runner runs', () => {
    expect(thisRunner()).toBe('Vitest')
    expect(() => checkPlace('vitest', 'Vitest')).not.toThrow()
  })

  test('says what to write where another one runs', () => {
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

test('an entry for the main process of a runner can be loaded in a process that a test of another one has started', () => {
  expect(() => checkPreloads('jest-environment', 'Jest')).not.toThrow()
  vi.stubEnv('NODE_OPTIONS', '--import portside/jest-environment')
  expect(() => checkPreloads('jest-environment', 'Jest')).toThrow(/^Cannot use .*\n.*--import.*\n.*preset: 'portside'/)
  vi.unstubAllEnvs()
})

describe('what Node was told to load first', () => {
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
