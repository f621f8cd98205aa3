import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findLeaks, listenHttp, snapshotSockets, verifyNoLeaks } from '../../src/index.js'
import { openShared, type Shared } from './kinds.js'

let shared: Shared
beforeAll(async () => {
  shared = await openShared()
})
afterAll(() => shared.net.close())

/** Requests that are answered, and whose connection is kept for the next one. */
const POOLS: Record<string, () => Promise<() => void>> = {
  'http.Agent': async () => {
    const agent = new http.Agent({ keepAlive: true })
    const [response] = await once(http.get(shared.url, { agent }), 'response')
    await once(response.resume(), 'close')
    return () => agent.destroy()
  },
  'the global agent': async () => {
    const [response] = await once(http.get(shared.url), 'response')
    await once(response.resume(), 'close')
    return () => http.globalAgent.destroy()
  },
  fetch: async () => {
    await (await fetch(shared.url)).text()
    return () => {}
  },
}

describe.each(Object.entries(POOLS))('an idle connection of %s', (_name, use) => {
  test('is no leak, and neither is its other end', async () => {
    const since = snapshotSockets()
    onTestFinished(await use())
    expect(await findLeaks(since)).toEqual([])
  })

  test('is one with idlePools report, and none with close', async () => {
    const server = await listenHttp()
    onTestFinished(() => void server.close({ grace: 0 }))
    const [before, url] = [shared.url, server.url.href]
    shared = { ...shared, url }
    const since = snapshotSockets()
    onTestFinished(await use())
    shared = { ...shared, url: before }
    expect((await findLeaks(since, { idlePools: 'report' })).map(({ kind }) => kind)).toEqual(['client', 'accepted'])
    await verifyNoLeaks(since, { idlePools: 'close' })
    expect(await findLeaks(since, { idlePools: 'report' })).toEqual([])
  })
})

test('a pool of somebody else is no pool: its connections are leaks', async () => {
  const since = snapshotSockets()
  const socket = net.connect(shared.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.unref()
  expect((await findLeaks(since)).map(({ kind }) => kind)).toEqual(['client', 'accepted'])
  socket.destroy()
})
