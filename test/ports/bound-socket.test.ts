import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import {
  findLeaks,
  type ListenOptions,
  listen,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUdp,
  loopbackFamilies,
  type PortReservation,
  type ReserveOptions,
  snapshotSockets,
  spawnListening,
  type TestServer,
} from '../../src/index.js'
import { insideOf } from '../../src/loopback/port-reservation.js'
import { type BoundSocketClass, boundSocketClass } from '../../src/platform/bound-socket.js'
import { reserve, wantOf } from '../../src/ports/reserve-port.js'
import { PortSharing } from '../../src/ports/sharing.js'
import { HERE, needsIPv4 } from '../support/here.js'
import { leavesNothingOpen, openSockets, tcpEntries, watchPort } from '../support/kernel.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const BOTH = loopbackFamilies().length === 2

beforeEach((context) => {
  if (boundSocketClass() === undefined) context.skip(`Node ${process.version} has no net.BoundSocket`)
})

/**
 * As on a kernel that lets nothing listen on the port of an anchor. The answer is injected, but the sockets are of this host: this does not
 * test how such a kernel answers.
 */
const notShared = (): { sharing: PortSharing; BoundSocket: BoundSocketClass | undefined } => ({
  sharing: new PortSharing(false, new Map(), async () => false),
  BoundSocket: boundSocketClass(),
})

const HOW_TO_CLOSE = 'release() on the result of reservePort()'

const reserveBound = async (options: ReserveOptions = {}): Promise<PortReservation> =>
  reserve({ ...(await wantOf(options, HOW_TO_CLOSE)), ...notShared() })

/** The inode of the bound socket, which stays the same when a server adopts it. */
const boundInode = (reservation: PortReservation, address = reservation.address): number =>
  fstatSync(insideOf(reservation)?.boundSocket(address)?.fd() as number).ino

const listenerInodes = (port: number): number[] =>
  tcpEntries(port)
    .filter(({ state, local }) => state === 'LISTEN' && local.port === port)
    .map(({ inode }) => inode)

async function dial(port: number, host: string): Promise<string> {
  const socket = net.connect(port, host)
  try {
    await once(socket, 'connect')
    socket.resetAndDestroy()
    return 'connected'
  } catch (error) {
    return (error as { code: string }).code
  }
}

type Listen = (options: ListenOptions) => Promise<TestServer<net.Server>>

const KINDS: Array<[string, Listen]> = [
  ['listenTcp', (options) => listenTcp(undefined, options)],
  ['listenTls', (options) => listenTls(undefined, options)],
  ['listenHttp', (options) => listenHttp(undefined, options)],
  ['listenHttps', (options) => listenHttps(undefined, options)],
  ['listenHttp2', (options) => listenHttp2(undefined, options as object)],
  ['listen of a net.Server', (options) => listen(net.createServer(), options)],
  ['listen of an http.Server', (options) => listen(http.createServer(), options)],
]

describe('a reservation by a bound socket', () => {
  it('costs a descriptor for each address and one for the lock', async () => {
    const before = openSockets().length
    const reservation = await reserveBound(BOTH ? { family: 'dual' } : {})
    expect(openSockets()).toHaveLength(before + reservation.endpoints.length + 1)
    expect(reservation.held).toBe(true)
    for (const { address, port } of reservation.endpoints) {
      expect(port).toBe(reservation.port)
      expect(await dial(port, address)).toBe('ECONNREFUSED')
    }
    const traces = watchPort(reservation.port)
    const released = reservation.release()
    expect(openSockets()).toHaveLength(before)
    expect(reservation.release()).toBe(released)
    await released
    expect(reservation.held).toBe(false)
    expect(traces()).toEqual([])
  })

  it('is not picked by the kernel for others', async () => {
    await using reservation = await reserveBound()
    const servers = await Promise.all(Array.from({ length: 200 }, () => listenTcp()))
    expect(servers.map(({ port }) => port)).not.toContain(reservation.port)
    const [target] = servers as [TestServer]
    const clients = await Promise.all(Array.from({ length: 100 }, () => target.connect()))
    expect(clients.map(({ localPort }) => localPort)).not.toContain(reservation.port)
    await Promise.all(servers.map((server) => server.close()))
  })

  it('excludes other reservations of the port', async () => {
    await using reservation = await reserveBound()
    const again = reserveBound({ port: [reservation.port] })
    await expect(again).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining('a portside reservation holds it'),
    })
  })

  it('passes over a port on which something listens, and names it if there is no other', async () => {
    const [taken, other] = [await listenTcp(), await reserveBound()]
    await other.release()
    const reservation = await reserveBound({ port: [taken.port, other.port] })
    expect(reservation.port).toBe(other.port)
    await reservation.release()
    await expect(reserveBound({ port: [taken.port] })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      owner: `this process (pid ${process.pid}) listens on ${taken.url.host}`,
    })
    await taken.close()
  })

  it('rejects with EADDRNOTAVAIL for an address that this host lacks, and nothing stays open', async () => {
    // TEST-NET-1, RFC 5737.
    await expect(reserveBound({ host: '192.0.2.200' })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })

  it('does not keep the process alive', () => {
    const code = `
      const from = (path) => import(new URL(path, process.env.PORTSIDE))
      const { reserve, wantOf } = await from('ports/reserve-port.js')
      const { PortSharing } = await from('ports/sharing.js')
      const { boundSocketClass } = await from('platform/bound-socket.js')
      const sharing = new PortSharing(false, new Map(), async () => false)
      const reservation = await reserve({ ...(await wantOf({}, 'release()')), sharing, BoundSocket: boundSocketClass() })
      console.log(reservation.held)`
    const [program, ...args] = node(code)
    expect(String(execFileSync(program, args))).toBe('true\n')
  })
})

describe('a server of this process', () => {
  it.each(KINDS)('adopts the bound socket: %s', async (_name, start) => {
    const reservation = await reserveBound()
    const inode = boundInode(reservation)
    const server = await start({ port: reservation })
    expect(server.endpoint).toEqual(reservation.endpoint)
    expect(listenerInodes(server.port)).toEqual([inode])
    expect(reservation.held).toBe(false)
    await server.connect()
    const traces = watchPort(server.port)
    await reservation.release()
    expect(listenerInodes(server.port)).toEqual([inode])
    await server.close()
    expect(traces()).toEqual([])
    expect(await dial(server.port, server.address)).toBe('ECONNREFUSED')
  })

  it.skipIf(!BOTH)('adopts both sockets of a dual reservation, or the socket of its family', async () => {
    const reservation = await reserveBound({ family: 'dual' })
    const inodes = reservation.endpoints.map(({ address }) => boundInode(reservation, address))
    const server = await listenHttp(undefined, { port: reservation })
    expect(server.endpoints).toEqual(reservation.endpoints)
    expect(listenerInodes(server.port).sort()).toEqual(inodes.sort())
    await server.close()
    await reservation.release()

    await using another = await reserveBound({ family: 'dual' })
    const inode = boundInode(another, '::1')
    const one = await listenTcp(undefined, { port: another, family: 'IPv6' })
    expect(listenerInodes(one.port)).toEqual([inode])
    expect(insideOf(another)?.boundSocket('127.0.0.1')?.address().port).toBe(another.port)
    await one.close()
  })

  it.runIf(BOTH)('adopts the socket of the IPv6 wildcard, and accepts IPv4', async () => {
    await using reservation = await reserveBound({ host: '::' })
    const inode = boundInode(reservation)
    const server = await listenTcp(undefined, { port: reservation })
    expect(listenerInodes(server.port)).toEqual([inode])
    for (const address of ['127.0.0.1', '::1']) expect(await dial(server.port, address)).toBe('connected')
    await server.close()
  })

  it('on another address of a wildcard binds the port after a hand-over', async (context) => {
    needsIPv4(context)
    await using reservation = await reserveBound({ host: '0.0.0.0' })
    const server = await listenTcp(undefined, { port: reservation, host: '127.0.0.1' })
    expect(server.endpoint).toMatchObject({ address: '127.0.0.1', port: reservation.port })
    expect(reservation.held).toBe(false)
    await server.close()
  })

  it('has the backlog that it asks for', async () => {
    await using reservation = await reserveBound()
    const listening = vi.spyOn(net.Server.prototype, 'listen')
    const server = await listenTcp(undefined, { port: reservation, backlog: 3 })
    const [[adopted, backlog]] = listening.mock.calls as unknown as [[object, number]]
    listening.mockRestore()
    expect([adopted.constructor.name, backlog]).toEqual(['BoundSocket', 3])
    await server.close()
  })

  it('listens again on the port, and the lock keeps the port in between', async () => {
    await using reservation = await reserveBound()
    for (let round = 0; round < 3; round++) {
      const server = await listenTcp(undefined, { port: reservation })
      expect(server.port).toBe(reservation.port)
      await server.connect()
      await server.close()
      await expect(reserveBound({ port: [reservation.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    }
  })

  it('is the only one of two that listen at the same time', async () => {
    await using reservation = await reserveBound()
    const listening = [1, 2].map(() => listenTcp(undefined, { port: reservation }))
    const results = await Promise.allSettled(listening)
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    for (const result of results) {
      if (result.status === 'fulfilled') await result.value.close()
      else expect(result.reason).toMatchObject({ code: 'EADDRINUSE' })
    }
  })

  it('rejects with EADDRINUSE and the owner when another socket listens there', async () => {
    await using reservation = await reserveBound()
    // On Linux a bound socket does not exclude a listener. Where it is used, it does.
    const other = net.createServer().listen(reservation.port, reservation.address)
    await once(other, 'listening')
    await expect(listenTcp(undefined, { port: reservation })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      owner: `this process (pid ${process.pid}) listens on ${HERE.includes(':') ? `[${HERE}]` : HERE}:${reservation.port}`,
    })
    expect(reservation.held).toBe(false)
    await once(other.close(), 'close')
  })

  it('that is aborted before it listens leaves the port held', async () => {
    await using reservation = await reserveBound()
    const listening = listenTcp(undefined, { port: reservation, signal: AbortSignal.abort() })
    await expect(listening).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(reservation.held).toBe(true)
  })

  it('rejects after the release', async () => {
    const reservation = await reserveBound()
    await reservation.release()
    await expect(listenTcp(undefined, { port: reservation })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_RESERVATION_RELEASED',
    })
  })

  it('serves TCP and UDP on a reservation of both protocols', async () => {
    await using reservation = await reserveBound({ protocol: 'both' })
    const inode = boundInode(reservation)
    const [tcp, udp] = [
      await listenTcp(undefined, { port: reservation }),
      await listenUdp(undefined, { port: reservation }),
    ]
    expect(listenerInodes(reservation.port)).toEqual([inode])
    expect([tcp.port, udp.port]).toEqual([reservation.port, reservation.port])
    await Promise.all([tcp.close(), udp.close()])
  })
})

describe('a hand-over', () => {
  it('closes the bound sockets first, and leaves a TIME_WAIT until the program listens', async () => {
    const reservation = await reserveBound(BOTH ? { family: 'dual' } : {})
    const before = openSockets().length
    const traces = watchPort(reservation.port)
    await reservation.handOver(async () => {
      expect(reservation.held).toBe(false)
      // Only the lock is left of the reservation.
      expect(openSockets()).toHaveLength(before - reservation.endpoints.length)
      expect(traces()).toHaveLength(reservation.endpoints.length)
      for (const trace of traces()) expect(trace).toMatch(new RegExp(`^TIME_WAIT .*:${reservation.port} ->`))
      const server = net.createServer().listen(reservation.port, reservation.address)
      await once(server, 'listening')
      await once(server.close(), 'close')
    })
    expect(await reservation.handOver(() => 'again')).toBe('again')
    await reservation.release()
  })

  it('starts a program by its port', async () => {
    await using reservation = await reserveBound()
    const code = `require('node:net').createServer((socket) => socket.end()).listen(process.env.PORT, '${HERE}')`
    await using child = await spawnListening(process.execPath, ['-e', code], { port: reservation })
    expect(child.port).toBe(reservation.port)
  })

  it('rejects with EADDRINUSE when another socket takes the port in between', async () => {
    await using reservation = await reserveBound()
    const other = net.createServer().listen(reservation.port, reservation.address)
    await once(other, 'listening')
    const handing = reservation.handOver(() => expect.unreachable())
    await expect(handing).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringMatching(
        new RegExp(`^Cannot hand over port ${reservation.port}: EADDRINUSE\\.\\n {2}cause {6}another socket took `),
      ),
    })
    await once(other.close(), 'close')
    expect(await reservation.handOver(() => 'free again')).toBe('free again')
  })

  it('happens once for concurrent calls, and not after a release', async () => {
    const reservation = await reserveBound()
    const traces = watchPort(reservation.port)
    await Promise.all([reservation.handOver(() => {}), reservation.handOver(() => {})])
    expect(traces()).toHaveLength(1)
    await reservation.release()
    const another = await reserveBound()
    const handing = another.handOver(() => expect.unreachable())
    const released = another.release()
    await expect(handing).rejects.toMatchObject({ code: 'ERR_PORTSIDE_RESERVATION_RELEASED' })
    await released
  })
})

describe('the leak check', () => {
  it('names the reservation and its line', async () => {
    const since = snapshotSockets()
    const reservation = await reserveBound()
    const leaks = await findLeaks(since)
    expect(leaks).toMatchObject([{ kind: 'listener', local: reservation.endpoint, howToClose: HOW_TO_CLOSE }])
    expect(leaks[0]?.openedAt[0]?.file).toBe(import.meta.filename)
    await reservation.release()
    expect(await findLeaks(since)).toEqual([])
  })

  it('names a server that has adopted the socket, once', async () => {
    const since = snapshotSockets()
    const reservation = await reserveBound()
    const server = await listenTcp(undefined, { port: reservation })
    const leaks = await findLeaks(since)
    expect(leaks.map(({ howToClose }) => howToClose)).toEqual(['close() on the result of listenTcp()'])
    await server.close()
    await reservation.release()
  })

  it('does not report the port of a reservation of portside itself', async () => {
    const since = snapshotSockets()
    const reservation = await reserve({ ...(await wantOf({}, undefined)), ...notShared() })
    expect(await findLeaks(since)).toEqual([])
    await reservation.release()
  })
})
