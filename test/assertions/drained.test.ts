import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  assertDrained,
  createSocketPool,
  formatEndpoint,
  listen,
  listenHttp,
  listenHttp2,
  listenTcp,
  listenTls,
  listenUnix,
  loopbackFamilies,
  type PortsideAssertionError,
} from '../../src/index.js'
import { get, until } from '../support/clients.js'
import { HERE, HERE_FAMILY, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { listenAt } from './situations.js'

leavesNothingOpen()

type Holder = Parameters<typeof assertDrained>[0]

describe('a server', () => {
  const kinds = [
    ['TCP', () => listenTcp()],
    ['TLS', () => listenTls()],
    ['HTTP', () => listenHttp()],
    ['HTTP/2', () => listenHttp2()],
  ] as const

  it.each(kinds)('over %s is drained before and after its connections', async (_name, open) => {
    await using server = await open()
    await assertDrained(server)
    const client = await server.connect()
    await until(() => server.connections.size === 1)
    const error = await failureOf(server)
    expect(error.message).toMatch(
      /^Expected no open connection\.\n {2}got {8}1 open connection\n {4}- \S+ -> \S+; .+\n {2}fix {8}/,
    )
    expect(error.message).toContain(`  - ${formatEndpoint(server)} -> `)
    expect(error).toMatchObject({ expected: 'no open connection', owners: [] })
    for (const holder of [server.server, server.connections]) await failureOf(holder as Holder)
    await server.connections.drain({ grace: 0 })
    await assertDrained(server)
    await assertDrained(server.connections)
    await until(() => client.closed)
  })

  it.runIf(process.platform !== 'win32')('on a path is drained before and after its connections', async () => {
    await using server = await listenUnix()
    await assertDrained(server)
    await server.connect()
    await until(() => server.connections.size === 1)
    const error = await failureOf(server)
    expect(error.message).toContain(server.path)
    await server.close()
    await assertDrained(server)
  })

  it.runIf(loopbackFamilies().length === 2)('on both families counts the connections of both addresses', async () => {
    await using server = await listenTcp(undefined, { family: 'dual' })
    for (const family of loopbackFamilies()) await server.connect({ family })
    await until(() => server.connections.size === 2)
    const error = await failureOf(server)
    for (const endpoint of server.endpoints) expect(error.message).toContain(`  - ${formatEndpoint(endpoint)} -> `)
    await server.close()
    await assertDrained(server)
  })

  it('names the request that a connection is serving', async () => {
    await using server = await listenHttp(() => {})
    const client = await server.connect()
    client.write(get('/slow'))
    await once(server.server, 'request')
    const error = await failureOf(server)
    expect(error.message).toMatch(/; active, GET \/slow; open for \d+ ms$/m)
    await server.close({ grace: 0 })
  })

  it('lists the first ten of many open connections', async () => {
    await using server = await listenTcp()
    for (let clients = 0; clients < 20; clients++) await server.connect()
    await until(() => server.connections.size === 20)
    const error = await failureOf(server)
    expect(error.message).toContain('  got        20 open connections\n')
    expect(error.message.match(/^ {4}- \S+ -> \S+; /gm)).toHaveLength(10)
    expect(error.message).toContain('\n    - and 10 more\n')
  })

  it('is drained after its close', async () => {
    const server = await listenTcp()
    await server.connect()
    await server.close()
    await assertDrained(server)
    await assertDrained(server.server)
  })

  it('has time for connections to finish closing', async () => {
    await using server = await listenTcp()
    const client = await server.connect()
    await until(() => server.connections.size === 1)
    const [socket] = server.connections
    socket?.destroy()
    await assertDrained(server)
    await until(() => client.closed)
  })

  it('can be checked under fake timers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'setInterval', 'queueMicrotask'] })
    onTestFinished(() => void vi.useRealTimers())
    await using server = await listenTcp()
    await assertDrained(server)
  })
})

describe('a server of Node', () => {
  it('that is not tracked reports the number of connections', async () => {
    const server = listenAt({ address: HERE, port: 0 })
    await once(server, 'listening')
    await assertDrained(server)
    const client = net.connect((server.address() as net.AddressInfo).port, HERE)
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    const error = await failureOf(server)
    expect(error.message).toMatch(/^Expected no open connection\.\n {2}got {8}1 open connection\n {2}fix {8}/)
    for (const each of [client, socket]) each.destroy()
    await until(() => socket.closed && client.closed)
    await assertDrained(server)
    server.close()
    await once(server, 'close')
    await assertDrained(server)
  })

  it('that never listened is drained', () => assertDrained(net.createServer()))

  it('that portside listens with reports each connection', async () => {
    await using server = await listen(http.createServer())
    await server.connect()
    await until(() => server.connections.size === 1)
    const error = await failureOf(server.server)
    expect(error.message).toContain(`  - ${formatEndpoint(server)} -> `)
  })

  it('that a pool tracks reports each connection', async () => {
    await using pool = createSocketPool()
    const server = pool.track(net.createServer()).listen(0, HERE)
    await once(server, 'listening')
    const { address, port } = server.address() as net.AddressInfo
    const client = net.connect(port, address)
    await once(server, 'connection')
    for (const holder of [pool, server]) {
      const error = await failureOf(holder)
      expect(error.message).toContain(`  - ${formatEndpoint({ address, port })} -> `)
    }
    await pool.drain({ grace: 0 })
    await until(() => client.closed)
    for (const holder of [pool, server]) await assertDrained(holder)
    server.close()
  })
})

describe('a pool', () => {
  it('is drained before and after its connections', async () => {
    await using server = await listenTcp()
    await using pool = createSocketPool()
    await assertDrained(pool)
    const socket = pool.track(net.connect(server.port, server.address))
    await once(socket, 'connect')
    const error = await failureOf(pool)
    expect(error.message).toContain(` -> ${formatEndpoint(server)}; `)
    await pool.drain()
    await assertDrained(pool)
  })

  it('with a socket that is connecting, or about to, is not drained', async () => {
    await using server = await listenTcp()
    await using pool = createSocketPool()
    const socket = pool.track(net.connect(server.port, server.address))
    const verdict = assertDrained(pool).then(
      () => 'drained',
      ({ code }) => code,
    )
    expect(await verdict).toBe('ERR_PORTSIDE_ASSERTION')
    await pool.drain({ grace: 0 })
    expect(socket.destroyed).toBe(true)
  })
})

describe('a value without connections', () => {
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 3000],
    ['a string', 'x'],
    ['an object', {}],
    ['an endpoint', { address: HERE, port: 80, family: HERE_FAMILY }],
    ['a socket', new net.Socket()],
    ['a datagram socket', dgram.createSocket(UDP_HERE).unref()],
    ['an agent', new http.Agent()],
    ['an array', []],
    ['a set of sockets', new Set([new net.Socket()])],
    ['connections that are no pool', { connections: new Set() }],
    ['a function', () => {}],
  ])('is rejected: %s', async (_name, holder) => {
    await expect(assertDrained(holder as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })
})

async function failureOf(holder: Holder): Promise<PortsideAssertionError> {
  const error = await assertDrained(holder).then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'PortsideAssertionError', code: 'ERR_PORTSIDE_ASSERTION' })
  return error
}
