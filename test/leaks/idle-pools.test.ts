import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findLeaks, type SecureTestServer, snapshotSockets, verifyNoLeaks } from '../../src/index.js'
import { openShared, type Shared } from './kinds.js'

let shared: Shared
let secure: SecureTestServer<https.Server>
beforeAll(async () => {
  shared = await openShared()
  secure = await shared.net.listenHttps((_request, response) => response.end('answer'))
})
afterAll(() => shared.net.close())

const start = snapshotSockets()

/** Sends requests that are answered, and whose connection is kept for the next request. */
const POOLS: Record<string, { use: () => Promise<() => void>; fix: string }> = {
  'http.Agent': {
    fix: 'agent.destroy()',
    async use() {
      const agent = new http.Agent({ keepAlive: true })
      const [response] = await once(http.get(shared.url, { agent }), 'response')
      await once(response.resume(), 'close')
      return () => agent.destroy()
    },
  },
  'the global agent': {
    fix: 'http.globalAgent.destroy()',
    async use() {
      const [response] = await once(http.get(shared.url), 'response')
      await once(response.resume(), 'close')
      return () => http.globalAgent.destroy()
    },
  },
  'https.Agent': {
    fix: 'agent.destroy()',
    async use() {
      const agent = new https.Agent({ keepAlive: true, ca: secure.ca })
      const [response] = await once(https.get(secure.url, { agent }), 'response')
      await once(response.resume(), 'close')
      return () => agent.destroy()
    },
  },
  'the fetch of undici, over TLS': {
    fix: 'dispatcher.close()',
    async use() {
      const dispatcher = new Agent({ connect: { ca: secure.ca } })
      await (await undiciFetch(secure.url, { dispatcher })).text()
      return () => void dispatcher.destroy()
    },
  },
  fetch: {
    fix: "fetch() with the header 'connection: close'",
    async use() {
      await (await fetch(shared.url)).text()
      return () => {}
    },
  },
}

describe.each(Object.entries(POOLS))('an idle connection of %s', (_name, { use, fix }) => {
  test('is not a leak, and neither is its other end', async () => {
    const since = snapshotSockets()
    onTestFinished(await use())
    expect(await findLeaks(since)).toEqual([])
  })

  test('is a leak with idlePools report, and closes with close', async () => {
    // Otherwise the request would use a connection that an earlier test has left in the shared pool.
    await findLeaks(start, { idlePools: 'close' })
    const since = snapshotSockets()
    onTestFinished(await use())
    const found = await findLeaks(since, { idlePools: 'report' })
    expect(found.map(({ kind }) => kind)).toEqual(['client', 'accepted'])
    expect(found[0]?.howToClose).toBe(fix)
    await verifyNoLeaks(since, { idlePools: 'close' })
    expect(await findLeaks(since, { idlePools: 'report' })).toEqual([])
  })
})

test.each([
  ['before it was sent', () => AbortSignal.abort()],
  ['while it connects', () => abortSoon()],
])('the connection of a request that was aborted %s is no leak', async (_, signal) => {
  for (const keepAlive of [true, false]) {
    const agent = new http.Agent({ keepAlive })
    onTestFinished(() => agent.destroy())
    const since = snapshotSockets()
    const request = http.get(shared.url, { agent, signal: signal() })
    await new Promise((resolve) => request.on('error', () => {}).on('close', resolve))
    await connectedOf(agent)
    expect(await findLeaks(since)).toEqual([])
  }
})

test('connections of any other pool are leaks', async () => {
  const since = snapshotSockets()
  const socket = net.connect(shared.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.unref()
  expect((await findLeaks(since)).map(({ kind }) => kind)).toEqual(['client', 'accepted'])
  socket.destroy()
})

function abortSoon(): AbortSignal {
  const controller = new AbortController()
  process.nextTick(() => controller.abort())
  return controller.signal
}

/** Its sockets may connect after their request was aborted. */
async function connectedOf(agent: http.Agent): Promise<void> {
  for (const socket of Object.values(agent.sockets).flat()) if (socket?.connecting) await once(socket, 'connect')
}
