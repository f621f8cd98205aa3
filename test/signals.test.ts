import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import * as portside from '../src/index.js'
import { onAbort } from '../src/signals.js'
import { type Attempt, attempt as attemptOnce } from './fuzz/attempt.js'
import { type Entry, entriesOf } from './support/entries.js'
import { needsDescriptors } from './support/here.js'
import { leavesNothingOpen, openSockets } from './support/kernel.js'

leavesNothingOpen()

const support = await portside.namespaceSupport()

/** These finish sooner with an aborted signal, and do not fail. */
const ENDING = /^(server\.close|pool\.drain|net\.close|findLeaks|verifyNoLeaks)\(\)$/

const PATIENT = { timeout: 10_000 }

/** A private network closes shortly after its program exits. */
async function attempt(entry: Entry, change: (args: unknown[]) => unknown[]): Promise<Attempt> {
  const before = openSockets().length
  const attempted = await attemptOnce(entry, change)
  await expect.poll(() => openSockets().length, PATIENT).toBeLessThanOrEqual(before)
  return attempted
}

const withOption = (options: object) => (args: unknown[]) => args.with(-1, { ...(args.at(-1) as object), ...options })

const isolated = ({ is }: Entry): boolean => /^(createNetwork|spawnInNamespace|NetworkHost)/.test(is)

/** The functions with the option `signal`, once each: those of a scope are the same. */
const taking = await filter(entriesOf(portside), async (entry) => {
  if (entry.knows === undefined || entry.is.startsWith('NetScope.listen') || entry.greedy) return false
  if (isolated(entry) && !support.supported) return false
  const { error } = await attemptOnce(entry, withOption({ zzzzzz: 1 }))
  return /\bsignal\b/.test((error as portside.PortsideError).expected ?? '')
})

async function filter<T>(all: readonly T[], keep: (one: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = []
  for (const one of all) if (await keep(one)) kept.push(one)
  return kept
}

describe.each(taking.map((entry) => [entry.is, entry] as const))('%s', (_name, entry) => {
  const ending = ENDING.test(entry.of)

  it('respects a signal that is already aborted', async () => {
    const reason = new Error('the test was stopped')
    const { error } = await attempt(entry, withOption({ signal: AbortSignal.abort(reason) }))
    if (ending) expect(error).toBeUndefined()
    else expect(error).toMatchObject({ code: 'ABORT_ERR', name: 'AbortError', cause: reason })
  })

  it('respects a signal that is aborted meanwhile', async () => {
    const controller = new AbortController()
    const reason = new Error('the test was stopped')
    const aborting: Entry = {
      ...entry,
      make: async (use) => {
        const [call, ...args] = await entry.make(use)
        return [
          (...given: unknown[]) => {
            const called = call(...given)
            controller.abort(reason)
            return called
          },
          // An assertion does not wait for an error that it gets directly.
          ...(entry.is.startsWith('assert') ? [() => new Promise(() => {}), ...args.slice(1)] : args),
        ]
      },
    }
    const { error, outcome } = await attempt(aborting, withOption({ signal: controller.signal }))
    // A synchronous call has finished before the abort.
    if (ending || entry.of === 'host.spawn()') expect(outcome).not.toBe('stuck')
    else expect(error).toMatchObject({ code: 'ABORT_ERR', name: 'AbortError', cause: reason })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('leaves no listener on a signal that is never aborted', async () => {
    const { signal } = new AbortController()
    await attempt(entry, withOption({ signal }))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('rejects a mock of a signal', async () => {
    const mock = { aborted: false, addEventListener() {} }
    const { error } = await attempt(entry, withOption({ signal: mock }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', argument: 'signal' })
  })
})

it('tests the functions that accept a signal', () => {
  expect(taking.length).toBeGreaterThan(25)
})

it('emits no warning when 50 calls share one signal', async (context) => {
  needsDescriptors(context, 512)
  const warnings: Error[] = []
  const hear = (warning: Error): void => void warnings.push(warning)
  process.on('warning', hear)
  const { signal } = new AbortController()
  await using net = portside.createScope()
  const server = await net.listenTcp()
  const client = () => server.connect({ signal })
  await Promise.all(Array.from({ length: 50 }, client))
  await Promise.all(Array.from({ length: 50 }, () => net.listenHttp(undefined, { signal })))
  await Promise.all(Array.from({ length: 50 }, () => portside.waitForListening(server, { signal })))
  await new Promise<void>((resolve) => void process.nextTick(resolve))
  process.off('warning', hear)
  expect(warnings).toEqual([])
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
})

it('closes a server whose signal is aborted afterwards, and 49 others', async () => {
  const controller = new AbortController()
  const servers = await Promise.all(
    Array.from({ length: 50 }, () => portside.listenTcp(undefined, { signal: controller.signal })),
  )
  controller.abort()
  await Promise.all(servers.map((server) => portside.waitForRefused(server)))
  await Promise.all(servers.map((server) => server.close()))
})

describe('onAbort()', () => {
  it('calls each callback once', () => {
    const controller = new AbortController()
    const heard: number[] = []
    const callback = (): void => void heard.push(1)
    onAbort(controller.signal, callback)
    onAbort(controller.signal, callback)
    onAbort(controller.signal, () => heard.push(2))()
    controller.abort()
    controller.abort()
    expect(heard).toEqual([1, 1])
  })

  it('works again after the last callback was cancelled', () => {
    const controller = new AbortController()
    let heard = 0
    onAbort(controller.signal, () => heard++)()
    onAbort(controller.signal, () => heard++)
    controller.abort()
    expect(heard).toBe(1)
  })
})
