import dgram from 'node:dgram'
import net from 'node:net'
import { describe, expect, test } from 'vitest'
import * as portside from '../../src/index.js'
import { HandlerErrors, handlerOr } from '../../src/servers/handler.js'
import type { ListenOptions, TestServer, UnixTestServer } from '../../src/servers/server.js'
import { listenOnAddress } from '../../src/servers/stream-server.js'
import { abandonSocket, type ConnectionHandler, echo } from '../../src/servers/tcp.js'
import { listenOnPath } from '../../src/servers/unix.js'
import { UDP_HERE } from '../support/here.js'

const { findLeaks, snapshotSockets } = portside

/** The calls that close the sockets of an opener, each once. */
async function closersOf(open: () => Promise<AsyncDisposable>): Promise<string[]> {
  const since = snapshotSockets()
  const opened = await open()
  const closers = new Set((await findLeaks(since)).map(({ howToClose }) => howToClose))
  await opened[Symbol.asyncDispose]()
  expect(await findLeaks(since)).toEqual([])
  return [...closers]
}

/** A new kind of server, made as CONTRIBUTING says. */
async function listenFoo(onConnection?: ConnectionHandler, options: ListenOptions = {}): Promise<TestServer> {
  const handlerErrors = new HandlerErrors()
  const server = net.createServer()
  server.on('connection', handlerErrors.guard(handlerOr(onConnection, echo), abandonSocket))
  return listenOnAddress(server, options, { opener: 'listenFoo', handlerErrors })
}

/** The same on a path. */
function listenBar(): Promise<UnixTestServer> {
  return listenOnPath(net.createServer(), {}, { opener: 'listenBar' })
}

describe('a new kind of server', () => {
  test('closes by the result of its own function', async () => {
    expect(await closersOf(() => listenFoo())).toEqual(['close() on the result of listenFoo()'])
  })

  test('closes in the same way on both of its addresses', async () => {
    const dual = () => listenFoo(undefined, { family: 'dual' })
    expect(await closersOf(dual)).toEqual(['close() on the result of listenFoo()'])
  })

  test('closes in the same way on a path', async () => {
    expect(await closersOf(listenBar)).toEqual(['close() on the result of listenBar()'])
  })
})

describe('a socket of portside closes by the result of its function', () => {
  const target = { address: '127.0.0.1', port: 9 }
  const OPENERS: Readonly<Record<string, () => Promise<AsyncDisposable>>> = {
    listenTcp: () => portside.listenTcp(),
    listenTls: () => portside.listenTls(),
    listenHttp: () => portside.listenHttp(),
    listenHttps: () => portside.listenHttps(),
    listenHttp2: () => portside.listenHttp2(),
    listenUdp: () => portside.listenUdp(undefined, { family: 'dual' }),
    listenUnix: () => portside.listenUnix(),
    listen: () => portside.listen(net.createServer()),
    fragmentingEndpoint: () => portside.fragmentingEndpoint(target),
    occupiedEndpoint: () => portside.occupiedEndpoint(),
    refusedEndpoint: () => portside.refusedEndpoint(),
    resettingEndpoint: () => portside.resettingEndpoint(),
    stalledEndpoint: () => portside.stalledEndpoint(),
    switchableEndpoint: () => portside.switchableEndpoint(target),
    unresponsiveEndpoint: () => portside.unresponsiveEndpoint(),
  }
  test.each(Object.entries(OPENERS))('%s()', async (name, open) => {
    // The kernel also lists the listener of another thread, which belongs to no object.
    const closers = (await closersOf(open)).filter((closer) => !closer.startsWith('the close function'))
    expect(closers).toEqual([`close() on the result of ${name}()`])
  })

  test('occupiedEndpoint() for UDP', async () => {
    expect(await closersOf(() => portside.occupiedEndpoint({ protocol: 'udp' }))).toEqual([
      'close() on the result of occupiedEndpoint()',
    ])
  })

  test('listen() with a datagram socket', async () => {
    expect(await closersOf(() => portside.listen(dgram.createSocket(UDP_HERE)))).toEqual([
      'close() on the result of listen()',
    ])
  })

  test('switchableEndpoint() after a switch', async () => {
    const closers = await closersOf(async () => {
      const endpoint = await portside.switchableEndpoint(target)
      await endpoint.refuse()
      await endpoint.stall()
      return endpoint
    })
    expect(closers).toEqual(['close() on the result of switchableEndpoint()'])
  })

  test.each(['tcp', 'udp', 'both'] as const)('reservePort() and reservePorts() for %s', async (protocol) => {
    expect(await closersOf(() => portside.reservePort({ protocol }))).toEqual([
      'release() on the result of reservePort()',
    ])
    expect(await closersOf(() => portside.reservePorts(2, { protocol }))).toEqual([
      'release() on the result of reservePorts()',
    ])
  })

  test('spawnListening()', async () => {
    const program = ['-e', `require('node:net').createServer((socket) => socket.end()).listen(process.env.PORT)`]
    expect(await closersOf(() => portside.spawnListening(process.execPath, program))).toEqual([
      'stop() on the result of spawnListening()',
    ])
  })
})

describe('a client that portside returned closes by its own destroy()', () => {
  test('if a pool connected it', async () => {
    await using server = await portside.listenTcp()
    const pool = portside.createSocketPool()
    const closers = await closersOf(async () => {
      await pool.connect(server.endpoint)
      return pool
    })
    expect(closers).toEqual(['socket.destroy()', 'socket.destroy(), or close its client'])
  })

  test('if its server connected it', async () => {
    await using server = await portside.listenTcp()
    const closers = await closersOf(async () => {
      const client = await server.connect()
      return { [Symbol.asyncDispose]: async () => void client.destroy() }
    })
    expect(closers).toEqual(['socket.destroy()', 'socket.destroy(), or close its client'])
  })
})
