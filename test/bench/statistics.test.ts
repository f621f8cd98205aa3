import { describe, expect, test } from 'vitest'
import { median, mediansOf, ratiosOf, summaryOf } from './statistics.js'

describe('median', () => {
  test('is the middle one of an odd number of figures, in any order', () => {
    expect(median([9, 1, 5])).toBe(5)
  })

  test('is the mean of the two in the middle of an even number', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5)
  })

  test('leaves the figures in their order', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })
})

describe('summaryOf', () => {
  test('has the median, the least and the most', () => {
    expect(summaryOf([2, 8, 4])).toEqual({ median: 4, least: 2, most: 8 })
  })

  test('rejects an empty list', () => {
    expect(() => summaryOf([])).toThrow('There is no figure to summarise')
  })
})

describe('ratiosOf', () => {
  test('divides the figures of the same run', () => {
    expect(ratiosOf([2, 9], [1, 3])).toEqual([2, 3])
  })

  test('leaves out runs in which noise made a figure zero or less', () => {
    expect(ratiosOf([2, -1, 4, 0], [1, 1, -1, 1])).toEqual([2])
  })

  test('rejects lists of different lengths', () => {
    expect(() => ratiosOf([1, 2], [1])).toThrow('2 runs cannot be divided by 1')
  })
})

test('mediansOf gives the median of each list', () => {
  expect(mediansOf({ one: [1, 2, 3], other: [5] })).toEqual({ one: 2, other: 5 })
})
