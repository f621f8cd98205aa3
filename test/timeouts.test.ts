import net from 'node:net'
import { expect, it } from 'vitest'
import {
  assertConnectionRefused,
  createSocketPool,
  listenTcp,
  refusedEndpoint,
  type TestEndpoint,
  waitForListening,
  waitForRefused,
} from '../src/index.js'
import { now } from '../src/timers.js'
import { leavesNothingOpen } from './support/kernel.js'

leavesNothingOpen()

const TIMEOUT = 30

/** Keeps the event loop busy beyond the timeout. The kernel has answered by then, and Node has not asked it. */
async function busyDuring<T>(begin: () => Promise<T>): Promise<T> {
  const begun = begin()
  begun.catch(() => {})
  // Node calls connect(2) in the next tick.
  for (let ticks = 0; ticks < 8; ticks++) await new Promise<void>((resolve) => process.nextTick(resolve))
  const until = now() + 2 * TIMEOUT
  while (now() < until);
  return begun
}

const calls: ReadonlyArray<readonly [string, (refused: TestEndpoint) => Promise<unknown>]> = [
  ['connect() of a pool', (to) => createSocketPool().connect(to, { timeout: TIMEOUT })],
  [
    'assertConnectionRefused()',
    (to) => assertConnectionRefused(net.connect(to.port, to.address), to, { timeout: TIMEOUT }),
  ],
  ['waitForListening()', (to) => waitForListening(to, { timeout: TIMEOUT, interval: 1 })],
  ['waitForRefused()', (to) => waitForRefused(to, { timeout: TIMEOUT })],
]

it.each(calls)('%s hears an answer that came before its timeout', async (name, call) => {
  await using refused = await refusedEndpoint()
  const error = await busyDuring(() => call(refused)).then(
    () => undefined,
    (reason: Error & { code?: string }) => reason,
  )
  if (name.startsWith('connect')) expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  else if (name.startsWith('waitForListening')) expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  else expect(error).toBeUndefined()
})

it('server.connect() resolves if the kernel completed the handshake before its timeout', async () => {
  await using server = await listenTcp()
  expect(await busyDuring(() => server.connect({ timeout: TIMEOUT }))).toBeInstanceOf(net.Socket)
})
