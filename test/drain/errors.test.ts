import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { createSocketPool, listen, listenTcp } from '../../src/index.js'
import { gate, get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { spawnPeer } from './foreign.js'
import { type AnyServer, HTTP1_TRANSPORTS, run, STREAM_TRANSPORTS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const TCP_STREAMS = STREAM_TRANSPORTS.filter(({ unix }) => !unix)
const TCP_HTTP = HTTP1_TRANSPORTS.filter(({ unix }) => !unix)

/** Makes the client send a RST, also over TLS. Only the transport can send it. */
function resetFromClient(socket: net.Socket): void {
  const raw = (socket as { _parent?: net.Socket | null })._parent ?? socket
  const handle = (raw as unknown as { _handle: { reset(callback: () => void): void } })._handle
  if ('encrypted' in socket) {
    // A TLSSocket that connected itself cannot resetAndDestroy(): https://github.com/nodejs/node/issues/49484
    ;(socket as unknown as { _handle: { _parent: typeof handle } })._handle._parent.reset(() => {})
    socket.destroy()
  } else {
    socket.resetAndDestroy()
  }
}

describe.each(TCP_STREAMS)('a client that resets, on $name', ({ start }) => {
  it('is recorded in its outcome when it resets during a drain', async () => {
    const server = await start((socket) => void socket.resume())
    const peer = await server.dial({ allowHalfOpen: true })
    const closing = server.close(LONG)
    await peer.ended
    // It has read the end, and now resets.
    resetFromClient(peer.socket)
    const report = await closing
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ outcome: 'closed', error: { code: 'ECONNRESET' } }])
  })
})

describe.each([
  ['listenTcp()', () => listenTcp(() => {})],
  ['listen(net.createServer())', () => listen(net.createServer(() => {}))],
])('a client that resets, on %s', (_name, start) => {
  it('does not end the process, although nothing listens for its error', async () => {
    const listener = await start()
    const accepted = once(listener.server, 'connection')
    const client = net.connect({ host: listener.address, port: listener.port })
    const [socket] = (await accepted) as [net.Socket]
    const closed = gate()
    socket.resume().once('close', () => closed.open())
    client.resetAndDestroy()
    await closed.opened
    expect(await listener.close(LONG)).toMatchObject({ outcomes: [] })
  })
})

describe.each(TCP_HTTP)('a client that resets, on $name', ({ start }) => {
  it('does not delay the drain when it resets in the middle of its request, and is recorded', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const asked = once(server.listener.server, 'request')
    peer.write(get('/'))
    await asked
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    resetFromClient(peer.socket)
    const report = await closing
    expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed', error: { code: 'ECONNRESET' } }])
  })
})

describe('a client in another process', () => {
  it('resets when it dies with unread data, and its outcome says so', async () => {
    const server = run(
      (await listen(net.createServer((socket) => void socket.write(Buffer.alloc(8_000_000))))) as unknown as AnyServer,
    )
    const accepted = once(server.listener.server, 'connection')
    const peer = spawnPeer({ target: { host: server.listener.address, port: server.listener.port }, reads: false })
    await Promise.all([accepted, peer.heard('connect')])
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    await peer.kill()
    const report = await closing
    expect(report).toMatchObject({ closed: 1 })
    expect(report.outcomes).toMatchObject([{ error: { code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) } }])
  })
})

describe.each(HTTP1_TRANSPORTS)("a 'clientError', on $name", ({ start, unix }) => {
  const GARBAGE = 'this is no HTTP\r\n\r\n'

  it('leaves a connection that closes immediately if its listener does not destroy it', async () => {
    const server = await start(() => {})
    const failed = once(server.listener.server, 'clientError')
    const peer = await server.dial()
    peer.write(GARBAGE)
    await failed
    const report = await server.close(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('leaves a connection that closes immediately if its listener answers during a drain', async () => {
    const server = await start(() => {})
    server.listener.server.on('clientError', (_error, socket: net.Socket) => {
      socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
    })
    const peer = await server.dial()
    peer.write('GET / ')
    await until(() => peer.accepted.bytesRead > 0)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write(GARBAGE)
    const report = await closing
    await peer.closed
    expect(peer.text()).toContain('400 Bad Request')
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('is answered with 400 by Node without a listener, as usual', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    peer.write(GARBAGE)
    await peer.closed
    expect(peer.text()).toMatch(/^HTTP\/1\.1 400 Bad Request/)
    expect(await server.close(LONG)).toMatchObject({ destroyed: 0, reset: 0 })
  })

  it('lets a client that ignores the end stay until the end of the grace', async () => {
    const server = await start(() => {})
    const failed = once(server.listener.server, 'clientError')
    const peer = await server.dial({ allowHalfOpen: true })
    peer.write(GARBAGE)
    await failed
    const report = await server.close({ grace: 100 })
    if (unix) peer.socket.destroy()
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })
})

describe('the behaviour of Node without certain listeners', () => {
  it('stays the same for a tracked server', async () => {
    const server = run(
      (await listen(http.createServer((_request, response) => response.end('plain')))) as unknown as AnyServer,
    )
    // Without an 'upgrade' listener an upgrade is served as a plain request; without 'connect' a tunnel is closed; without
    // 'checkContinue' 100 is sent. https://nodejs.org/api/http.html#class-httpserver
    const [upgrade, tunnel, expecting] = [await server.dial(), await server.dial(), await server.dial()]
    upgrade.write(get('/', 'Connection: Upgrade', 'Upgrade: chat'))
    tunnel.write('CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n')
    expecting.write('POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n')
    await upgrade.receives('plain')
    await tunnel.closed
    await expecting.receives('100 Continue')
    await expecting.receives('plain')
    const report = await server.close(LONG)
    await Promise.all([upgrade.closed, expecting.closed])
    expect(report).toMatchObject({ closed: 2, destroyed: 0 })
    expect(server.listener.server.eventNames()).not.toContain('upgrade')
  })
})

describe('a socket that the handler destroys with an error', () => {
  it('is reported with its first error', async () => {
    const server = run((await listen(net.createServer())) as unknown as AnyServer)
    const peer = await server.dial()
    const { opened, open } = gate()
    server.listener.connections.onDrain((socket) => {
      socket.destroy(new Error('the handler is through with it'))
      open()
    })
    const report = await server.close(LONG)
    await opened
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed', error: { message: 'the handler is through with it' } }])
  })
})

describe('a pool that tracks a client', () => {
  it('keeps its reset from ending the process', async () => {
    const server = run((await listen(net.createServer())) as unknown as AnyServer)
    const pool = createSocketPool()
    const accepted = once(server.listener.server, 'connection')
    const socket = await pool.connect({
      host: server.listener.address,
      port: server.listener.port,
      allowHalfOpen: true,
    })
    const [serverEnd] = (await accepted) as [net.Socket]
    expect(pool.size).toBe(1)
    const closed = gate()
    socket.once('close', () => closed.open())
    serverEnd.resetAndDestroy()
    socket.resume()
    await closed.opened
    expect(pool.size).toBe(0)
    await server.close(LONG)
  })
})
