import { afterEach, describe, expect, it, vi } from 'vitest'
import { now, turn } from '../src/timers.js'

afterEach(() => void vi.useRealTimers())

describe('timers taken at load', () => {
  it('run under fake timers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance', 'Date', 'hrtime'] })
    const before = now()
    await turn()
    expect(now()).toBeGreaterThan(before)
    vi.setSystemTime(0)
    expect(now()).toBeGreaterThan(before)
  })
})
