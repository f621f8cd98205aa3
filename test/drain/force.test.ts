import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { type DrainError, listenHttp, listenHttp2, listenHttps, listenTcp, listenTls } from '../../src/index.js'
import { needsFullBuffers } from '../support/abilities.js'
import { get, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import {
  type AnyServer,
  type Dialled,
  HTTP1_TRANSPORTS,
  type Running,
  run,
  STREAM_TRANSPORTS,
  TRANSPORTS,
} from './kinds.js'

leavesNothingOpen()

async function drainErrorOf(server: Running, options: { grace: number }): Promise<DrainError> {
  return server.close({ ...options, force: 'reject' }).then(
    () => Promise.reject(new Error('close() resolved')),
    (error) => error as DrainError,
  )
}

describe.each(TRANSPORTS.filter(({ unix }) => !unix))("force 'destroy', on $name", ({ start }) => {
  it('closes both ends without an error or a TIME_WAIT', async () => {
    const server = await start(() => {})
    const left = watchPort(server.listener.port)
    const peer = await server.dial({ allowHalfOpen: true })
    const report = await server.close({ grace: 50, force: 'destroy' })
    await peer.closed
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })
})

describe.each(HTTP1_TRANSPORTS.filter(({ unix }) => !unix))(
  "force 'reset' of an unanswered request, on $name",
  ({ start }) => {
    it('makes the client see ECONNRESET, and leaves no TIME_WAIT', async () => {
      const server = await start(() => {})
      const left = watchPort(server.listener.port)
      const peer = await server.dial()
      const asked = once(server.listener.server, 'request')
      peer.write(get('/never'))
      await asked
      const report = await server.close({ grace: 50, force: 'reset' })
      await peer.closed
      expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 1 })
      expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /never', outcome: 'reset' }])
      expect(peer.errors).toMatchObject([{ code: 'ECONNRESET' }])
      expect(left()).toEqual([])
    })
  },
)

describe.each(STREAM_TRANSPORTS.filter(({ unix }) => !unix))(
  "force 'reset' of a connection in use, on $name",
  ({ start }) => {
    it('makes the client see ECONNRESET, and leaves no TIME_WAIT', async () => {
      const server = await start(() => {})
      const left = watchPort(server.listener.port)
      server.listener.connections.onDrain(() => new Promise(() => {}))
      const peer = await server.dial()
      const report = await server.close({ grace: 50, force: 'reset' })
      await peer.closed
      expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 1 })
      expect(report.outcomes).toMatchObject([{ state: 'raw', outcome: 'reset' }])
      expect(peer.errors).toMatchObject([{ code: 'ECONNRESET' }])
      expect(left()).toEqual([])
    })
  },
)

describe.each(TRANSPORTS.filter(({ unix }) => !unix))("force 'reset', on $name", ({ start }) => {
  it('makes the next write fail for a client that ignored the end, and leaves no TIME_WAIT', async () => {
    const server = await start(() => {})
    const left = watchPort(server.listener.port)
    const peer = await server.dial({ allowHalfOpen: true })
    const report = await server.close({ grace: 50, force: 'reset' })
    expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 1 })
    peer.write('too late')
    await peer.closed
    expect(peer.errors.map((error) => (error as { code?: string }).code)).toEqual([
      expect.stringMatching(/^(EPIPE|ECONNRESET)$/),
    ])
    expect(left()).toEqual([])
  })

  it('is not used on a connection that closes in time', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const report = await server.close({ grace: 60_000, force: 'reset' })
    await peer.closed
    expect(report).toMatchObject({ closed: 1, reset: 0 })
    expect(peer.events).toEqual(['end', 'close'])
  })
})

describe.each([
  ['listenTls()', () => listenTls()],
  ['listenHttps()', () => listenHttps()],
  ['a secure listenHttp2()', () => listenHttp2(undefined, { secure: true })],
] as const)("force 'reset' during a TLS handshake, on %s", (_name, start) => {
  it('makes the client see ECONNRESET', async () => {
    const server = run((await start()) as unknown as AnyServer)
    const accepted = once(server.listener.server, 'connection')
    const peer = watch(net.connect({ host: server.listener.address, port: server.listener.port, allowHalfOpen: true }))
    const [socket] = (await accepted) as [net.Socket]
    peer.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    await until(() => socket.bytesRead > 0)
    const report = await server.close({ grace: 50, force: 'reset' })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'reset' }])
    expect(peer.errors).toMatchObject([{ code: 'ECONNRESET' }])
  })
})

describe.each(TRANSPORTS.filter(({ unix }) => unix))("force 'reset', on $name", ({ start }) => {
  it('closes a unix socket, which cannot be reset, and says so', async () => {
    const server = await start(() => {})
    const peer = await server.dial({ allowHalfOpen: true })
    const report = await server.close({ grace: 50, force: 'reset' })
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    await peer.ended
    peer.socket.destroy()
    await peer.closed
    expect(peer.errors).toEqual([])
  })
})

describe.each(TRANSPORTS)("force 'reject', on $name", ({ start, unix }) => {
  it('rejects with an error that names the remaining connections, after cleaning up', async () => {
    const server = await start(() => {})
    const stubborn = await server.dial({ allowHalfOpen: true })
    const good = await server.dial()
    const { localAddress, localPort } = stubborn.socket
    const rejection = drainErrorOf(server, { grace: 60_000 })
    await Promise.all([stubborn.ended, good.closed])
    await until(() => server.listener.connections.size === 1)
    void drainErrorOf(server, { grace: 0 })
    const error = await rejection
    if (unix) stubborn.socket.destroy()
    await stubborn.closed
    expect(error).toMatchObject({ name: 'DrainError', code: 'ERR_PORTSIDE_DRAIN' })
    expect(error.stragglers).toHaveLength(1)
    expect(error.stragglers[0]).toMatchObject({ outcome: 'destroyed', bytesRead: 0, bytesWritten: 0, pendingBytes: 0 })
    expect(error.stragglers[0]?.age).toBeGreaterThan(0)
    expect(error.report).toMatchObject({ closed: 1, destroyed: 1, reset: 0 })
    expect(error.report.outcomes).toHaveLength(2)
    expect(error.report.outcomes).toContain(error.stragglers[0])
    if (!unix) {
      const { address, port } = server.listener
      expect(error.stragglers[0]).toMatchObject({
        local: { address, port },
        remote: { address: localAddress, port: localPort },
      })
      expect(error.message).toContain(`${port}`)
      expect(error.message).toContain(`${localPort}`)
    }
    expect([...stubborn.errors, ...good.errors]).toEqual([])
    expect(server.listener.server.listening).toBe(false)
    expect(server.listener.connections.size).toBe(0)
  })

  it('rejects every call with the same error, but not a later disposal', async () => {
    const server = await start(() => {})
    const peer = await server.dial({ allowHalfOpen: true })
    const first = drainErrorOf(server, { grace: 50 })
    const second = drainErrorOf(server, { grace: 50 })
    expect(await first).toBe(await second)
    if (unix) peer.socket.destroy()
    await peer.closed
    await server.listener[Symbol.asyncDispose]()
  })

  it('resolves when everything closes in time', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const report = await server.close({ grace: 60_000, force: 'reject' })
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
  })
})

describe('the DrainError of an HTTP server', () => {
  it('names the state and request of each straggler, also in the message', async () => {
    const server = run(
      await listenHttp((request, response) => {
        if (request.url === '/streaming') response.write('some')
      }),
    )
    const [active, streaming, head] = [await server.dial(), await server.dial(), await server.dial()]
    active.write(get('/active'))
    streaming.write(get('/streaming'))
    head.write('GET /head')
    await streaming.receives('some')
    await until(() => active.accepted.bytesRead > 0 && head.accepted.bytesRead > 0)
    await turn()
    const error = await drainErrorOf(server, { grace: 50 })
    await Promise.all([active.closed, streaming.closed, head.closed])
    const byState = Object.fromEntries(error.stragglers.map((straggler) => [straggler.state, straggler]))
    expect(byState.active).toMatchObject({ request: 'GET /active', bytesRead: get('/active').length, bytesWritten: 0 })
    expect(byState.streaming).toMatchObject({ request: 'GET /streaming' })
    expect(byState.streaming?.bytesWritten).toBeGreaterThan(4)
    expect(byState.head).toMatchObject({ bytesRead: 'GET /head'.length })
    expect(byState.head).not.toHaveProperty('request')
    expect(error.message).toContain('GET /active')
    expect(error.message).toContain('GET /streaming')
    expect(error.message).toContain('50 ms')
  })

  it('reports how much is still queued for a client that does not read', async (context) => {
    needsFullBuffers(context)
    const server = run(await listenTcp((socket) => void socket.write(Buffer.alloc(8_000_000))))
    const peer = await server.dial({ reads: false })
    const error = await drainErrorOf(server, { grace: 200 })
    await peer.closed
    expect(error.stragglers).toMatchObject([{ state: 'raw', bytesRead: 0 }])
    expect(error.stragglers[0]?.pendingBytes).toBeGreaterThan(0)
  })

  it('names an HTTP/2 stream that is never answered', async () => {
    const { default: http2 } = await import('node:http2')
    const listener = await listenHttp2(() => {})
    const server = run(listener)
    const session = http2.connect(`http://localhost:${listener.port}`, { host: listener.address } as object)
    session.on('error', () => {})
    const begun = once(listener.server, 'stream')
    session.request({ ':path': '/never' }).on('error', () => {})
    await begun
    const closed = once(session, 'close')
    const error = await drainErrorOf(server, { grace: 50 })
    await closed
    expect(error.stragglers).toMatchObject([{ state: 'http2', request: 'GET /never' }])
  })
})

describe('a drain that uses force', () => {
  it('closes all kinds of stragglers at once', async () => {
    const server = run(await listenHttp(() => {}))
    const peers: Dialled[] = []
    for (let i = 0; i < 20; i++) {
      const peer = await server.dial({ allowHalfOpen: i % 2 === 0 })
      if (i % 3 > 0) peer.write(i % 3 === 1 ? get(`/${i}`) : 'GET /half')
      peers.push(peer)
    }
    await until(() => peers.every(({ accepted, socket }) => accepted.bytesRead === socket.bytesWritten))
    const report = await server.close({ grace: 50 })
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report.closed + report.destroyed).toBe(20)
    expect(report.outcomes.filter(({ state }) => state === 'new').every(({ outcome }) => outcome !== 'reset')).toBe(
      true,
    )
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
  })
})
