import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import Fastify from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen, listenHttp, listenHttp2, listenTcp, loopbackFamilies } from '../../src/index.js'
import { gate, targetOf, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const GRACE = { grace: 600_000 }

const closed = (server: net.Server): Promise<Error | undefined> =>
  new Promise((resolve) => void server.close((error) => resolve(error)))

describe('a framework that closes a portside server', () => {
  it('does not wait for a connection that fetch keeps alive', async () => {
    const app = Fastify({ keepAliveTimeout: 60_000 })
    app.get('/', async () => 'hello')
    await app.ready()
    const server = await listen(app.server, GRACE)
    expect(await (await fetch(server.url)).text()).toBe('hello')
    await app.close()
    expect(server.server.listening).toBe(false)
    expect(await server.close()).toMatchObject({ destroyed: 0, reset: 0 })
  })

  it('lets the request in flight finish first', async () => {
    const app = Fastify({ keepAliveTimeout: 60_000, forceCloseConnections: false })
    const { opened, open } = gate<() => void>()
    app.get('/', (_request, reply) => open(() => void reply.send('hello')))
    await app.ready()
    const server = await listen(app.server, GRACE)
    const body = fetch(server.url).then((response) => response.text())
    const answer = await opened
    const closing = app.close()
    await turn().then(turn).then(turn)
    answer()
    await closing
    expect(await body).toBe('hello')
    expect(await server.close()).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
  })
})

describe.each([
  ['listenHttp()', () => listenHttp((_request, response) => response.end('hello'), GRACE)],
  [
    'listen(http.createServer())',
    () =>
      listen(
        http.createServer((_request, response) => response.end('hello')),
        GRACE,
      ),
  ],
])('server.close() of Node, on %s', (_name, start) => {
  it('drains: its callback comes when the idle connections are closed, without a TIME_WAIT', async () => {
    const server = await start()
    const left = watchPort(server.port)
    const agent = new http.Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    await new Promise((resolve) => {
      http.get(server.url, { agent }, (response) => response.resume().once('close', resolve))
    })
    expect(await closed(server.server)).toBeUndefined()
    const report = await server.close()
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(left()).toEqual([])
  })

  it('stops listening within the call', async () => {
    const server = await start()
    const closing = closed(server.server)
    expect(server.server.listening).toBe(false)
    expect(await closing).toBeUndefined()
    await expect(server.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    await server.close()
  })

  it('reports ERR_SERVER_NOT_RUNNING the second time, as without portside', async () => {
    const server = await start()
    expect(await closed(server.server)).toBeUndefined()
    expect(await closed(server.server)).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
    await server.close()
    expect(await closed(server.server)).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
  })
})

describe('server.close() of Node', () => {
  it('cuts a TCP connection at the end of the grace of its server', async () => {
    const server = await listenTcp((socket) => void socket.resume(), { grace: 20 })
    const peer = watch(net.connect({ ...targetOf(server), allowHalfOpen: true } as net.NetConnectOpts))
    await peer.connected
    await until(() => server.connections.size === 1)
    expect(await closed(server.server)).toBeUndefined()
    await peer.closed
    expect(await server.close()).toMatchObject({ destroyed: 1 })
  })

  it('closes an HTTP/2 session', async () => {
    const server = await listenHttp2(undefined, GRACE)
    const session = http2.connect(server.url)
    const ended = new Promise((resolve) => session.once('close', resolve))
    await new Promise((resolve) => session.once('remoteSettings', resolve))
    expect(await closed(server.server)).toBeUndefined()
    await ended
    await server.close()
  })

  it.skipIf(loopbackFamilies().length < 2)('closes both listeners of a dual server', async () => {
    const server = await listenTcp(undefined, { ...GRACE, family: 'dual' })
    expect(await closed(server.server)).toBeUndefined()
    await server.close()
    for (const { address, port } of server.endpoints) {
      const peer = watch(net.connect(port, address))
      await peer.closed
      expect(peer.errors).toMatchObject([{ code: 'ECONNREFUSED' }])
    }
  })
})

describe.each([
  [
    'a getter of stack throws',
    () =>
      Object.defineProperty(new Error('no'), 'stack', {
        get: () => {
          throw new Error('ha')
        },
      }),
  ],
  [
    'toString() throws',
    () => ({
      toString: () => {
        throw new Error('ha')
      },
    }),
  ],
  ['no prototype', () => Object.create(null)],
  ['a symbol', () => Symbol('thrown')],
])('a handler that throws a value with %s', (_what, make) => {
  it('answers 500, and close() rejects with it', async () => {
    const thrown = make()
    const server = await listenHttp(() => {
      throw thrown
    })
    expect((await fetch(server.url)).status).toBe(500)
    const error = await server.close().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_PORTSIDE_HANDLER' })
    expect((error as Error).cause).toBe(thrown)
  })
})
