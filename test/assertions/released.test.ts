import dgram from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  assertReleased,
  formatEndpoint,
  listenHttp,
  listenTcp,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  type PortsideAssertionError,
  reservePort,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { openOrSkip } from '../endpoints/clients.js'
import { until } from '../support/clients.js'
import { HERE, HERE_FAMILY, HERE_IN_PATTERN, needsIPv4, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen, needsKernel, tcpEntries } from '../support/kernel.js'
import { leaveFileBehind, listenAt, listeningProgram, listenOn } from './situations.js'

leavesNothingOpen()

const isWindows = process.platform === 'win32'
const isDual = loopbackFamilies().length === 2
const THIS = `this process (pid ${process.pid})`

type Target = Parameters<typeof assertReleased>[0]

describe('an address', () => {
  it.each(loopbackFamilies())('is free only after its server on %s is closed', async (family) => {
    const server = await listenTcp(undefined, { family })
    const error = await failureOf(server)
    expect(error.message).toBe(
      [
        `Expected ${formatEndpoint(server)} to be free.`,
        '  got        EADDRINUSE (address already in use)',
        `  owner      ${THIS} listens on ${formatEndpoint(server)}`,
        '  fix        close the socket that has it and await that; close() of portside resolves when the address is free',
      ].join('\n'),
    )
    expect(error).toMatchObject({
      endpoint: { address: server.address, port: server.port },
      owners: [{ pid: process.pid, thisProcess: true, state: 'LISTEN', protocol: 'tcp' }],
    })
    await server.close()
    await assertReleased(server)
    await assertReleased(server)
  })

  it('can be passed in every form of an endpoint', async () => {
    const server = await listenHttp(undefined, { family: HERE_FAMILY })
    const { address, port, url } = server
    const ways: Target[] = [server, { address, port }, { host: address, port }, { host: 'localhost', port }, port, url]
    for (const way of ways) await failureOf(way)
    await failureOf(server.server)
    await server.close()
    for (const way of ways) await assertReleased(way)
  })

  it.runIf(isDual)('of a dual-stack server is free when both addresses are', async () => {
    await using reservation = await reservePort({ family: 'dual' })
    const server = await listenTcp(undefined, { port: reservation, family: 'IPv6' })
    const both = { address: HERE, port: reservation.port, endpoints: reservation.endpoints }
    const error = await failureOf(both)
    expect(error.message).toContain(`Expected ${formatEndpoint(server)} to be free`)
    await server.close()
    await assertReleased(both)
  })

  it.runIf(isDual)('of localhost is free when neither family has a listener', async () => {
    const server = await listenTcp(undefined, { family: 'IPv6' })
    await failureOf(server.port)
    await failureOf({ host: 'localhost', port: server.port })
    await assertReleased({ address: HERE, port: server.port })
    await server.close()
    await assertReleased(server.port)
  })

  it('of a held reservation is not free until its release', async () => {
    const reservation = await reservePort()
    const error = await failureOf(reservation)
    expect(error.message).toContain(
      `Expected ${formatEndpoint(reservation as never)} to be free.\n  got        a reservation`,
    )
    expect(error.message).toContain('  fix        release() the reservation')
    await reservation.release()
    await assertReleased(reservation)
  })

  it('of a reservation is not free while a server listens, and free after its close', async () => {
    await using reservation = await reservePort()
    const server = await listenTcp(undefined, { port: reservation })
    await failureOf(server)
    await server.close()
    // The reservation still holds it for its user, who can bind it.
    await assertReleased(server)
    await using _next = await listenTcp(undefined, { port: reservation })
  })

  it('that another program has is not free, and the message names the program', async () => {
    const program = await listeningProgram()
    const place = { address: HERE, port: program.port }
    const error = await failureOf(place)
    expect(error.message).toMatch(
      new RegExp(`^ {2}owner {6}pid ${program.pid} \\(.+\\) listens on ${HERE_IN_PATTERN}:${program.port}$`, 'm'),
    )
    expect(error.owners).toMatchObject([{ pid: program.pid, thisProcess: false }])
    await program[Symbol.asyncDispose]()
    await assertReleased(place)
  })

  it('with a connection in TIME_WAIT is free', async (context) => {
    needsKernel(context)
    const server = net.createServer((socket) => void socket.end()).listen(0, HERE)
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const client = net.connect({ port, host: HERE, allowHalfOpen: true }).resume()
    await once(client, 'end')
    client.end()
    await once(client, 'close')
    server.close()
    await once(server, 'close')
    await until(() => tcpEntries(port).every(({ state }) => state === 'TIME_WAIT'))
    // The end that closed first keeps the TIME_WAIT: here the port of the server.
    expect(tcpEntries(port).filter(({ local }) => local.port === port)).toHaveLength(1)
    await assertReleased({ address: HERE, port })
  })

  it('with an open connection is free if the kernel lets a server bind', async () => {
    const server = listenAt({ address: HERE, port: 0 })
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const client = net.connect(port, HERE)
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    server.close()
    // SO_REUSEADDR allows a listener next to connections that a previous listener accepted (socket(7)).
    const place = { address: HERE, port }
    const again = listenAt(place)
    const outcome = await once(again, 'listening').then(
      () => 'free',
      () => 'held',
    )
    if (outcome === 'free') {
      again.close()
      await once(again, 'close')
    }
    const verdict = await assertReleased(place).then(
      () => 'free',
      () => 'held',
    )
    for (const each of [client, socket]) each.destroy()
    await until(() => client.closed && socket.closed)
    expect(verdict).toBe(outcome)
  })

  it.runIf(process.platform === 'linux')(
    'that a wildcard covers is not free, and the message names the wildcard',
    async (context) => {
      needsIPv4(context)
      const server = await listenTcp(undefined, { host: '0.0.0.0' })
      const error = await failureOf({ address: HERE, port: server.port })
      expect(error.message).toContain(`  owner      ${THIS} listens on 0.0.0.0:${server.port}`)
      await failureOf(server)
      await server.close()
      await assertReleased(server)
      await assertReleased({ address: HERE, port: server.port })
    },
  )

  it.runIf(process.platform === 'linux')(
    'of a wildcard is not free while a specific address has the port',
    async (context) => {
      needsIPv4(context)
      const server = await listenTcp(undefined, { family: HERE_FAMILY })
      await failureOf({ address: '0.0.0.0', port: server.port })
      await assertReleased({ address: '127.0.0.9', port: server.port })
      await server.close()
      await assertReleased({ address: '0.0.0.0', port: server.port })
    },
  )

  it('that this host lacks cannot be bound, and has no owner', async () => {
    const error = await failureOf({ address: '192.0.2.1', port: 1024 })
    expect(error.message).toContain('  got        EADDRNOTAVAIL')
    expect(error.owners).toEqual([])
  })

  it('whose accept queue is full is not free', async (context) => {
    const endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    await failureOf(endpoint)
    await endpoint.close()
    await assertReleased(endpoint)
  })

  it('is unchanged after the assertion', async () => {
    await using endpoint = await occupiedEndpoint()
    for (let times = 0; times < 20; times++) await failureOf(endpoint)
    await endpoint.close()
    for (let times = 0; times < 20; times++) await assertReleased(endpoint)
  })

  it('can be checked by many at once', async () => {
    const servers = await Promise.all(Array.from({ length: 10 }, () => listenTcp()))
    await Promise.all(servers.map((server) => failureOf(server)))
    await Promise.all(servers.map((server) => server.close()))
    await Promise.all(servers.map((server) => assertReleased(server)))
  })
})

describe('a UDP address', () => {
  it('is free only after its server is closed', async () => {
    const server = await listenUdp()
    const error = await failureOf(server)
    expect(error.message).toContain(`  owner      ${THIS} has a UDP socket on ${formatEndpoint(server)}`)
    expect(error.owners).toMatchObject([{ protocol: 'udp', pid: process.pid }])
    await server.close()
    await assertReleased(server)
  })

  it('can be passed as a datagram socket of Node while that is bound', async () => {
    const socket = dgram.createSocket(UDP_HERE).bind(0, HERE)
    await once(socket, 'listening')
    const error = await failureOf(socket)
    expect(error.owners).toMatchObject([{ protocol: 'udp' }])
    const closed = once(socket, 'close')
    socket.close()
    await closed
    await expect(assertReleased(socket)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it('is separate from the TCP address with the same port', async () => {
    await using reservation = await reservePort({ family: HERE_FAMILY, protocol: 'both' })
    const tcp = await listenTcp(undefined, { port: reservation })
    const udp = await listenUdp(undefined, { port: reservation })
    await failureOf(tcp)
    await tcp.close()
    await assertReleased(tcp)
    await failureOf(udp)
    await udp.close()
  })

  it('of a reservation of both is not free while it is held', async () => {
    const reservation = await reservePort({ protocol: 'both' })
    await failureOf(reservation)
    await reservation.release()
    await assertReleased(reservation)
    const socket = dgram.createSocket(UDP_HERE).bind(reservation.port, reservation.endpoints[0]?.address)
    await once(socket, 'listening')
    await failureOf(reservation)
    socket.close()
    await once(socket, 'close')
  })
})

describe.skipIf(isWindows)('a path', () => {
  it('is free only after its server is closed', async () => {
    const server = await listenUnix()
    for (const target of [server, { path: server.path }, server.server]) {
      const error = await failureOf(target as unknown as Target)
      expect(error.message).toContain(`Expected ${server.path} to be free.\n  got        a listener\n`)
      expect(error.message).toContain(`  owner      ${THIS} listens on ${server.path}`)
      expect(error.endpoint).toBe(server.path)
    }
    await server.close()
    await assertReleased(server as unknown as Target)
    await assertReleased({ path: server.path })
  })

  it('with a file that no server listens on is not free', async () => {
    await using file = await leaveFileBehind()
    const error = await failureOf({ path: file.path })
    expect(error.message).toContain('  got        a file at this path on which nothing listens')
    expect(error.message).toContain('  fix        remove the file')
    expect(error.owners).toEqual([])
    const other = join(dirname(file.path), 'other')
    await assertReleased({ path: other })
    await writeFile(other, '')
    await failureOf({ path: other })
  })

  it('that another program has is not free, and the message names the program', async () => {
    const path = join(tmpdir(), `portside-test-${process.pid}-${crypto.randomUUID()}.sock`)
    await using program = await listeningProgram(`require('net').createServer().listen(${JSON.stringify(path)}, told)`)
    const error = await failureOf({ path })
    expect(error.message).toContain(`  owner      pid ${program.pid} (`)
    expect(error.owners).toMatchObject([{ pid: program.pid, protocol: 'unix', state: 'LISTEN' }])
  })

  it.runIf(process.platform === 'linux')('that is abstract is free after its server is closed', async () => {
    const path = `\0portside-test-${process.pid}-${crypto.randomUUID()}`
    const server = listenOn(path)
    await once(server, 'listening')
    const error = await failureOf({ path })
    expect(error.message).toContain(`Expected ${path.replace('\0', '@')} to be free`)
    server.close()
    await once(server, 'close')
    await assertReleased({ path })
  })
})

describe('an invalid endpoint', () => {
  it('is a server of Node that is closed', async () => {
    const server = listenAt({ address: HERE, port: 0 })
    await once(server, 'listening')
    await failureOf(server)
    const before = server.address() as net.AddressInfo
    server.close()
    await once(server, 'close')
    await expect(assertReleased(server)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('a closed server has none, so save its address() before'),
    })
    await assertReleased(before)
  })

  it.each([
    ['undefined', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['null', null, 'ERR_INVALID_ARG_TYPE'],
    ['a string', '127.0.0.1:80', 'ERR_INVALID_ARG_TYPE'],
    ['an empty object', {}, 'ERR_SOCKET_BAD_PORT'],
    ['port 0', 0, 'ERR_SOCKET_BAD_PORT'],
    ['port 0 of an address', { address: HERE, port: 0 }, 'ERR_SOCKET_BAD_PORT'],
    ['a port that is too large', 65_536, 'ERR_SOCKET_BAD_PORT'],
    ['a port that is a string', { host: HERE, port: '80' }, 'ERR_SOCKET_BAD_PORT'],
    ['an empty path', { path: '' }, 'ERR_INVALID_ARG_TYPE'],
    ['an empty address', { address: '', port: 80 }, 'ERR_INVALID_ARG_TYPE'],
    ['a server that never listened', net.createServer(), 'ERR_INVALID_ARG_TYPE'],
    ['a datagram socket that was never bound', dgram.createSocket(UDP_HERE).unref(), 'ERR_INVALID_ARG_TYPE'],
  ])('is %s', async (_name, target, code) => {
    await expect(assertReleased(target as never)).rejects.toMatchObject({ code })
  })

  it('is a name that resolves to nothing', async () => {
    // An invalid name is not sent to a resolver.
    const error = await failureOf({ host: 'no..body', port: 80 })
    expect(error.message).toContain('resolves to nothing')
  })
})

async function failureOf(target: Target): Promise<PortsideAssertionError> {
  const error = await assertReleased(target).then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'PortsideAssertionError', code: 'ERR_PORTSIDE_ASSERTION' })
  return error
}
