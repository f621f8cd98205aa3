import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type EphemeralPorts, ephemeralPorts, listenTcp, type SocketEntry, type SocketState } from '../../src/index.js'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { countEphemeralPorts, reservedPorts } from '../../src/socket-table/ephemeral-ports.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'

leavesNothingOpen()

const { first, last } = ephemeralRange()
const size = last - first + 1
const reserved = reservedPorts().filter((port) => port >= first && port <= last).length

describe('ephemeralPorts', () => {
  it('reports the range of this host, and counts no port twice', async (context) => {
    needsKernel(context)
    await using server = await listenTcp()
    const ports = await ephemeralPorts()
    expect(ports).toMatchObject({ first, last, size })
    expect(server.port).toSatisfy((port: number) => port >= first && port <= last)
    expect(ports.inUse).toBeGreaterThanOrEqual(1)
    const left = size - ports.inUse - ports.timeWait - ports.available
    expect(left).toBeGreaterThanOrEqual(0)
    expect(left).toBeLessThanOrEqual(reserved)
  })
})

describe('countEphemeralPorts', () => {
  const at = (port: number, state: SocketState = 'LISTEN', address = '127.0.0.1'): SocketEntry => ({
    protocol: 'tcp',
    state,
    local: { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' },
  })

  it.each<{ what: string; sockets: SocketEntry[]; inUse: number; timeWait: number }>([
    { what: 'nothing', sockets: [], inUse: 0, timeWait: 0 },
    { what: 'both ends of the range', sockets: [at(first), at(last)], inUse: 2, timeWait: 0 },
    { what: 'no port outside the range', sockets: [at(first - 1), at(last + 1), at(1)], inUse: 0, timeWait: 0 },
    { what: 'one port of both families', sockets: [at(first), at(first, 'LISTEN', '::1')], inUse: 1, timeWait: 0 },
    { what: 'one port of two addresses', sockets: [at(last), at(last, 'LISTEN', '127.0.0.9')], inUse: 1, timeWait: 0 },
    {
      what: 'connections in every state',
      sockets: (['SYN_SENT', 'ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT2', 'LAST_ACK'] as const).map((state, index) =>
        at(first + index, state),
      ),
      inUse: 5,
      timeWait: 0,
    },
    {
      what: 'TIME_WAIT separately',
      sockets: [at(first, 'TIME_WAIT'), at(first, 'TIME_WAIT'), at(last, 'TIME_WAIT')],
      inUse: 0,
      timeWait: 2,
    },
    {
      what: 'TIME_WAIT on the port of a socket as that socket, in either order',
      sockets: [at(first, 'TIME_WAIT'), at(first), at(last), at(last, 'TIME_WAIT')],
      inUse: 2,
      timeWait: 0,
    },
    {
      what: 'no unix socket',
      sockets: [{ protocol: 'unix', state: 'LISTEN', local: String(first) }],
      inUse: 0,
      timeWait: 0,
    },
  ])('counts $what', ({ sockets, inUse, timeWait }) => {
    // On a host for tests, the ends of the range are not reserved.
    const available = size - inUse - timeWait - reserved
    expect(countEphemeralPorts(sockets)).toEqual({ first, last, size, inUse, timeWait, available })
  })
})

describe('reservedPorts', () => {
  it.each<[string, number[]]>([
    ['', []],
    ['\n', []],
    ['8080\n', [8080]],
    ['8080,9100-9103\n', [8080, 9100, 9101, 9102, 9103]],
    ['1-1,65535', [1, 65_535]],
  ])('reads %j', async (text, ports) => {
    const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const source = join(directory, 'setting')
    await writeFile(source, text)
    expect(reservedPorts(source)).toEqual(ports)
  })

  it('are empty if the system has no list', () => {
    expect(reservedPorts(join(tmpdir(), 'portside-test-none', 'none'))).toEqual([])
  })
})

describe.skipIf(whyNoNamespace !== undefined)(
  `of ten ports in a private network (${whyNoNamespace ?? 'possible here'})`,
  () => {
    const TEN = { first: 40_000, last: 40_009, size: 10 }
    const prepare = `
    import { once } from 'node:events'
    import net from 'node:net'
    import { readFileSync } from 'node:fs'
    const { ephemeralPorts } = await import(process.env.PORTSIDE)
    const told = []
    const tell = async () => told.push(await ephemeralPorts())
    const accepted = []
    const server = (port, host = '127.0.0.1') => new Promise((resolve) => {
      const listener = net.createServer((socket) => accepted.push(socket.on('error', () => {})))
      listener.once('error', ({ code }) => resolve(code)).listen(port, host, () => resolve(listener))
    })
    const client = (port, localAddress = '127.0.0.1') => new Promise((resolve) => {
      const socket = net.connect({ port, host: '127.0.0.1', localAddress })
      socket.on('error', ({ code }) => resolve(code)).once('connect', () => resolve(socket))
    })
    const outcome = (given) => typeof given === 'string' ? given : 'granted'
    const reset = (socket) => {
      socket.resetAndDestroy()
      return once(socket, 'close')
    }
    const end = () => {
      console.log(JSON.stringify(told))
      process.exit()
    }`

    /** Its results, one after the other. */
    function run(code: string, setUp = ''): unknown[] {
      const range = 'echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range'
      return JSON.parse(runInNamespace([range, setUp].filter(Boolean).join(' && '), `${prepare}\n${code}\nend()`))
    }

    const counted = (inUse: number, timeWait: number, available: number): EphemeralPorts => ({
      ...TEN,
      inUse,
      timeWait,
      available,
    })

    it('each listener uses one, on any address, until none is left', () => {
      const told = run(`
      await tell()
      const { port } = (await server(0)).address()
      const other = await server(port === 40000 ? 40001 : 40000, '::1')
      await tell()
      await once(other.close(), 'close')
      // The same port on other addresses, and one outside the range.
      await server(port, '127.0.0.9')
      await server(port, '::1')
      await server(5000)
      await tell()
      const { available } = await ephemeralPorts()
      for (let count = 0; count < available; count++) told.push(outcome(await server(0)))
      await tell()
      told.push(outcome(await server(0)))`)
      expect(told).toEqual([
        counted(0, 0, 10),
        counted(2, 0, 8),
        counted(1, 0, 9),
        ...Array(9).fill('granted'),
        counted(10, 0, 0),
        'EADDRINUSE',
      ])
    })

    it('each connection uses one, and releases it', () => {
      const told = run(`
      await server(5000)
      const clients = [await client(5000), await client(5000), await client(5000)]
      await tell()
      await Promise.all(clients.map(reset))
      await tell()
      const { available } = await ephemeralPorts()
      for (let count = 0; count < available; count++) told.push(outcome(await client(5000)))
      await tell()
      told.push(outcome(await client(5000)))`)
      expect(told).toEqual([
        counted(3, 0, 7),
        counted(0, 0, 10),
        ...Array(10).fill('granted'),
        counted(10, 0, 0),
        expect.stringMatching(/^EADDR(NOTAVAIL|INUSE)$/),
      ])
    })

    it('the kernel keeps ports in TIME_WAIT', () => {
      const told = run(`
      await server(5000)
      const clients = []
      for (let count = 0; count < 4; count++) clients.push(await client(5000))
      while (accepted.length < 4) await new Promise(setImmediate)
      for (const socket of clients.slice(0, 3)) {
        socket.resume().end()
        await once(socket, 'close')
      }
      const waits = () => readFileSync('/proc/self/net/tcp', 'utf8').match(/ 06 0/g)?.length
      while (waits() !== 3) await new Promise(setImmediate)
      await tell()
      // One of them has a listener again.
      const port = Number.parseInt(/:(\\w{4}) \\w+:\\w+ 06 0/.exec(readFileSync('/proc/self/net/tcp', 'utf8'))[1], 16)
      await server(port)
      await tell()`)
      expect(told).toEqual([counted(1, 3, 6), counted(2, 2, 6)])
    })

    it('reserved ports are not available, and count once', () => {
      const told = run(
        `
      await tell()
      await server(40001)
      await server(40009)
      await tell()
      const { available } = await ephemeralPorts()
      for (let count = 0; count < available; count++) told.push(outcome(await server(0)))
      told.push(outcome(await server(0)))
      await tell()`,
        'echo 40001,40003-40004,39999,40010,50000 > /proc/sys/net/ipv4/ip_local_reserved_ports',
      )
      expect(told).toEqual([
        counted(0, 0, 7),
        counted(2, 0, 6),
        ...Array(6).fill('granted'),
        'EADDRINUSE',
        counted(8, 0, 0),
      ])
    })

    it('UDP uses none of them', () => {
      const told = run(`
      const { createSocket } = await import('node:dgram')
      for (let count = 0; count < 3; count++) await once(createSocket('udp4').bind(0, '127.0.0.1'), 'listening')
      await tell()`)
      expect(told).toEqual([counted(0, 0, 10)])
    })
  },
)
