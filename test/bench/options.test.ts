import { describe, expect, test } from 'vitest'
import { readBenchOptions, usage, writesPage } from './options.js'

const NAMES = ['listen', 'drain', 'import']
const read = (...args: string[]) => readBenchOptions(args, NAMES)

describe('readBenchOptions', () => {
  test('measures all without options', () => {
    expect(read()).toEqual({ quick: false, only: [], nodes: [], page: false })
  })

  test('takes several measures and several Nodes', () => {
    expect(read('--quick', '--only', 'listen', '--only', 'drain', '--node', '/a', '--node', '/b')).toEqual({
      quick: true,
      only: ['listen', 'drain'],
      nodes: ['/a', '/b'],
      page: false,
    })
  })

  test.each([
    [['--fast'], "Unknown option '--fast'"],
    [['drain'], "Unexpected argument 'drain'"],
    [['--only'], 'argument missing'],
    [['--quick=yes'], 'does not take an argument'],
    [['--only', 'drains'], 'Unknown measure: drains. Known are listen, drain, import.'],
    [['--page', '--quick'], '--page measures nothing, so it takes no other option.'],
    [['--page', '--only', 'drain'], '--page measures nothing, so it takes no other option.'],
  ])('rejects %j', (args, message) => {
    expect(() => read(...args)).toThrow(message)
  })
})

test('only a complete run writes the page', () => {
  expect(writesPage(read())).toBe(true)
  for (const args of [['--quick'], ['--only', 'drain'], ['--node', '/a']]) expect(writesPage(read(...args))).toBe(false)
})

test('the usage names each option and each measure', () => {
  for (const word of ['--quick', '--only', '--node', '--page', ...NAMES]) expect(usage(NAMES)).toContain(word)
})
