import { type ChildProcessWithoutNullStreams, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import original, { clearLockedPorts as clearOriginal, portNumbers as originalNumbers } from 'get-port'
import { afterEach, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { loopbackFamilies, type PortsideError, reservePort } from '../../src/index.js'
import { whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { listensWhileHeld } from '../../src/platform/port-hold.js'
import getPort, { clearLockedPorts, portNumbers } from '../../src/ports/get-port.js'
import { needsExclusivePath } from '../support/abilities.js'
import { turn } from '../support/clients.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets, tcpEntries } from '../support/kernel.js'
import { inNamespace, whyNoNamespace } from '../support/namespace.js'
import { keptFree } from './kept-free.js'

leavesNothingOpen()

afterEach(() => {
  clearLockedPorts()
  clearOriginal()
})

const FAMILIES = loopbackFamilies()
const programs = new URL('../../fixtures/programs/', import.meta.url)
const fixture = (name: string): string => fileURLToPath(new URL(name, programs))

function needsAddress(context: TestContext, address: string): void {
  const why = whyFamilyIsMissing(net.isIPv6(address) ? 'IPv6' : 'IPv4')
  if (why !== undefined) context.skip(why)
  if (address === '127.0.0.5' && !listensWhileHeld()) context.skip('only Linux has all of 127.0.0.0/8')
}

describe('as get-port 7', () => {
  it.each([
    [{ exclude: 5 }],
    [{ exclude: {} }],
    [{ exclude: true }],
    [{ exclude: ['3000'] }],
    [{ exclude: '3000' }],
    [{ exclude: [Number.NaN] }],
    [{ exclude: [Number.POSITIVE_INFINITY] }],
    [{ exclude: [3000.5] }],
    [{ exclude: [2 ** 53] }],
    [{ exclude: [0] }],
    [{ port: -1 }],
    [{ port: 70_000 }],
    [{ port: 3000.5 }],
    [{ port: ['x'] }],
    [{ port: [''] }],
    [{ port: [70_000] }],
    [{ port: {} }],
    [{ port: true }],
    [{ host: 5 }],
    // TEST-NET-1, RFC 5737; a host that had .200 of it would be odd.
    [{ host: '192.0.2.200' }],
    [{ host: '192.0.2.200', port: [1024, 1025] }],
    // An empty label: the resolver rejects it without a query.
    [{ host: 'a..b' }],
  ])('rejects %o with the same error', async (options) => {
    const theirs = await failureOf(original(options as never))
    const ours = await failureOf(getPort(options as never))
    expect(ours.code).toBe(theirs.code)
    // portside explains errors with a code of the system.
    const system = theirs.code !== undefined && !theirs.code.startsWith('ERR_')
    expect(ours.name).toBe(system ? 'PortsideError' : theirs.name)
    if (theirs.code === undefined) expect(ours.message).toBe(theirs.message)
  })

  it.each([
    [undefined],
    [null],
    [{}],
    [{ port: undefined }],
    [{ port: null }],
    [{ port: 0 }],
    [{ port: '' }],
    [{ port: [] }],
    [{ port: new Set() }],
    [{ port: [0] }],
    [{ exclude: undefined }],
    [{ exclude: null }],
    [{ exclude: '' }],
    [{ exclude: [] }],
    [{ exclude: [-1, 70_000] }],
    [{ reserve: undefined }],
    [{ reserve: 1 }],
    [{ host: undefined }],
    [{ host: null }],
    [{ host: '' }],
    [{ host: HERE }],
    [{ host: 'localhost' }],
    [{ ipv6Only: true, backlog: 5, exclusive: true }],
  ])('finds a port with %o', async (options) => {
    for (const find of [original, getPort]) {
      const port = await find(options as never)
      expect(Number.isInteger(port)).toBe(true)
      expect(port).toBeGreaterThan(0)
    }
  })

  it.each([
    [1024, 1030],
    [65_530, 65_535],
    [3000, 3000],
  ])('counts the ports from %i to %i', (from, to) => {
    expect([...portNumbers(from, to)]).toEqual([...originalNumbers(from, to)])
    expect([...portNumbers(from, to)]).toHaveLength(to - from + 1)
  })

  it.each([
    ['1024', 1025],
    [1024, '1025'],
    [1024.5, 1025],
    [1024, Number.NaN],
    [undefined, undefined],
    [1023, 1025],
    [1024, 1023],
    [0, 0],
    [-1, 70_000],
    [65_536, 65_536],
    [1024, 65_536],
    [2000, 1999],
  ])('portNumbers() rejects %o to %o with the same error', (from, to) => {
    const theirs = thrownBy(() => originalNumbers(from as number, to as number))
    const ours = thrownBy(() => portNumbers(from as number, to as number))
    expect({ name: ours.name, message: ours.message }).toEqual({ name: theirs.name, message: theirs.message })
  })

  it.each([
    ['get-port', original],
    ['portside', getPort],
  ])('returns the preferred port if it is free, otherwise another: %s', async (_whose, find) => {
    await using free = await keptFree()
    await using taken = await listenOn(HERE)
    expect(await find({ port: free.port })).toBe(free.port)
    const other = await find({ port: taken.port })
    expect(other).not.toBe(taken.port)
    expect(other).toBeGreaterThan(0)
  })

  it.each([
    ['an array', (...ports: number[]) => ports],
    ['a set', (...ports: number[]) => new Set(ports)],
    ['a generator', (...ports: number[]) => ports.values()],
  ])('tries preferred ports in order: %s', async (_kind, iterable) => {
    await using taken = await listenOn(HERE)
    await using one = await keptFree()
    await using other = await keptFree()
    for (const find of [original, getPort]) {
      const ports = iterable(taken.port, one.port, other.port) as Iterable<number>
      expect(await find({ port: ports })).toBe(one.port)
    }
  })

  it('never returns a port twice', async (context) => {
    needsExclusivePath(context)
    await using free = await keptFree()
    for (const find of [original, getPort]) {
      const ports = [await find({ port: free.port }), await find({ port: free.port }), await find(), await find()]
      expect(ports[0]).toBe(free.port)
      expect(new Set(ports).size).toBe(4)
    }
  })

  it('passes over excluded preferred ports', async () => {
    await using one = await keptFree()
    await using other = await keptFree()
    for (const find of [original, getPort]) {
      expect(await find({ port: [one.port, other.port], exclude: [one.port] })).toBe(other.port)
    }
  })

  it('checks only the address in host', async (context) => {
    needsAddress(context, '127.0.0.5')
    await using taken = await listenOn('127.0.0.5')
    for (const find of [original, getPort]) {
      expect(await find({ port: taken.port, host: HERE })).toBe(taken.port)
      expect(await find({ port: taken.port, host: '127.0.0.5' })).not.toBe(taken.port)
    }
  })
})

describe('better than get-port 7', () => {
  it('reads `exclude` once, so portNumbers() works', async () => {
    await using free = await keptFree()
    const range = portNumbers(free.port, free.port)
    expect(await getPort({ port: free.port, exclude: range })).not.toBe(free.port)
    await using other = await keptFree()
    expect(await getPort({ port: [free.port, other.port], exclude: [free.port].values() })).toBe(other.port)
  })

  it('honours `exclude` when the kernel picks', async () => {
    // Every even port, and so about every second pick.
    const even = Array.from({ length: 32_768 }, (_, index) => index * 2).filter((port) => port > 0)
    const ports = await Promise.all(Array.from({ length: 20 }, () => getPort({ exclude: even })))
    expect(ports.filter((port) => port % 2 === 0)).toEqual([])
    expect(new Set(ports).size).toBe(20)
  })

  it('holds the port in the kernel without a listener', async (context) => {
    needsKernel(context)
    const port = await getPort()
    const held = tcpEntries(port).filter(({ local }) => local.port === port)
    const own = new Set(openSockets().map(({ inode }) => inode))
    expect(new Set(held.map(({ local }) => local.address))).toEqual(
      new Set(FAMILIES.map((family) => (family === 'IPv4' ? HERE : '::1'))),
    )
    expect(held.filter(({ state, inode }) => state === 'LISTEN' || !own.has(inode))).toEqual([])
  })

  it('does not listen on a wildcard meanwhile', async (context) => {
    needsKernel(context)
    let found = false
    const finding = Promise.all([getPort(), getPort(), getPort()]).then(() => {
      found = true
    })
    while (!found) {
      expect(ownListeners().filter((address) => address === '0.0.0.0' || address === '::')).toEqual([])
      await turn()
    }
    await finding
  })

  it('keeps the port from reservations, and reservations from it', async (context) => {
    needsExclusivePath(context)
    const port = await getPort()
    await expect(reservePort({ port: [port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await using reservation = await reservePort()
    expect(await getPort({ port: reservation.port })).not.toBe(reservation.port)
  })

  it.for([HERE, '::1', '0.0.0.0', '::'])('lets a listener bind it immediately, on %s', async (address, context) => {
    needsAddress(context, address)
    const port = await getPort()
    await using listener = await listenOn(address, port)
    expect(listener.port).toBe(port)
    await using client = await connectTo(net.isIPv6(address) ? '::1' : HERE, port)
    expect(client.remotePort).toBe(port)
  })

  it.for(['127.0.0.5', '::1', '0.0.0.0', '::'])(
    'passes over a port with a listener on %s',
    async (address, context) => {
      needsAddress(context, address)
      await using taken = await listenOn(address)
      expect(await getPort({ port: taken.port })).not.toBe(taken.port)
    },
  )

  it('clearLockedPorts() releases every port immediately, including reserved ports', async (context) => {
    needsKernel(context)
    const ports = [await getPort(), await getPort({ reserve: true }), await getPort({ host: HERE })]
    clearLockedPorts()
    expect(ports.flatMap((port) => tcpEntries(port).filter(({ local }) => local.port === port))).toEqual([])
    await using free = await keptFree()
    for (let round = 0; round < 3; round++) {
      expect(await getPort({ port: free.port, reserve: round === 0 })).toBe(free.port)
      clearLockedPorts()
    }
  })

  it('never returns a port that another thread or process has', async (context) => {
    needsExclusivePath(context)
    await using free = await keptFree()
    const options = JSON.stringify({ port: free.port })
    const thread = new Worker(new URL('hold-ports.mjs', programs), {
      argv: ['1', options],
      stdin: true,
      stdout: true,
    })
    const processes = Array.from({ length: 3 }, () => startProgram('hold-ports.mjs', '1', options))
    const everybody = [thread, ...processes]
    const others = await Promise.all(everybody.map((program) => firstLine(program.stdout)))
    const ports = [...others.flatMap((line) => JSON.parse(line)), await getPort({ port: free.port })]
    expect(ports.filter((port) => port === free.port)).toHaveLength(1)
    expect(new Set(ports).size).toBe(5)
    for (const program of everybody) program.stdin?.end()
    await Promise.all([once(thread, 'exit'), ...processes.map((program) => once(program, 'close'))])
  })

  it('does not keep the process alive', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture('print-port.mjs')])
    expect(stdout).toMatch(/^\d+\n$/)
  })

  it('shares no port of a small range', (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const setUp = 'echo 40000 40029 > /proc/sys/net/ipv4/ip_local_port_range'
    const seen = JSON.parse(execFileSync(...inNamespace(setUp, IN_SMALL_RANGE)))
    const { only, main, thread, dialled, listened } = seen
    expect(only).toBe(40_017)
    expect(new Set([...main, ...thread]).size).toBe(8 + 8)
    expect([...listened, ...dialled].filter((port) => main.includes(port) || thread.includes(port))).toEqual([])
    expect(listened.length).toBeGreaterThan(0)
    expect(dialled.length).toBeGreaterThan(0)
  })
})

/** In a network of 30 ports: the ports of two threads, and of listeners and connects until none is left. */
const IN_SMALL_RANGE = `
import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
const { default: getPort, clearLockedPorts } = await import(new URL('ports/get-port.js', process.env.PORTSIDE))
const range = Array.from({ length: 30 }, (_, index) => 40000 + index)

const only = await getPort({ exclude: range.filter((port) => port !== 40017) })
clearLockedPorts()

const main = []
while (main.length < 8) main.push(await getPort())
const worker = new Worker(new URL('hold-ports.mjs', ${JSON.stringify(programs.href)}), {
  argv: ['8', '{}'], execArgv: [], stdin: true, stdout: true,
})
const [line] = await once(worker.stdout.setEncoding('utf8'), 'data')
const thread = JSON.parse(line)

const listened = []
const servers = []
const failed = (error) => {
  if (error.code !== 'EADDRINUSE' && error.code !== 'EADDRNOTAVAIL') throw error
}
const listen = async () => {
  const server = net.createServer().listen(0, '${HERE}')
  await once(server, 'listening')
  servers.push(server)
  return server.address().port
}
const sink = net.createServer().listen(50000, '${HERE}')
await once(sink, 'listening')
const dialled = []
const dial = async () => {
  const socket = net.connect(50000, '${HERE}')
  await once(socket, 'connect')
  servers.push({ close: () => socket.destroy() })
  return socket.localPort
}
for (let count = 0; count < 3; count++) dialled.push(await dial())
for (;;) {
  const port = await listen().catch(failed)
  if (port === undefined) break
  listened.push(port)
}
for (;;) {
  const port = await dial().catch(failed)
  if (port === undefined || dialled.length > 100) break
  dialled.push(port)
}
console.log(JSON.stringify({ only, main, thread, listened, dialled }))
process.exit(0)
`

async function listenOn(host: string, port = 0): Promise<{ port: number } & AsyncDisposable> {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume())
  server.listen({ host, port })
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}

async function connectTo(host: string, port: number): Promise<net.Socket & AsyncDisposable> {
  const socket = net.connect({ host, port })
  await once(socket, 'connect')
  return Object.assign(socket, {
    [Symbol.asyncDispose]: async () => {
      socket.resetAndDestroy()
      await once(socket, 'close')
    },
  })
}

/** The addresses on which this process listens. */
function ownListeners(): string[] {
  const own = new Set(openSockets().map(({ inode }) => inode))
  return tcpEntries()
    .filter(({ state, inode }) => state === 'LISTEN' && own.has(inode))
    .map(({ local }) => local.address)
}

function startProgram(name: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const program = spawn(process.execPath, [fixture(name), ...args])
  onTestFinished(() => void program.kill('SIGKILL'))
  return program
}

async function firstLine(stream: Readable): Promise<string> {
  const [line] = await once(createInterface({ input: stream }), 'line')
  return line
}

function failureOf(promise: Promise<unknown>): Promise<PortsideError> {
  return promise.then(
    () => expect.unreachable('it was to fail'),
    (error) => error,
  )
}

function thrownBy(action: () => unknown): Error {
  try {
    action()
  } catch (error) {
    return error as Error
  }
  return expect.unreachable('it was to throw')
}
