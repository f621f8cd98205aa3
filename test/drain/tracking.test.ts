import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSocketPool, listenTcp } from '../../src/index.js'
import { targetOf, watch } from '../support/clients.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { HTTP1_KINDS, run, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** A server that portside does not know, with this many connections. */
async function foreignServer(server: net.Server, connections: number) {
  server.listen(0, HERE)
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const dial = async () => {
    const accepted = once(server, 'connection')
    const peer = watch(net.connect({ host: HERE, port }))
    await peer.connected
    return Object.assign(peer, { accepted: (await accepted)[0] as net.Socket })
  }
  const peers = []
  for (let i = 0; i < connections; i++) peers.push(await dial())
  onTestFinished(() => void server.close())
  return { server, port, peers, dial }
}

describe.each([...HTTP1_KINDS, ...STREAM_KINDS])('server.connections, on $name', ({ start }) => {
  it('knows the connections that were accepted before it was first read', async () => {
    const server = await start(() => {})
    const peers = [await server.dial(), await server.dial()]
    const { connections } = server.listener
    expect(connections.size).toBe(2)
    expect(new Set(connections)).toEqual(new Set(peers.map(({ accepted }) => accepted)))
    peers.push(await server.dial())
    expect(connections.size).toBe(3)
    await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(connections.size).toBe(0)
    expect([...connections]).toEqual([])
  })

  it('forgets a connection that has closed', async () => {
    const server = await start(() => {})
    const { connections } = server.listener
    const peer = await server.dial()
    expect(connections.size).toBe(1)
    const closed = once(peer.accepted, 'close')
    peer.accepted.resume()
    peer.accepted.destroy()
    await Promise.all([closed, peer.closed])
    expect(connections.size).toBe(0)
    expect(await server.close(LONG)).toMatchObject({ outcomes: [] })
  })
})

describe('pool.track(server)', () => {
  it.each([
    ['a net.Server', () => net.createServer()],
    ['an http.Server', () => http.createServer()],
  ])('refuses %s that has connections already', async (_name, create) => {
    const { server, peers } = await foreignServer(create() as net.Server, 2)
    const pool = createSocketPool()
    expect(() => pool.track(server)).toThrow(expect.objectContaining({ code: 'ERR_PORTSIDE_LATE_ATTACH' }))
    expect(pool.size).toBe(0)
    // A rejected server is untouched.
    for (const peer of peers) peer.socket.destroy()
    server.close()
    await once(server, 'close')
  })

  it('tracks a server that listens and has no connections', async () => {
    const { server, port, dial } = await foreignServer(net.createServer(), 0)
    const pool = createSocketPool()
    expect(pool.track(server)).toBe(server)
    const left = watchPort(port)
    const peers = [await dial(), await dial()]
    expect(pool.size).toBe(2)
    const report = await pool.drain(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(server.listening).toBe(false)
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(left()).toEqual([])
  })

  it('tracks a server whose connections have all closed', async () => {
    const { server, peers, dial } = await foreignServer(net.createServer(), 1)
    const closed = once(peers[0]?.accepted as net.Socket, 'close')
    peers[0]?.accepted.resume()
    peers[0]?.socket.end()
    await closed
    const pool = createSocketPool()
    pool.track(server)
    const peer = await dial()
    expect(pool.size).toBe(1)
    await pool.drain(LONG)
    await peer.closed
  })

  it('tracks a server of another pool, with its open connections', async () => {
    const { server, dial } = await foreignServer(net.createServer(), 0)
    const [first, second] = [createSocketPool(), createSocketPool()]
    first.track(server)
    const peers = [await dial()]
    second.track(server)
    peers.push(await dial())
    expect([first.size, second.size]).toEqual([2, 2])
    const reports = await Promise.all([first.drain(LONG), second.drain(LONG)])
    await Promise.all(peers.map(({ closed }) => closed))
    expect(reports).toMatchObject([{ closed: 2 }, { closed: 2 }])
  })

  it('tracks the server of listenTcp()', async () => {
    const server = run(await listenTcp(() => {}))
    const peer = await server.dial()
    const pool = createSocketPool()
    pool.track(server.listener.server)
    expect(pool.size).toBe(1)
    const report = await pool.drain(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1 })
    expect(await server.close(LONG)).toMatchObject({ outcomes: [] })
  })

  it('counts a server once if it is tracked several times', async () => {
    const { server, dial } = await foreignServer(net.createServer(), 0)
    const pool = createSocketPool()
    pool.track(server)
    pool.track(server)
    const peer = await dial()
    expect(pool.size).toBe(1)
    const report = await pool.drain(LONG)
    await peer.closed
    expect(report.outcomes).toHaveLength(1)
  })
})

describe('pool.track(socket)', () => {
  it('tracks an accepted socket, and does not touch its server', async () => {
    const { server, peers } = await foreignServer(net.createServer(), 2)
    const pool = createSocketPool()
    const [tracked, other] = peers
    pool.track(tracked?.accepted as net.Socket)
    expect(pool.size).toBe(1)
    const report = await pool.drain(LONG)
    await tracked?.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'raw' }])
    expect(other?.events).toEqual([])
    expect(server.listening).toBe(true)
    other?.socket.destroy()
    server.close()
    await once(server, 'close')
  })

  it('counts a socket once if it is tracked in several ways', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    const accepted = once(server.listener.server, 'connection')
    const socket = await pool.connect(server.listener as never)
    const [serverEnd] = (await accepted) as [net.Socket]
    pool.track(socket)
    pool.track(serverEnd)
    pool.track(serverEnd)
    pool.track(server.listener.server)
    expect(pool.size).toBe(2)
    const report = await pool.drain(LONG)
    expect(report.outcomes).toHaveLength(2)
    expect(report).toMatchObject({ closed: 2 })
    expect(socket.destroyed && serverEnd.destroyed).toBe(true)
    await server.close(LONG)
  })

  it('does not count a socket that is already closed', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const peer = watch(net.connect(targetOf(server.listener)))
    await peer.connected
    peer.socket.destroy()
    await peer.closed
    const pool = createSocketPool()
    pool.track(peer.socket)
    expect(pool.size).toBe(0)
    expect(await pool.drain(LONG)).toMatchObject({ outcomes: [] })
    await server.close(LONG)
  })

  it('drains a socket that never connected', async () => {
    const pool = createSocketPool()
    const socket = pool.track(new net.Socket())
    const closed = once(socket, 'close')
    const report = await pool.drain({ grace: 300 })
    await closed
    expect(report.outcomes).toHaveLength(1)
    expect(pool.size).toBe(0)
  })

  it('drains a socket that is still connecting', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    const peer = watch(pool.track(net.connect(targetOf(server.listener))))
    const report = await pool.drain(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0 })
    expect(peer.errors).toEqual([])
    await server.close(LONG)
  })

  it.each([undefined, null, 1, 'socket', {}, []])('rejects %j', (resource) => {
    const pool = createSocketPool()
    expect(() => pool.track(resource as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
  })
})
