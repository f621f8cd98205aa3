import { AsyncLocalStorage } from 'node:async_hooks'
import { MessageChannel, Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import * as resources from '../../src/platform/active-resources.js'

function interval(): NodeJS.Timeout {
  const timer = setInterval(function poll() {}, 700)
  onTestFinished(() => clearInterval(timer))
  return timer
}

describe('an object that keeps the process alive', () => {
  it('is in the list of handles while it is ref-ed', () => {
    const { port1 } = new MessageChannel()
    expect(resources.activeHandles().includes(port1)).toBe(false)
    port1.on('message', () => {})
    expect(resources.activeHandles().includes(port1)).toBe(true)
    port1.close()
  })

  it('is in the count of timers until it is unref-ed', () => {
    const before = resources.activeTimerCount()
    const timer = interval()
    expect(resources.activeTimerCount()).toBe(before + 1)
    timer.unref()
    expect(resources.activeTimerCount()).toBe(before)
  })

  it('is a worker thread until it is unref-ed', async () => {
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
    expect(resources.isWorkerActive(worker)).toBe(true)
    worker.unref()
    expect(resources.isWorkerActive(worker)).toBe(false)
    await worker.terminate()
    expect(resources.isWorkerActive(worker)).toBe(false)
  })
})

describe('a timer', () => {
  it('shows its period and its callback', () => {
    const timer = interval()
    expect(resources.periodOf(timer)).toEqual({ every: 700, after: 700 })
    expect(resources.calledByTimer(timer)).toHaveProperty('name', 'poll')
  })

  it('is found by its period only', () => {
    const [one, two] = [interval(), interval()]
    expect(resources.timersOfPeriod(700)).toEqual(expect.arrayContaining([one, two]))
    expect(resources.timersOfPeriod(701)).not.toContain(one)
    clearInterval(one)
    expect(resources.timersOfPeriod(700)).not.toContain(one)
  })

  it.skipIf('kResourceStore' in new AsyncLocalStorage())('has the store in which it was set', () => {
    const storage = new AsyncLocalStorage<string>()
    expect(resources.storeOfTimer(storage.run('one', interval), storage)).toBe('one')
    expect(resources.storeOfTimer(interval(), storage)).toBeUndefined()
  })
})

describe('the inspector of objects', () => {
  it('finds the objects of a prototype, and the place of a function', () => {
    const inspector = resources.inspectObjects()
    if (inspector === undefined) throw new Error('this Node has no inspector')
    class Found {}
    const found = new Found()
    expect(inspector.instancesOf(Found.prototype)).toEqual([found])
    expect(inspector.placeOf(function here() {})).toMatchObject({
      file: expect.stringContaining('active-resources.test.ts'),
      line: expect.any(Number),
    })
    expect(inspector.placeOf(Math.max)).toBeUndefined()
    expect(inspector.placeOf('no function')).toBeUndefined()
    inspector.close()
    expect(Object.getOwnPropertySymbols(process).map(String)).not.toContain('Symbol(portside.inspected)')
  })
})
