import { afterEach, describe, expect, test, vi } from 'vitest'
import { announcementOf, isAnnounced } from '../../src/runners/announcement.js'

afterEach(() => vi.unstubAllEnvs())

describe('the line that a run prints', () => {
  test.for([
    [{}, true, 'portside: leak check on, fail; kernel once a file'],
    [{}, false, 'portside: leak check on, fail; kernel never'],
    [{ mode: 'warn' }, true, 'portside: leak check on, warn; kernel once a file'],
    [{ kernel: true }, false, 'portside: leak check on, fail; kernel after each test'],
    [{ kernel: false }, true, 'portside: leak check on, fail; kernel never'],
    [{ mode: 'off', kernel: true }, true, 'portside: leak check off'],
  ] as const)('of %j, kernel asked: %s', ([options, asksKernel, line]) => {
    expect(announcementOf(options, asksKernel)).toBe(line)
  })

  test('is printed unless an option or the environment turns it off', () => {
    expect([isAnnounced(undefined), isAnnounced(true), isAnnounced(false)]).toEqual([true, true, false])
    vi.stubEnv('PORTSIDE_ANNOUNCE', 'off')
    expect(isAnnounced(true)).toBe(false)
    vi.stubEnv('PORTSIDE_ANNOUNCE', '')
    expect(isAnnounced(undefined)).toBe(true)
  })

  test('rejects another value of PORTSIDE_ANNOUNCE', () => {
    vi.stubEnv('PORTSIDE_ANNOUNCE', 'false')
    expect(() => isAnnounced(undefined)).toThrow("Invalid `PORTSIDE_ANNOUNCE`: expected 'off', got 'false'.")
  })
})
