import { expect, it } from 'vitest'
import { table } from '../../src/cli/table.js'

it('aligns the columns', () => {
  expect(
    table([
      ['PID', 'PROGRAM'],
      ['4711', 'node'],
      ['1', 'init'],
    ]),
  ).toBe('PID   PROGRAM\n4711  node\n1     init\n')
})

it('escapes control characters and shortens a long cell', () => {
  const [, name, long] = table([['PROGRAM'], ['a\u001b[2J\u009b\u007f\n'], ['x'.repeat(10_000)]]).split('\n')
  expect(name).toBe('a\\u001b[2J\\u009b\\u007f\\n')
  expect(long).toMatch(/^x+ \[\.\.\. 9\d{3} characters \.\.\.\] x+$/)
  expect(long?.length).toBeLessThanOrEqual(120)
})
