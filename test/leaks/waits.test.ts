import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  type ListeningChild,
  refusedEndpoint,
  spawnListening,
  waitForListening,
  waitForReady,
  waitForRefused,
} from '../../src/index.js'
import { LeakCheck } from '../../src/leaks/leak-check.js'
import { HERE, HERE_IN_URL } from '../support/here.js'

const SILENT = `require('node:net').createServer((socket) => socket.on('error', () => {}).resume()).listen({
  host: ${JSON.stringify(HERE)}, port: Number(process.env.PORT) })`
const NOBODY = [process.execPath, ['-e', 'setInterval(() => {}, 1000)']] as const
const TIMEOUT = 60_000

/** A program that reads its input and never answers. */
let silent: ListeningChild
beforeAll(async () => {
  silent = await spawnListening(process.execPath, ['-e', SILENT])
})
afterAll(() => silent.stop())

type Wait = (signal: AbortSignal) => Promise<unknown>

/** The error of the check for a test that ends in the middle of a wait. */
async function endOf(wait: Wait): Promise<Error | undefined> {
  const check = new LeakCheck(undefined, { leaks: { kernel: false } })
  const abort = new AbortController()
  let ended: Promise<unknown> | undefined
  const owner = check.beginTest('a test')
  await check.run(owner, async () => {
    ended = wait(abort.signal).catch((error: Error) => error)
    await new Promise((resolve) => setTimeout(resolve, 100))
  })
  onTestFinished(async () => {
    abort.abort()
    await ended
  })
  const error = (await check.endTest(owner)) ?? (await check.endFile())
  abort.abort()
  expect(await ended).toMatchObject({ code: 'ABORT_ERR' })
  return error
}

const refused = await refusedEndpoint()
const { address, port } = refused
afterAll(() => refused.close())

test.each<{ what: string; wait: Wait }>([
  { what: 'a listener', wait: (signal) => waitForListening({ address, port }, { signal }) },
  { what: 'a refusal', wait: (signal) => waitForRefused(silent, { signal }) },
  { what: 'a URL', wait: (signal) => waitForReady(`http://${HERE_IN_URL}:${silent.port}`, { signal }) },
  { what: 'an answer', wait: (signal) => waitForListening(silent, { ready: { send: '?', expect: /!/ }, signal }) },
])('a test that ends while it waits for $what has no leak', async ({ wait }) => {
  expect(await endOf(wait)).toBeUndefined()
})

test.each<{ what: string; wait: Wait }>([
  { what: 'by port', wait: (signal) => spawnListening(...NOBODY, { timeout: TIMEOUT, signal }) },
  {
    what: 'by descriptor',
    wait: (signal) => spawnListening(...NOBODY, { by: 'descriptor', timeout: TIMEOUT, signal }),
  },
  { what: 'anywhere', wait: (signal) => spawnListening(...NOBODY, { port: 'any', timeout: TIMEOUT, signal }) },
  {
    what: 'by HTTP',
    wait: (signal) =>
      spawnListening(process.execPath, ['-e', SILENT], { ready: { http: '/' }, timeout: TIMEOUT, signal }),
  },
])(
  'a test that ends while it waits for a program $what leaks the program, but no socket of the wait',
  async ({ wait }) => {
    const error = await endOf(wait)
    expect(error?.message).toMatch(/left 1 socket open\.\n\n1\. unix pipes to process \d+/)
  },
)
