import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { type EventEmitter, once } from 'node:events'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, type TestContext } from 'vitest'
import {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertBrokenPipe,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  assertEphemeralPortsExhausted,
  assertHostUnreachable,
  assertNetworkUnreachable,
  assertPermissionDenied,
  assertTooManyOpenFiles,
  type ExpectedEndpoint,
  type Family,
  listenTcp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  privilegedEndpoint,
  refusedEndpoint,
  resettingEndpoint,
  unassignedEndpoint,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { openOrSkip } from '../endpoints/clients.js'
import { turn } from '../support/clients.js'
import { HERE } from '../support/here.js'

// Real situations for each outcome, so that each assertion is checked against each outcome.

export const ASSERTIONS = {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertBrokenPipe,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  assertEphemeralPortsExhausted,
  assertHostUnreachable,
  assertNetworkUnreachable,
  assertPermissionDenied,
  assertTooManyOpenFiles,
}
export type AssertionName = keyof typeof ASSERTIONS
export const ASSERTION_NAMES = Object.keys(ASSERTIONS) as AssertionName[]

/** A situation that is set up. Its disposal releases everything. */
export interface Stage extends AsyncDisposable {
  /** Begins an action that will fail, a new one at each call. */
  begin(): EventEmitter
  /** The place in the error; undefined if it has none. */
  readonly place?: ExpectedEndpoint
}

export interface Situation {
  readonly name: string
  /** The only assertion that passes. */
  readonly assertion: AssertionName
  readonly code: string
  readonly stage: (context: TestContext) => Promise<Stage>
}

const IMPATIENT = 20

const tcp = (family: Family): Situation[] => [
  {
    name: `a listen on an occupied ${family} port`,
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const endpoint = await occupiedEndpoint({ family })
      return staged(() => listenAt(endpoint), placeOf(endpoint), endpoint)
    },
  },
  {
    name: `a UDP bind to an occupied ${family} port`,
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const endpoint = await occupiedEndpoint({ family, protocol: 'udp' })
      const sockets = datagrams(family)
      return staged(() => sockets.bindAt(endpoint), placeOf(endpoint), endpoint, sockets)
    },
  },
  {
    name: `a connect from an occupied ${family} port`,
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const endpoint = await occupiedEndpoint({ family })
      const server = await listenTcp(undefined, { family })
      const from = { localAddress: endpoint.address, localPort: endpoint.port }
      const begin = () => net.connect({ host: server.address, port: server.port, ...from })
      return staged(begin, placeOf(endpoint), endpoint, server)
    },
  },
  {
    name: `a connect to a ${family} port without a listener`,
    assertion: 'assertConnectionRefused',
    code: 'ECONNREFUSED',
    async stage() {
      const endpoint = await refusedEndpoint({ family })
      return staged(() => net.connect(endpoint.port, endpoint.address), placeOf(endpoint), endpoint)
    },
  },
  {
    name: `a connection over ${family} that is reset`,
    assertion: 'assertConnectionReset',
    code: 'ECONNRESET',
    async stage() {
      const endpoint = await resettingEndpoint({ family, after: 'first-byte' })
      return staged(() => saying('ping', net.connect(endpoint.port, endpoint.address)), undefined, endpoint)
    },
  },
  {
    name: `a connect over ${family} without an answer`,
    assertion: 'assertConnectionTimedOut',
    code: 'ABORT_ERR',
    async stage(context) {
      const endpoint = await openOrSkip(context, () => unresponsiveEndpoint({ family }))
      const { address: host, port } = endpoint
      const begin = () => net.connect({ host, port, signal: AbortSignal.timeout(IMPATIENT) })
      return staged(begin, undefined, endpoint)
    },
  },
  {
    name: `a listen on an ${family} address that this host lacks`,
    assertion: 'assertAddressNotAvailable',
    code: 'EADDRNOTAVAIL',
    async stage(context) {
      const endpoint = await openOrSkip(context, () => unassignedEndpoint({ family }))
      return staged(() => listenAt(endpoint), { address: endpoint.address, family }, endpoint)
    },
  },
  {
    name: `a UDP bind to an ${family} address that this host lacks`,
    assertion: 'assertAddressNotAvailable',
    code: 'EADDRNOTAVAIL',
    async stage(context) {
      const endpoint = await openOrSkip(context, () => unassignedEndpoint({ family }))
      const sockets = datagrams(family)
      return staged(() => sockets.bindAt(endpoint), { address: endpoint.address, family }, endpoint, sockets)
    },
  },
  {
    name: `a connect from an ${family} address that this host lacks`,
    assertion: 'assertAddressNotAvailable',
    code: 'EADDRNOTAVAIL',
    async stage(context) {
      const endpoint = await openOrSkip(context, () => unassignedEndpoint({ family }))
      const server = await listenTcp(undefined, { family })
      const begin = () => net.connect({ host: server.address, port: server.port, localAddress: endpoint.address })
      return staged(begin, { address: endpoint.address, family }, endpoint, server)
    },
  },
  {
    name: `a listen on a privileged ${family} port`,
    assertion: 'assertPermissionDenied',
    code: 'EACCES',
    async stage(context) {
      const endpoint = await openOrSkip(context, () => privilegedEndpoint({ family }))
      return staged(() => listenAt(endpoint), placeOf(endpoint), endpoint)
    },
  },
  {
    name: `a write over ${family} to a peer that is gone`,
    assertion: 'assertBrokenPipe',
    code: 'EPIPE',
    async stage() {
      const server = await listenTcp((socket) => void socket.destroy(), { family })
      return staged(() => writingToTheDeparted(server.port, server.address), undefined, server)
    },
  },
]

const both: Situation[] = [
  {
    name: 'a connect to a name whose addresses all refuse',
    assertion: 'assertConnectionRefused',
    code: 'ECONNREFUSED',
    async stage() {
      const endpoint = await refusedEndpoint({ family: 'dual' })
      const begin = () => net.connect({ host: 'both.test', port: endpoint.port, lookup: lookupBoth })
      return staged(begin, { port: endpoint.port }, endpoint)
    },
  },
]

const unix: Situation[] = [
  {
    name: 'a listen on the path of a server',
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const server = await listenUnix()
      return staged(() => listenOn(server.path), { address: server.path }, server)
    },
  },
  {
    name: 'a listen on a path that a dead server left behind',
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const file = await leaveFileBehind()
      return staged(() => listenOn(file.path), { address: file.path }, file)
    },
  },
  {
    name: 'a connect to a path that a dead server left behind',
    assertion: 'assertConnectionRefused',
    code: 'ECONNREFUSED',
    async stage() {
      const file = await leaveFileBehind()
      return staged(() => net.connect(file.path), { address: file.path }, file)
    },
  },
]

/** On Linux all of 127.0.0.0/8 is loopback, and its last address is the broadcast address (ip(7)). */
const linux: Situation[] = [
  {
    name: 'a listen on a wildcard whose port a specific address has',
    assertion: 'assertAddressInUse',
    code: 'EADDRINUSE',
    async stage() {
      const endpoint = await occupiedEndpoint({ family: 'IPv4' })
      const wildcard = { address: '0.0.0.0', port: endpoint.port }
      return staged(() => listenAt(wildcard), { ...wildcard, family: 'IPv4' }, endpoint)
    },
  },
  {
    name: 'a connect to a broadcast address',
    assertion: 'assertNetworkUnreachable',
    code: 'ENETUNREACH',
    async stage() {
      const endpoint = await refusedEndpoint({ family: 'IPv4' })
      const place = { address: BROADCAST, port: endpoint.port, family: 'IPv4' } as const
      return staged(() => net.connect(place.port, place.address), place, endpoint)
    },
  },
  {
    name: 'a datagram to a broadcast address without setBroadcast()',
    assertion: 'assertPermissionDenied',
    code: 'EACCES',
    async stage() {
      const endpoint = await refusedEndpoint({ family: 'IPv4' })
      const place = { address: BROADCAST, port: endpoint.port, family: 'IPv4' } as const
      const socket = dgram.createSocket('udp4').bind(0, HERE)
      await once(socket, 'listening')
      const begin = () => {
        // Without a callback Node does not report the error.
        socket.send('ping', place.port, place.address, (error) => void (error && socket.emit('error', error)))
        return socket
      }
      return staged(
        begin,
        place,
        endpoint,
        disposing(() => void socket.close()),
      )
    },
  },
]

const BROADCAST = '127.255.255.255'

/** The situations of this kind of host. A situation that its policy prevents skips itself. */
export const situations: readonly Situation[] = [
  ...loopbackFamilies().flatMap(tcp),
  ...(loopbackFamilies().length === 2 ? both : []),
  ...(process.platform === 'win32' ? [] : unix),
  ...(process.platform === 'linux' && loopbackFamilies().includes('IPv4') ? linux : []),
]

/** A name with both loopback addresses. Not every host has one. */
export const lookupBoth: net.LookupFunction = (_name, _options, callback) =>
  callback(null, [
    { address: '::1', family: 6 },
    { address: HERE, family: 4 },
  ])

/** The error with which an emitter fails. */
export async function errorOf(emitter: EventEmitter): Promise<Error> {
  const [error] = await once(emitter, 'error')
  return error as Error
}

/** Like a client with promises: rejects with the error. */
export async function failing(emitter: EventEmitter): Promise<never> {
  throw await errorOf(emitter)
}

export function listenAt({ address: host, port }: { address: string; port: number }): net.Server {
  return net.createServer().listen({ host, port, exclusive: true })
}

export function listenOn(path: string): net.Server {
  return net.createServer().listen(path)
}

export function saying(text: string, socket: net.Socket): net.Socket {
  socket.on('connect', () => void socket.write(text))
  return socket
}

/** The peer answers the first write with a reset, and a later write fails with EPIPE (send(2)). */
export function writingToTheDeparted(port: number, host: string): net.Socket {
  const socket = net.connect({ port, host, allowHalfOpen: true })
  const write = (): void => {
    if (socket.destroyed) return
    socket.write('ping')
    void turn().then(write)
  }
  socket.on('end', write).resume()
  return socket
}

/** A socket file without a listener: the file was renamed, so its server could not remove it. */
export async function leaveFileBehind(): Promise<{ readonly path: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  const path = join(directory, 'stale.sock')
  const server = listenOn(join(directory, 'live.sock'))
  await once(server, 'listening')
  await rename(join(directory, 'live.sock'), path)
  server.close()
  await once(server, 'close')
  return { path, ...disposing(() => rm(directory, { recursive: true })) }
}

/** A program that listens on its own port until its disposal. */
export async function listeningProgram(
  code = `require('net').createServer((it) => it.on('error', () => {}).end('hello')).listen(0, '${HERE}', told)`,
): Promise<{ readonly pid: number; readonly port: number } & AsyncDisposable> {
  const tell = 'function told() { console.log(this.address().port ?? 0) }'
  const child = spawn(process.execPath, ['--eval', `${tell}\n${code}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  // For a test that fails before its disposal.
  onTestFinished(() => void child.kill('SIGKILL'))
  const [port] = await once(child.stdout, 'data')
  return {
    pid: child.pid as number,
    port: Number(port),
    ...disposing(async () => {
      child.kill('SIGKILL')
      await closed
    }),
  }
}

export const disposing = (dispose: () => unknown): AsyncDisposable => ({
  [Symbol.asyncDispose]: async () => void (await dispose()),
})

function staged(begin: () => EventEmitter, place: ExpectedEndpoint | undefined, ...opened: AsyncDisposable[]): Stage {
  return {
    begin,
    ...(place === undefined ? {} : { place }),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each[Symbol.asyncDispose]()
    },
  }
}

/** A datagram socket stays open when its bind has failed. */
function datagrams(
  family: Family,
): { bindAt(place: { address: string; port: number }): dgram.Socket } & AsyncDisposable {
  const sockets: dgram.Socket[] = []
  return {
    bindAt({ address, port }) {
      const socket = dgram.createSocket(family === 'IPv4' ? 'udp4' : 'udp6')
      sockets.push(socket)
      return socket.bind({ address, port, exclusive: true })
    },
    ...disposing(() => {
      for (const socket of sockets) socket.close()
    }),
  }
}

function placeOf({ address, port, family }: { address: string; port: number; family: Family }): ExpectedEndpoint {
  return { address, port, family }
}
