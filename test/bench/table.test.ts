import { describe, expect, test } from 'vitest'
import { formatTable, formatValue, ratioOf, tableOf, verdict, type Way, winsOfPeers } from './table.js'

const WAYS: readonly Way[] = [
  { name: 'ours', is: 'portside', bar: 5 },
  { name: 'net', is: 'plain' },
  { name: 'slow', is: 'peer' },
  { name: 'quick', is: 'peer' },
]
const SAMPLES = { ours: [4, 6, 5], net: [4, 4, 4], slow: [10, 10, 10], quick: [2, 2, 2] }
const table = tableOf('a server', 'ms', WAYS, SAMPLES, [
  { of: 'ours', beside: 'net', bar: 1.2 },
  { of: 'ours', beside: 'slow', bar: 1 },
  { of: 'ours', beside: 'quick' },
])

test('a table needs figures of every way, and of both sides of a comparison', () => {
  expect(() => tableOf('a server', 'ms', WAYS, { ours: [1] })).toThrow('a server: nothing was measured of net')
  const comparison = { of: 'ours', beside: 'theirs' }
  expect(() => tableOf('a server', 'ms', [], { ours: [1] }, [comparison])).toThrow('a server has no row ours')
})

test('a ratio is taken in each run', () => {
  expect(ratioOf(table, { of: 'ours', beside: 'quick' })).toEqual({ median: 2.5, least: 2, most: 3 })
})

test('only another package that takes less wins, and plain Node does not count', () => {
  expect(winsOfPeers(table)).toEqual([{ of: 'ours', beside: 'quick' }])
})

describe('formatTable', () => {
  const lines = formatTable(table).split('\n')

  test('has a line for the title, for each row and for each comparison', () => {
    expect(lines.map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      'a server',
      ...['ours', 'net', 'slow', 'quick'],
      ...['ours / net', 'ours / slow', 'ours / quick'],
    ])
  })

  test('says whether a median is within its bar, beside the spread', () => {
    expect(lines[1]).toMatch(/ours +5 ms 4 \.\. 6 +within 5 ms$/)
    expect(lines[5]).toMatch(/net +1\.25 x +1\.00 \.\. 1\.50 +OVER 1\.2x$/)
    expect(lines[6]).toMatch(/slow +0\.50 x +0\.40 \.\. 0\.60 +within 1x$/)
  })

  test('says so where noise leaves no ratio', () => {
    const noise = tableOf('noise', 'ms', WAYS.slice(0, 2), { ours: [-1], net: [1] }, [{ of: 'ours', beside: 'net' }])
    expect(formatTable(noise)).toMatch(/ours \/ net +below the noise$/)
  })
})

test.each([
  [1, 'within 1x'],
  [1.01, 'OVER 1x'],
])('%d beside a bar of 1 is %s', (value, said) => {
  expect(verdict(value, 1, 'x')).toBe(said)
})

test.each([
  [0, '0'],
  [550, '550'],
  [0.06127, '0.0613'],
  [-1.234, '-1.23'],
  [12.345, '12.3'],
  [1234.5, '1235'],
])('%d is shown as %s', (value, shown) => {
  expect(formatValue(value)).toBe(shown)
})
