import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { createSocketPool, listen, listenHttp, listenHttp2, listenTcp } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { gate, get, targetOf, turn, until, watch } from '../support/clients.js'
import { HERE, needsDescriptors, needsPorts } from '../support/here.js'
import { acceptQueueLength, leavesNothingOpen, needsKernel, tcpEntries, watchPort } from '../support/kernel.js'
import { spawnPeer } from './foreign.js'
import { HTTP1_KINDS, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const KINDS = [...HTTP1_KINDS, ...STREAM_KINDS]

/** Keeps this process from accepting until the condition holds. Only the kernel continues. */
function blockUntil(condition: () => boolean): void {
  while (!condition()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
}

/** Connections that the kernel has completed and the server has not accepted. */
async function queueUp(server: { address: string; port: number }, count: number, secure: boolean) {
  const { ca } = await processCertificate()
  const target = targetOf(server)
  const peers = Array.from({ length: count }, () =>
    watch(secure ? tls.connect({ ...target, ca, servername: 'localhost' }) : net.connect(target)),
  )
  // Node calls connect(2) in the next tick. On loopback the kernel answers within the call.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  return peers
}

describe.each(KINDS.filter(({ unix }) => !unix))('the accept queue of $name', ({ start, secure }) => {
  it('is emptied without a reset', async (context) => {
    needsKernel(context)
    const server = await start(() => {})
    const left = watchPort(server.listener.port)
    const peers = await queueUp(server.listener, 20, secure)
    expect(acceptQueueLength(server.listener.port)).toBe(20)
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report.outcomes).toHaveLength(20)
    expect(report).toMatchObject({ closed: 20, destroyed: 0, reset: 0 })
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(left()).toEqual([])
  })

  it('is in the report with every connection, including those that the handler closed meanwhile', async (context) => {
    needsKernel(context)
    let accepted = 0
    const server = await start((first: net.Socket | { socket: net.Socket }) => {
      const socket = first instanceof net.Socket ? first : first.socket
      socket.destroy()
    })
    server.listener.server.on('connection', () => accepted++)
    const peers = await queueUp(server.listener, 20, secure)
    for (const peer of peers) peer.write(get('/'))
    expect(acceptQueueLength(server.listener.port)).toBe(20)
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(accepted).toBe(20)
    expect(report.outcomes).toHaveLength(20)
    expect(new Set(report.outcomes.map(({ remote }) => JSON.stringify(remote))).size).toBe(20)
    expect(report.outcomes.every(({ local }) => local !== '')).toBe(true)
  })

  it('is emptied of clients in another process without a reset', async (context) => {
    needsKernel(context)
    const server = await start(() => {})
    const { port } = server.listener
    const peer = spawnPeer({ target: targetOf(server.listener), count: 20, secure })
    blockUntil(() => acceptQueueLength(port) === 20)
    const report = await server.close(LONG)
    await peer.exited
    expect(report.outcomes).toHaveLength(20)
    expect(report).toMatchObject({ closed: 20, destroyed: 0, reset: 0 })
    for (let index = 0; index < 20; index++) expect(peer.namesOf(index).at(-1)).toBe('close')
    // For a TLS client, an end in the middle of its handshake is always an error.
    expect(peer.codes().filter((code) => !secure || code !== 'ECONNRESET')).toEqual([])
  })
})

describe.each(KINDS.filter(({ unix }) => !unix))('the accept queue of $name at the deadline', ({ start, secure }) => {
  it('is emptied and is in the report', async (context) => {
    needsKernel(context)
    const server = await start(() => {})
    const left = watchPort(server.listener.port)
    const peers = await queueUp(server.listener, 20, secure)
    expect(acceptQueueLength(server.listener.port)).toBe(20)
    const report = await server.close({ grace: 0 })
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 0, destroyed: 20, reset: 0 })
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(left()).toEqual([])
  })
})

describe.each(KINDS.filter(({ unix }) => !unix))(
  'the accept queue of $name, after its clients have closed',
  ({ start }) => {
    it('does not delay the drain beyond the deadline', async (context) => {
      needsKernel(context)
      const server = await start(() => {})
      const peers = await queueUp(server.listener, 5, false)
      const closing = server.close({ grace: 0 })
      for (const { socket } of peers) socket.resetAndDestroy()
      const report = await closing
      await Promise.all(peers.map(({ closed }) => closed))
      expect(report.outcomes).toHaveLength(5)
    })
  },
)

describe('an accept queue that clients keep filling', () => {
  /** Clients that reconnect until they are refused. Resolves with the other errors. */
  function dialAgain({ port, address }: { port: number; address: string }, again: 'connect' | 'close') {
    const ended = gate<Array<string | undefined>>()
    const errors: Array<string | undefined> = []
    let dialling = 0
    const dial = (): void => {
      dialling++
      let refused = false
      const socket = net.connect(port, address).resume()
      socket.on('error', ({ code }: NodeJS.ErrnoException) => {
        if (code === 'ECONNREFUSED') refused = true
        else errors.push(code)
      })
      if (again === 'connect') socket.once('connect', () => setImmediate(dial))
      socket.on('close', () => {
        if (again === 'close' && !refused) dial()
        if (--dialling === 0) ended.open(errors)
      })
    }
    for (let clients = 0; clients < 5; clients++) dial()
    return ended.opened
  }

  /** A client that reconnects after each connection holds more and more of them. */
  const needsMany = (context: TestContext): void => {
    needsDescriptors(context, 4096)
    needsPorts(context, 4096)
  }

  it.for(['connect', 'close'] as const)('is abandoned without a reset: %s', async (again, context) => {
    if (again === 'connect') needsMany(context)
    let accepted = 0
    const server = await listenTcp((socket) => {
      accepted++
      socket.resume()
      if (again === 'close') socket.end()
    })
    const errors = dialAgain(server, again)
    await until(() => accepted > 20)
    const report = await server.close(LONG)
    expect(report).toMatchObject({ destroyed: 0, reset: 0 })
    expect(await errors).toEqual([])
  })

  it('is abandoned once all its earlier connections are accepted, at any length', async (context) => {
    needsKernel(context)
    needsMany(context)
    const server = await listenTcp((socket) => void socket.resume(), { backlog: 2000 })
    const peers = await queueUp(server, 900, false)
    expect(acceptQueueLength(server.port)).toBe(900)
    const errors = dialAgain(server, 'connect')
    expect(await server.close(LONG)).toMatchObject({ destroyed: 0, reset: 0 })
    expect(await errors).toEqual([])
    expect(peers.flatMap((peer) => peer.errors)).toEqual([])
  })

  it('is abandoned at the end of the grace', async () => {
    let accepted = 0
    const server = await listenTcp((socket) => {
      accepted++
      socket.destroy()
    })
    const errors = dialAgain(server, 'close')
    await until(() => accepted > 20)
    const before = accepted
    await server.close({ grace: 1 })
    await errors
    // Without the deadline it would accept 4096.
    expect(accepted - before).toBeLessThan(1000)
  })
})

describe.each(HTTP1_KINDS.filter(({ unix }) => !unix))('requests in the accept queue of $name', ({ start, secure }) => {
  it('are answered', async (context) => {
    needsKernel(context)
    const server = await start((_request, response) => response.end('served'))
    const peers = await queueUp(server.listener, 20, secure)
    for (const peer of peers) peer.write(get('/'))
    expect(acceptQueueLength(server.listener.port)).toBe(20)
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(peers.map((peer) => peer.text().endsWith('served'))).toEqual(Array(20).fill(true))
    expect(report).toMatchObject({ closed: 20, destroyed: 0, reset: 0 })
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
  })

  it.skipIf(secure)('of clients in another process are answered', async (context) => {
    needsKernel(context)
    const server = await start((_request, response) => response.end('served'))
    const { port } = server.listener
    const peer = spawnPeer({ target: targetOf(server.listener), count: 20, write: get('/') })
    // Each client has sent its request, which waits in the receive queue of an unaccepted connection.
    blockUntil(
      () => tcpEntries(port).filter((e) => e.local.port === port && e.receiveQueue >= get('/').length).length === 20,
    )
    const report = await server.close(LONG)
    await peer.exited
    for (let index = 0; index < 20; index++) expect(peer.textOf(index)).toMatch(/served$/)
    expect(report).toMatchObject({ closed: 20, destroyed: 0, reset: 0 })
    expect(peer.codes()).toEqual([])
  })
})

describe('an h2c request in the accept queue', () => {
  it('is answered', async () => {
    const listener = await listenHttp2((_request, response) => response.end('served'))
    const session = http2.connect(`http://localhost:${listener.port}`, { host: listener.address } as object)
    const errors: Error[] = []
    session.on('error', (error) => errors.push(error))
    const stream = session.request({ ':path': '/' })
    stream.on('error', (error) => errors.push(error))
    stream.setEncoding('utf8')
    let text = ''
    stream.on('data', (chunk) => {
      text += chunk
    })
    const closed = once(session, 'close')
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const report = await listener.close(LONG)
    await closed
    expect(text).toBe('served')
    expect(report).toMatchObject({ closed: 1, destroyed: 0 })
    expect(errors).toEqual([])
  })
})

describe.each(HTTP1_KINDS.filter(({ unix }) => unix))('the accept queue of $name', ({ start }) => {
  it('is emptied, and its requests are answered', async () => {
    const server = await start((_request, response) => response.end('served'))
    const peers = await queueUp(server.listener, 20, false)
    for (const peer of peers) peer.write(get('/'))
    await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
  })
})

describe.each(KINDS)('a connect while $name drains', ({ start, unix }) => {
  it('is refused, also after the drain', async () => {
    const server = await start(() => {})
    const first = await server.dial({ allowHalfOpen: true })
    const closing = server.close(LONG)
    await first.ended
    const target = targetOf(server.listener)
    const second = watch(net.connect(target))
    await second.closed
    // The path of a unix socket is removed together with its listener.
    expect(second.errors).toMatchObject([
      { code: unix ? expect.stringMatching(/^(ECONNREFUSED|ENOENT)$/) : 'ECONNREFUSED' },
    ])
    first.socket.end()
    await closing
    await first.closed
    const third = watch(net.connect(target))
    await third.closed
    expect(third.errors).toMatchObject([{ code: unix ? 'ENOENT' : 'ECONNREFUSED' }])
  })
})

describe.each(KINDS.filter(({ unix }) => !unix))('the port of $name', ({ start }) => {
  it('can be bound again immediately', async () => {
    const server = await start(() => {})
    const peers = [await server.dial(), await server.dial()]
    const { port, address } = server.listener
    await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    const again = net.createServer()
    onTestFinished(() => void again.close())
    again.listen({ port, host: address, exclusive: true })
    await once(again, 'listening')
    again.close()
    await once(again, 'close')
  })
})

describe('a server that is closed before it listens', () => {
  it.each([
    ['a net.Server', () => net.createServer()],
    ['an http.Server', () => http.createServer()],
    ['an http2 server', () => http2.createServer()],
  ])('never listens: %s in a pool', async (_name, create) => {
    const server = create() as net.Server
    let listened = false
    server.on('listening', () => {
      listened = true
    })
    const pool = createSocketPool()
    pool.track(server)
    server.listen(0, 'localhost')
    const report = await pool.drain(LONG)
    expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 0, outcomes: [] })
    // The lookup of the name takes any time. A second lookup behind it in the queue shows when it has completed.
    const marker = net.createServer().listen(0, 'localhost')
    await once(marker, 'listening')
    marker.close()
    await once(marker, 'close')
    await turn().then(turn)
    expect(listened).toBe(false)
    expect(server.listening).toBe(false)
    server.close()
  })

  it('rejects listen() and leaves nothing bound when its user closes it', async () => {
    const server = net.createServer()
    const listening = listen(server, { host: 'localhost' })
    listening.catch(() => {})
    await turn()
    server.close()
    await listening.then(
      // It was already bound when it was closed.
      (listener) => listener.close(LONG),
      (error) => expect(error).toMatchObject({ code: 'ERR_PORTSIDE_CLOSED_WHILE_LISTENING' }),
    )
    expect(server.listening).toBe(false)
  })

  it('is not an error for a pool whose server never listened', async () => {
    const server = net.createServer()
    const pool = createSocketPool()
    pool.track(server)
    expect(await pool.drain(LONG)).toMatchObject({ outcomes: [] })
  })

  it('is not an error for a pool whose server its user closed', async () => {
    const server = http.createServer()
    const pool = createSocketPool()
    pool.track(server)
    server.listen(0, HERE)
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    expect(await pool.drain(LONG)).toMatchObject({ outcomes: [] })
  })
})

describe('close() together with the close() of the user', () => {
  it.each([
    [
      'before',
      async (server: net.Server, close: () => Promise<unknown>) => {
        server.close()
        await close()
      },
    ],
    [
      'after',
      async (server: net.Server, close: () => Promise<unknown>) => {
        const closing = close()
        server.close(() => {})
        await closing
      },
    ],
  ])('still drains when that one is called %s', async (_when, both) => {
    const listener = await listenTcp(() => {})
    const accepted = once(listener.server, 'connection')
    const peer = watch(net.connect(targetOf(listener)))
    await Promise.all([accepted, peer.connected])
    await both(listener.server, () => listener.close(LONG))
    await peer.closed
    expect(peer.events).toEqual(['end', 'close'])
    expect(listener.server.listening).toBe(false)
  })

  it('drains the connections that closeAllConnections() and closeIdleConnections() leave', async () => {
    const listener = await listenHttp((_request, response) => response.end('hello'))
    const accepted = once(listener.server, 'connection')
    const peer = watch(net.connect(targetOf(listener)))
    await Promise.all([accepted, peer.connected])
    peer.write(get('/'))
    await peer.receives('hello')
    const server = listener.server as http.Server
    const closing = listener.close(LONG)
    server.closeIdleConnections()
    const report = await closing
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.errors).toEqual([])
    expect(server.closeIdleConnections).toBe(http.Server.prototype.closeIdleConnections)
    await until(() => !server.listening)
  })
})
