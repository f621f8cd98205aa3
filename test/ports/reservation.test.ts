import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  type Family,
  listenTcp,
  listenUdp,
  loopbackFamilies,
  type PortReservation,
  type ReserveOptions,
  reservePort,
  reservePorts,
} from '../../src/index.js'
import { reserve, wantOf } from '../../src/ports/reserve-port.js'
import { needsExclusivePath, needsShell } from '../support/abilities.js'
import { HERE, needsIPv4, needsPorts } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets, tcpEntries, watchPort } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { node } from '../support/program.js'
import { READABLE } from '../support/readable.js'

leavesNothingOpen()

const FAMILIES = loopbackFamilies()
const LOOPBACK: Record<Family, string> = { IPv4: '127.0.0.1', IPv6: '::1' }
const BOTH = FAMILIES.length === 2

/** Listens and closes again. Returns the code if it cannot listen. */
async function tryListening(port: number, host?: string): Promise<string> {
  const server = net.createServer()
  try {
    server.listen({ port, host, exclusive: true })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return 'listened'
  } catch (error) {
    return (error as { code: string }).code
  }
}

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

/** The states of sockets with this local end that a process has: sockets without a process have no inode. */
function boundTo(port: number, address: string): string[] {
  const entries = tcpEntries(port).filter(
    ({ local, inode }) => local.port === port && local.address === address && inode > 0,
  )
  return entries.map(({ state }) => state)
}

/** Reserves as on another system: the platform selects the differences. */
const reserveOn = async (platform: NodeJS.Platform, options: ReserveOptions = {}): Promise<PortReservation> =>
  reserve(await wantOf(options, 'release()', platform))

describe('a reservation', () => {
  it('is on the first loopback family, with a port that the kernel picked', async () => {
    const reservation = await reservePort()
    const [family] = FAMILIES as [Family]
    expect(reservation).toMatchObject({ held: true, protocol: 'tcp' })
    expect(reservation.endpoints).toEqual([{ address: LOOPBACK[family], port: reservation.port, family }])
    await reservation.release()
    expect(reservation.held).toBe(false)
  })

  it.for(FAMILIES)('is bound in the kernel over %s without a listener', async (family, context) => {
    needsKernel(context)
    await using reservation = await reservePort({ family })
    expect(boundTo(reservation.port, LOOPBACK[family])).toEqual(['ESTABLISHED'])
    expect(await dial(reservation.port, LOOPBACK[family])).toBe('ECONNREFUSED')
  })

  it.skipIf(!BOTH)('has the same port on both families if dual', async () => {
    await using reservation = await reservePort({ family: 'dual' })
    expect(reservation.endpoints.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
    for (const { address, port } of reservation.endpoints) {
      expect(port).toBe(reservation.port)
      expect(await dial(port, address)).toBe('ECONNREFUSED')
    }
  })

  it('allows listening while it is held, on loopback and on a wildcard', async (context) => {
    needsKernel(context)
    await using reservation = await reservePort(BOTH ? { family: 'dual' } : {})
    for (const { address } of reservation.endpoints)
      expect(await tryListening(reservation.port, address)).toBe('listened')
    expect(await tryListening(reservation.port)).toBe('listened')
    expect(reservation.held).toBe(true)
  })

  it('release() releases once, even if called twice, and leaves nothing', async (context) => {
    needsKernel(context)
    const before = openSockets().length
    const reservation = await reservePort()
    const traces = watchPort(reservation.port)
    const released = reservation.release()
    expect(reservation.release()).toBe(released)
    // The descriptors are closed synchronously. Only Node's events are left.
    expect(openSockets()).toHaveLength(before)
    await released
    await reservation[Symbol.asyncDispose]()
    expect(traces()).toEqual([])
  })

  it('keeps its sink while another reservation needs it, and closes it with the last', async (context) => {
    needsKernel(context)
    const before = openSockets().length
    const [first, second] = await Promise.all([reservePort(), reservePort()])
    await first.release()
    expect(second.held).toBe(true)
    expect(await dial(second.port, second.endpoints[0]?.address ?? '')).toBe('ECONNREFUSED')
    await second.release()
    expect(openSockets()).toHaveLength(before)
  })

  it('reserves the address in host, or one of each family of a name', async () => {
    const [family] = FAMILIES as [Family]
    await using named = await reservePort({ host: 'localhost' })
    expect(named.endpoints.length).toBeGreaterThan(0)
    await using addressed = await reservePort({ host: LOOPBACK[family] })
    expect(addressed.endpoints).toMatchObject([{ address: LOOPBACK[family] }])
  })

  it.runIf(FAMILIES.includes('IPv4'))(
    'of a wildcard takes only a port without a listener on any address',
    async (context) => {
      needsKernel(context)
      const specific = await reservePort({ host: HERE })
      const elsewhere = await listenTcp(undefined, { host: '127.0.0.9', port: specific.port })
      await specific.release()
      await expect(reservePort({ host: '0.0.0.0', port: [elsewhere.port] })).rejects.toMatchObject({
        code: 'EADDRINUSE',
        owner: `this process (pid ${process.pid}) listens on 127.0.0.9:${elsewhere.port}`,
      })
      await elsewhere.close()
      await using reservation = await reservePort({ host: '0.0.0.0' })
      expect(reservation.endpoints).toEqual([{ address: '0.0.0.0', port: reservation.port, family: 'IPv4' }])
      // A reservation never listens.
      expect(boundTo(reservation.port, '0.0.0.0')).toEqual([])
      expect(boundTo(reservation.port, HERE)).toEqual(['ESTABLISHED'])
    },
  )

  it.runIf(BOTH)('of the IPv6 wildcard also reserves the IPv4 port', async (context) => {
    needsExclusivePath(context)
    await using reservation = await reservePort({ host: '::' })
    expect(await dial(reservation.port, HERE)).toBe('ECONNREFUSED')
    await expect(reservePort({ port: [reservation.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const server = await listenTcp(undefined, { port: reservation })
    expect(server.address).toBe('::')
    await server.close()
  })

  it('does not allow a bind of a UDP port, and allows a listener on a TCP port', async (context) => {
    needsKernel(context)
    await using reservation = await reservePort({ protocol: 'both' })
    const { port, address } = reservation
    await expect(listenUdp(undefined, { port, host: address })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(await tryListening(port, address)).toBe('listened')
  })

  it.each(['tcp', 'udp', 'both'] as const)('takes the preferred port: %s', async (protocol) => {
    const { port } = await freePort()
    await using reservation = await reservePort({ port, protocol })
    expect(reservation).toMatchObject({ port, protocol, held: true })
  })

  it('of both protocols passes over a port that is taken in one of them', async () => {
    const taken = await listenUdp()
    await using reservation = await reservePort({ port: taken.port, protocol: 'both' })
    expect(reservation.port).not.toBe(taken.port)
    await taken.close()
  })
})

/** A port that was free a moment ago, below the ephemeral range of most hosts. */
async function freePort(): Promise<{ port: number }> {
  const candidates = Array.from({ length: 200 }, () => 20_000 + Math.floor(Math.random() * 10_000))
  const reservation = await reservePort({
    port: candidates,
    host: BOTH ? '::' : undefined,
    protocol: 'both',
  } as ReserveOptions)
  await reservation.release()
  return { port: reservation.port }
}

describe('the option port', () => {
  it('a number falls back to the kernel if it is taken', async () => {
    const taken = await listenTcp()
    await using reservation = await reservePort({ port: taken.port })
    expect(reservation.port).not.toBe(taken.port)
    await taken.close()
  })

  it('a list is tried in order, without a fallback', async () => {
    const taken = await listenTcp()
    const [{ port: second }, { port: third }] = [await freePort(), await freePort()]
    await using reservation = await reservePort({ port: new Set([taken.port, second, third]).values() })
    expect(reservation.port).toBe(second)
    const error = await reservePort({ port: [taken.port, second] }).catch((error) => error)
    expect(error).toMatchObject({ code: 'EADDRINUSE', errors: [{ port: taken.port }, { port: second }] })
    expect(error.headline).toBe(
      `Cannot reserve ports ${taken.port}, ${second} on ${taken.address}: none of the 2 ports is free; the first fails with EADDRINUSE`,
    )
    expect(error.message).toMatch(/\n {2}fix {8}name more ports, or leave port out; \.errors has each failure$/)
    await taken.close()
  })

  it('a list of taken ports rejects with the owner of the first', async (context) => {
    needsKernel(context)
    const [first, second] = [await listenTcp(), await listenTcp()]
    const error = await reservePort({ port: [first.port, second.port] }).catch((error) => error)
    expect(error.owner).toBe(`this process (pid ${process.pid}) listens on ${first.url.host}`)
    expect(error.message).toContain(`\n  owner      ${error.owner}\n  opened at  test/ports/reservation.test.ts:`)
    await Promise.all([first.close(), second.close()])
  })

  it('a held port is not reserved twice, inside or outside the ephemeral range', async (context) => {
    needsExclusivePath(context)
    await using held = await reservePort()
    await expect(reservePort({ port: [held.port] })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining('a portside reservation holds it'),
    })
    await using other = await reservePort({ port: held.port })
    expect(other.port).not.toBe(held.port)
  })

  it('an excluded port is not reserved, even if the kernel picks it', async () => {
    const { port } = await freePort()
    const exclude = (function* () {
      for (let excluded = 1; excluded <= 65_535; excluded++)
        if (excluded !== port && excluded !== 40_123) yield excluded
    })()
    await using reservation = await reservePort({ exclude, port: [port, 40_123] })
    expect(reservation.port).toBe(port)
  })

  it('a port that fetch blocks is reserved only with fetchSafe: false', async () => {
    await expect(reservePort({ port: 6667 })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_NO_PORT',
      message: expect.stringMatching(
        /^Cannot reserve port 6667\.\n(?:.+\n)* {2}cause {6}fetch blocks port 6667 .*\n {2}fix {8}.*fetchSafe: false/,
      ),
    })
    const reservation = await reservePort({ port: [6667], fetchSafe: false }).catch((error) => error)
    // Another process may have taken it.
    if (reservation.code !== 'EADDRINUSE') {
      expect(reservation.port).toBe(6667)
      await reservation.release()
    }
  })
})

describe('a hand-over', () => {
  it('allows listening again and again, and the port stays held in between', async () => {
    await using reservation = await reservePort()
    for (let round = 0; round < 3; round++) {
      const server = await listenTcp(undefined, { port: reservation })
      expect(server.endpoint).toEqual(reservation.endpoints[0])
      await server.connect()
      await server.close()
      expect(await dial(server.port, server.address)).toBe('ECONNREFUSED')
    }
    // Windows lets no listener share a held port, so the first server has replaced the hold.
    expect(reservation.held).toBe(process.platform !== 'win32')
  })

  it.skipIf(!BOTH)('listens on both families of a dual reservation, or on the requested family', async () => {
    await using reservation = await reservePort({ family: 'dual' })
    const both = await listenTcp(undefined, { port: reservation })
    expect(both.endpoints).toEqual(reservation.endpoints)
    await both.close()
    const one = await listenTcp(undefined, { port: reservation, family: 'IPv6' })
    expect(one.endpoints).toEqual([reservation.endpoints[1]])
    await one.close()
  })

  it('turns the held socket of a UDP reservation into the server', async () => {
    await using reservation = await reservePort({ protocol: 'udp', ...(BOTH ? { family: 'dual' as const } : {}) })
    const server = await listenUdp(undefined, { port: reservation })
    expect(server.endpoints).toEqual(reservation.endpoints)
    for (const { family } of server.endpoints) {
      const client = await server.connect({ family })
      const answer = once(client, 'message')
      client.send('ping')
      expect(String((await answer)[0])).toBe('ping')
    }
    await server.close()
    const again = await listenUdp(undefined, { port: reservation })
    expect(again.port).toBe(reservation.port)
    await again.close()
  })

  it('serves TCP and UDP on a reservation of both protocols', async () => {
    await using reservation = await reservePort({ protocol: 'both' })
    const tcp = await listenTcp(undefined, { port: reservation })
    const udp = await listenUdp(undefined, { port: reservation })
    expect([tcp.port, udp.port]).toEqual([reservation.port, reservation.port])
    await Promise.all([tcp.close(), udp.close()])
  })

  it('rejects after the release', async () => {
    const reservation = await reservePort()
    await reservation.release()
    await expect(listenTcp(undefined, { port: reservation })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_RESERVATION_RELEASED',
      message: expect.stringContaining(`the reservation of port ${reservation.port}`),
    })
    await expect(reservation.handOver(() => {})).rejects.toMatchObject({ code: 'ERR_PORTSIDE_RESERVATION_RELEASED' })
  })

  it('rejects for a family, address or protocol that is not reserved', async () => {
    const [family] = FAMILIES as [Family]
    await using reservation = await reservePort({ family })
    const others = [
      { family: family === 'IPv4' ? 'IPv6' : 'IPv4' },
      { host: family === 'IPv4' ? '127.0.0.9' : '::2' },
      ...(BOTH ? [{ family: 'dual' }] : []),
    ] as Array<{ family?: Family; host?: string }>
    for (const other of BOTH ? others : others.slice(1)) {
      await expect(listenTcp(undefined, { port: reservation, ...other })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringMatching(
          /^Cannot listen on the port of a reservation\.\n {2}expected {3}a reservation of a port on .+\n {2}got {8}a reservation of .*:\d+\n/,
        ),
      })
    }
    await expect(listenUdp(undefined, { port: reservation })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(
        '\n  expected   a reservation of a UDP port\n  got        a reservation of a TCP port\n',
      ),
    })
    expect(reservation.held).toBe(true)
  })

  it('rejects with the error of bind, and the reservation stays', async () => {
    await using reservation = await reservePort()
    const failure = new Error('no')
    await expect(reservation.handOver(() => Promise.reject(failure))).rejects.toBe(failure)
    expect(await reservation.handOver(() => 'bound')).toBe('bound')
  })
})

describe('several reservations', () => {
  it('have different ports, and are released together', async (context) => {
    needsKernel(context)
    const before = openSockets().length
    const reservations = await reservePorts(20, BOTH ? { family: 'dual' } : {})
    expect(reservations).toHaveLength(20)
    expect(new Set(reservations.ports).size).toBe(20)
    expect(reservations.held).toBe(true)
    const [first] = reservations
    expect(first?.port).toBe(reservations.ports[0])
    const released = reservations.release()
    expect(openSockets()).toHaveLength(before)
    await released
    await reservations[Symbol.asyncDispose]()
    expect(reservations.held).toBe(false)
  })

  it('are all made, or none', async (context) => {
    needsKernel(context)
    const taken = await listenTcp()
    const { port } = await freePort()
    const before = openSockets().length
    await expect(reservePorts(2, { port: [port, taken.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(openSockets()).toHaveLength(before)
    await taken.close()
  })

  it.each([
    [0, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [1.5, 'ERR_OUT_OF_RANGE'],
    [65_536, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    ['3', 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
  ])('reject the count %o', async (count, code) => {
    await expect(reservePorts(count as number)).rejects.toMatchObject({ code })
  })

  it('reject a count above the number of ports', async () => {
    await expect(reservePorts(3, { port: [20_001, 20_002] })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_NO_PORT',
      message: expect.stringMatching(/^Cannot reserve 3 ports\.\n {2}expected {3}at most 2: .*ports 20001, 20002/),
    })
    await expect(reservePorts(65_000)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_NO_PORT',
      message: expect.stringContaining('ephemeral range'),
    })
  })
})

describe('rejects invalid options, and nothing stays held:', () => {
  it.each<[unknown, string]>([
    [null, 'ERR_INVALID_ARG_TYPE'],
    [3000, 'ERR_INVALID_ARG_TYPE'],
    [{ port: -1 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 1.5 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: '3000' }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: Number.NaN }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: [] }, 'ERR_INVALID_ARG_VALUE'],
    [{ port: [20_000, 'x'] }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: [undefined] }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 20_000, exclude: [20_000] }, 'ERR_PORTSIDE_NO_PORT'],
    [{ port: [20_000, 20_001], exclude: new Set([20_000, 20_001]) }, 'ERR_PORTSIDE_NO_PORT'],
    [{ exclude: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ exclude: [70_000] }, 'ERR_SOCKET_BAD_PORT'],
    [{ exclude: Array.from({ length: 65_536 }, (_, port) => port) }, 'ERR_PORTSIDE_NO_PORT'],
    [{ protocol: 'sctp' }, 'ERR_INVALID_ARG_VALUE'],
    [{ fetchSafe: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'IPv5' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'dual', host: HERE }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ host: 'a..b' }, 'ENOTFOUND'],
    // TEST-NET-1, RFC 5737; a host that had .200 of it would be odd.
    [{ host: '192.0.2.200' }, 'EADDRNOTAVAIL'],
    [{ host: '192.0.2.200', protocol: 'udp' }, 'EADDRNOTAVAIL'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: AbortSignal.abort() }, 'ABORT_ERR'],
  ])('%o', async (options, code) => {
    const error = await reservePort(options as ReserveOptions).then(
      () => expect.unreachable(),
      (error) => error,
    )
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(READABLE)
  })

  it('a signal that aborts meanwhile', async () => {
    const abort = new AbortController()
    const reserving = reservePorts(50, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(reserving).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } })
  })
})

describe('on systems other than Linux', () => {
  // The platform is injected, but the sockets are of this host: this does not test how those kernels answer.
  it('a reservation is released before a server listens', async () => {
    const reservation = await reserveOn('win32')
    expect(reservation.held).toBe(true)
    const server = await listenTcp(undefined, { port: reservation })
    expect(server.port).toBe(reservation.port)
    expect(reservation.held).toBe(false)
    await server.close()
    const again = await listenTcp(undefined, { port: reservation })
    await again.close()
    await reservation.release()
    await expect(listenTcp(undefined, { port: reservation })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_RESERVATION_RELEASED',
    })
  })

  it('its TIME_WAIT keeps the port from binds to port 0', async (context) => {
    needsKernel(context)
    const reservation = await reserveOn('win32')
    const traces = watchPort(reservation.port)
    await reservation.release()
    expect(traces()).toEqual([expect.stringMatching(`^TIME_WAIT .*:${reservation.port} ->`)])
    expect(await tryListening(reservation.port, reservation.endpoints[0]?.address)).toBe('listened')
  })

  it('release() completes when nothing else keeps the process alive', async () => {
    // Windows: a lock on a pipe needs only a listener, and nothing else keeps the process alive.
    const code = `
      const { reserve, wantOf } = await import(new URL('ports/reserve-port.js', process.env.PORTSIDE))
      const reservation = await reserve(await wantOf({}, 'release()', 'win32'))
      await reservation.release()
      console.log('released')`
    const [program, ...args] = node(code)
    const printed = execFileSync(program, args)
    expect(String(printed)).toBe('released\n')
  })

  it('concurrent reservations do not get the same port', async (context) => {
    needsExclusivePath(context)
    const reservation = await reserveOn('win32')
    await reservation.handOver(() => {})
    await expect(reserveOn('win32', { port: [reservation.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await reservation.release()
  })
})

describe('in a private network with twenty ports', () => {
  const IN_TWENTY = `echo 40000 40019 > /proc/sys/net/ipv4/ip_local_port_range`

  it('the kernel gives held ports neither to binds to port 0 nor to connections', async (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const seen = JSON.parse(
      runInNamespace(
        IN_TWENTY,
        `
        import net from 'node:net'
        import { once } from 'node:events'
        const { reservePorts } = await import(process.env.PORTSIDE)
        const held = await reservePorts(5)
        const listeners = []
        let code
        while (code === undefined) {
          const server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
          await once(server, 'listening').then(() => listeners.push(server), (error) => { code = error.code })
        }
        const picked = listeners.map((server) => server.address().port)
        const target = listeners.pop()
        for (const server of listeners) server.close()
        const used = new Set()
        for (let i = 0; i < 200; i++) {
          const client = net.connect(target.address().port, '127.0.0.1')
          await once(client, 'connect')
          used.add(client.localPort)
          client.resetAndDestroy()
          await once(client, 'close')
        }
        target.close()
        await held.release()
        console.log(JSON.stringify({ held: held.ports, picked, used: [...used], code }))
        `,
      ),
    )
    expect(seen.code).toBe('EADDRINUSE')
    // Twenty, minus five held ports and the sink.
    expect(seen.picked).toHaveLength(14)
    for (const port of seen.held) expect([...seen.picked, ...seen.used]).not.toContain(port)
  })

  it('the error says that the range is used up', async (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const seen = JSON.parse(
      runInNamespace(
        IN_TWENTY,
        `
        const { reservePort, reservePorts } = await import(process.env.PORTSIDE)
        const { readdirSync } = await import('node:fs')
        const all = await reservePorts(19)
        const error = await reservePort().catch((error) => error)
        const tooMany = await reservePorts(21).catch((error) => error)
        await all.release()
        const again = await reservePorts(19)
        await again.release()
        console.log(JSON.stringify({ code: error.code, message: error.message, tooMany: tooMany.message }))
        `,
      ),
    )
    expect(seen.code).toBe('EADDRINUSE')
    expect(seen.message).toMatch(
      /^Cannot reserve a port on \S+: EADDRINUSE \(address already in use\)\.\n {2}cause {6}the ephemeral range, 40000 to 40019, has no port left/,
    )
    expect(seen.tooMany).toContain('at most 20')
  })

  it('portside finds the last port that is not excluded', async (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const port = runInNamespace(
      IN_TWENTY,
      `
      const { reservePort } = await import(process.env.PORTSIDE)
      const exclude = Array.from({ length: 19 }, (_, index) => 40000 + index)
      const reservations = []
      // The sink also takes a port. If only that is left, there is none.
      const reservation = await reservePort({ exclude }).catch((error) => ({ port: error.code, release() {} }))
      console.log(reservation.port)
      await reservation.release()
      `,
    ).trim()
    expect(['40019', 'EADDRINUSE']).toContain(port)
  })

  it('rejects with ERR_PORTSIDE_FAMILY_UNAVAILABLE when IPv6 is missing', async (context) => {
    needsIPv4(context)
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const seen = runInNamespace(
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6',
      `
      const { reservePort } = await import(process.env.PORTSIDE)
      for (const family of ['IPv6', 'dual']) {
        await reservePort({ family }).catch(({ code, message }) => console.log(code, message))
      }
      const { endpoints, release } = await reservePort({ host: 'localhost' })
      console.log(endpoints.map(({ address }) => address).join())
      process.exit()
      `,
    )
    expect(seen.match(/ERR_PORTSIDE_FAMILY_UNAVAILABLE Cannot reserve a port on .*::1\.\n/g)).toHaveLength(2)
    expect(seen).toMatch(/^127\.0\.0\.1$/m)
  })
})

it('does not keep the process alive', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const held = runInNamespace(
    '',
    `
    const { reservePorts } = await import(process.env.PORTSIDE)
    const { held } = await reservePorts(3, { family: 'dual', protocol: 'both' })
    console.log(held)
    `,
  )
  expect(held.trim()).toBe('true')
})

/** The first is of a socket that could not be made, the second of a connection that was not accepted. */
const EXHAUSTED =
  /^Cannot .+: EMFILE \(too many open files\)\.\n {2}cause {6}.*\(ulimit -n\).*\n {2}fix {8}close .+$|^Cannot .+\.\n(?:.+\n)* {2}cause {6}.*no file descriptor left.*\n {2}fix {8}.*ulimit -n/

it('closes everything when the process runs out of descriptors', (context) => {
  needsShell(context)
  needsPorts(context, 2500)
  const program = fileURLToPath(new URL('../../fixtures/programs/exhaust-reservations.mjs', import.meta.url))
  const node = [process.execPath, program]
  const printed = execFileSync('sh', ['-c', 'ulimit -n 200; exec "$@"', 'sh', ...node], { encoding: 'utf8' })
  const { codes, messages, left, heldAgain } = JSON.parse(printed)
  expect({ left, heldAgain }).toEqual({ left: [0, 0], heldAgain: true })
  // The other end of a connection may have lacked a descriptor. Then only its close is visible.
  expect(codes).toContain('EMFILE')
  for (const code of codes) expect(['ECONNABORTED', 'EMFILE']).toContain(code)
  for (const message of messages) expect(message).toMatch(EXHAUSTED)
})
