import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import process from 'node:process'

const OWN = 'leaks.mjs'

/** The leaks that `open` leaves. They are closed afterwards. */
async function left({ trackSockets, snapshotSockets, findLeaks }, open, name) {
  const tracking = trackSockets()
  const since = snapshotSockets()
  const close = name === undefined ? await open() : await tracking.run({ name }, open)
  try {
    return await findLeaks(since)
  } finally {
    await close?.()
  }
}

async function openListener() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return () => new Promise((resolve) => server.close(resolve))
}

async function openBoth() {
  const accepted = []
  const server = net.createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect(server.address().port, '127.0.0.1')
  await once(client, 'connect')
  while (accepted.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return async () => {
    client.destroy()
    accepted[0].destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

export const leaks = {
  async 'a listener is found, with its line'(portside) {
    const found = await left(portside, openListener)
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['listener'],
    )
    assert.ok(found[0].openedAt[0]?.file.endsWith(OWN), `opened at ${JSON.stringify(found[0].openedAt[0])}`)
  },
  async 'both ends of a connection are found, with a line'(portside) {
    const found = await left(portside, openBoth)
    assert.deepEqual(found.map(({ kind }) => kind).sort(), ['accepted', 'client', 'listener'])
    const client = found.find(({ kind }) => kind === 'client')
    assert.ok(client.openedAt[0]?.file.endsWith(OWN), `opened at ${JSON.stringify(client.openedAt[0])}`)
  },
  async 'a leak names the test that opened it'(portside) {
    const found = await left(portside, openListener, 'my test')
    assert.equal(found[0]?.test?.name ?? found[0]?.test, 'my test')
  },
  async 'a UDP socket is found'(portside) {
    const { createSocket } = await import('node:dgram')
    const found = await left(portside, async () => {
      const socket = createSocket('udp4')
      await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
      return () => new Promise((resolve) => socket.close(resolve))
    })
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['udp'],
    )
  },
  async 'a leaked server of portside names its close()'(portside) {
    const found = await left(portside, async () => {
      const server = await portside.listenHttp()
      return () => server.close()
    })
    assert.match(found[0]?.howToClose ?? '', /close\(\)/)
  },
  async 'a server of the runtime itself is found'(portside) {
    const { Bun, Deno } = globalThis
    const found = await left(portside, async () => {
      if (Bun !== undefined) {
        const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('hello') })
        return () => server.stop(true)
      }
      if (Deno !== undefined) {
        const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen() {} }, () => new Response('hello'))
        return () => server.shutdown()
      }
      return openListener()
    })
    assert.equal(found.length, 1)
    return `${found[0].kind}, opened at ${found[0].openedAt[0]?.file ?? 'an unknown place'}`
  },
  async 'the idle connection of fetch is no leak'(portside) {
    const server = await portside.listenHttp((_request, response) => response.end('hello'))
    const found = await left(portside, async () => {
      await (await fetch(server.url)).text()
    })
    await server.close()
    assert.deepEqual(found, [])
  },
  async 'verifyNoLeaks passes after everything is closed'(portside) {
    portside.trackSockets()
    const since = portside.snapshotSockets()
    const close = await openBoth()
    await close()
    await portside.verifyNoLeaks(since)
  },
  async 'verifyNoLeaks fails with a LeakError'(portside) {
    portside.trackSockets()
    const since = portside.snapshotSockets()
    const close = await openListener()
    await assert.rejects(portside.verifyNoLeaks(since), { code: 'ERR_PORTSIDE_LEAK' })
    await close()
    return `pid ${process.pid}`
  },
}
