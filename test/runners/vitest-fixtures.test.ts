import net from 'node:net'
import { test as base, describe, expect, type TestAPI } from 'vitest'
import { test as ofPortside } from '../../src/runners/vitest.js'
import { followFixtures } from '../../src/runners/vitest-fixtures.js'
import { HERE } from '../support/here.js'

// The leak check is on in this file: a fixture that counts for its first test, or for the file before it is torn down, fails here.

const listening = (): Promise<net.Server> =>
  new Promise((resolve) => {
    const server = net.createServer((socket) => socket.end()).listen(0, HERE, () => resolve(server))
  })
const closed = (server: net.Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

interface Servers {
  ofFile: net.Server
  ofWorker: net.Server
}

const SERVERS = {
  ofWorker: [
    // biome-ignore lint/correctness/noEmptyPattern: Vitest reads from this pattern which fixtures it has to set up.
    async ({}: object, use: (server: net.Server) => Promise<void>) => {
      const server = await listening()
      await use(server)
      await closed(server)
    },
    { scope: 'worker' },
  ],
  ofFile: [
    async ({ ofWorker }: { ofWorker: net.Server }, use: (server: net.Server) => Promise<void>) => {
      expect(ofWorker.listening).toBe(true)
      const server = await listening()
      await use(server)
      await closed(server)
    },
    { scope: 'file' },
  ],
} as const

// biome-ignore lint/correctness/noEmptyPattern: as above.
const built = base.extend('ofFile', { scope: 'file' }, async ({}, { onCleanup }) => {
  const server = await listening()
  onCleanup(() => closed(server))
  return server
})

const TESTS: ReadonlyArray<readonly [string, TestAPI<Servers>]> = [
  ['test of Vitest', base.extend<Servers>(SERVERS as never)],
  ['test of portside', ofPortside.extend<Servers>(SERVERS as never) as unknown as TestAPI<Servers>],
]
describe.each(TESTS)('%s', (_, test) => {
  test.beforeAll(({ ofWorker }: Servers) => void ofWorker)
  for (const each of [test, test.concurrent]) {
    each('gets fixtures of the file and the worker', ({ ofFile, ofWorker }) => {
      expect([ofFile.listening, ofWorker.listening]).toEqual([true, true])
    })
  }
})

built('a fixture that returns its value is followed', ({ ofFile }) => expect(ofFile.listening).toBe(true))

base('only fixtures that outlive their test are changed, and options are kept', () => {
  const seen: unknown[] = []
  const fake = {
    extend(...args: unknown[]) {
      seen.push(args)
      return { extend: fake.extend }
    },
  }
  followFixtures(fake, () => undefined)
  const fixture = async ({ other }: { other: unknown }) => other
  const ofTest = { value: 1, fixture, auto: [fixture, { auto: true }] }
  const extended = fake.extend({ ...ofTest, kept: [fixture, { scope: 'file', auto: true }] }) as typeof fake
  extended.extend({ kept: fixture, value: 2 })
  extended.extend('kept', { scope: 'test' }, fixture)
  const [[first], [second], third] = seen as [[Record<string, unknown>], [Record<string, unknown>], unknown[]]
  expect(first).toEqual({ ...ofTest, kept: [expect.any(Function), { scope: 'file', auto: true }] })
  const [kept] = first.kept as [object]
  expect(kept).not.toBe(fixture)
  expect(String(kept)).toBe(String(fixture))
  expect(second.kept).not.toBe(fixture)
  expect(third).toEqual(['kept', { scope: 'test' }, fixture])
})
