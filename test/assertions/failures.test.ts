import dgram from 'node:dgram'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import axios from 'axios'
import { got } from 'got'
import { Redis } from 'ioredis'
import pg from 'pg'
import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import {
  assertAddressInUse,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  assertPermissionDenied,
  formatEndpoint,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  type PortsideAssertionError,
  refusedEndpoint,
  reservePort,
  resettingEndpoint,
  stalledEndpoint,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { openOrSkip } from '../endpoints/clients.js'
import { gate, turn, until } from '../support/clients.js'
import { HERE, HERE_FAMILY, HERE_IN_PATTERN, HERE_IN_URL, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets } from '../support/kernel.js'
import {
  disposing,
  errorOf,
  leaveFileBehind,
  listenAt,
  listeningProgram,
  listenOn,
  lookupBoth,
  saying,
} from './situations.js'

leavesNothingOpen()

const isWindows = process.platform === 'win32'
const isDual = loopbackFamilies().length === 2
const THIS = `this process (pid ${process.pid})`
const NODE = process.execPath.replace(/^.*[\\/]/, '')

describe('a failure', () => {
  it('has a line and a field for each fact', async () => {
    await using endpoint = await occupiedEndpoint()
    const cause = await errorOf(listenAt(endpoint))
    const place = formatEndpoint(endpoint)
    const error = await failureOf(assertConnectionRefused(cause, { port: 1 }))
    expect(linesOf(error)).toEqual({
      expected: 'a refused connection (ECONNREFUSED) at port 1',
      got: `listen on ${place}: EADDRINUSE (address already in use)`,
      cause: `${THIS} listens on ${place}`,
      fix: expect.stringContaining('close the socket of this process first'),
    })
    expect(error).toMatchObject({
      name: 'PortsideAssertionError',
      code: 'ERR_PORTSIDE_ASSERTION',
      expected: 'a refused connection (ECONNREFUSED) at port 1',
      actual: `listen on ${place}: EADDRINUSE (address already in use)`,
      endpoint: { address: endpoint.address, port: endpoint.port, family: endpoint.family },
      owners: [{ pid: process.pid, thisProcess: true, protocol: 'tcp', state: 'LISTEN' }],
      because: `${THIS} listens on ${place}`,
      next: expect.stringContaining('close the socket of this process first'),
    })
    expect(error.cause).toBe(cause)
  })

  it('names the program that listens, and its address', async () => {
    await using program = await listeningProgram()
    const conflict = await errorOf(listenAt({ address: HERE, port: program.port }))
    const error = await failureOf(assertPermissionDenied(conflict))
    expect(linesOf(error)).toEqual({
      expected: 'a denied permission (EACCES, EPERM)',
      got: `listen on ${HERE_IN_URL}:${program.port}: EADDRINUSE (address already in use)`,
      cause: `pid ${program.pid} (${NODE}) listens on ${HERE_IN_URL}:${program.port}`,
      fix: expect.stringContaining('leave the port out'),
    })
    expect(error.owners).toMatchObject([{ pid: program.pid, program: NODE, thisProcess: false, state: 'LISTEN' }])
  })

  it('names the program that has the UDP port', async () => {
    await using program = await listeningProgram(
      `require('dgram').createSocket(${HERE_FAMILY === 'IPv6' ? "'udp6'" : "'udp4'"}).bind(0, '${HERE}').on('listening', told)`,
    )
    const socket = dgram.createSocket(UDP_HERE).bind({ port: program.port, address: HERE, exclusive: true })
    const error = await failureOf(assertPermissionDenied(await errorOf(socket)))
    expect(linesOf(error)).toMatchObject({
      got: `bind ${HERE_IN_URL}:${program.port}: EADDRINUSE (address already in use)`,
      cause: `pid ${program.pid} (${NODE}) has a UDP socket on ${HERE_IN_URL}:${program.port}`,
    })
    socket.close()
  })

  it.runIf(!isWindows)('names the program that listens on the path', async () => {
    const path = join(tmpdir(), `portside-test-${process.pid}-${crypto.randomUUID()}.sock`)
    await using program = await listeningProgram(`require('net').createServer().listen(${JSON.stringify(path)}, told)`)
    const error = await failureOf(assertPermissionDenied(await errorOf(listenOn(path))))
    expect(linesOf(error)).toMatchObject({
      got: `listen on ${path}: EADDRINUSE (address already in use)`,
      cause: `pid ${program.pid} (${NODE}) listens on ${path}`,
    })
    expect(error.endpoint).toBe(path)
  })

  it.runIf(!isWindows)('says that nothing listens on the path, and that its file is left behind', async () => {
    await using file = await leaveFileBehind()
    const error = await failureOf(assertPermissionDenied(await errorOf(listenOn(file.path))))
    expect(linesOf(error)).toMatchObject({
      cause: expect.stringContaining('nothing listens on it here: a killed server left the file behind'),
      fix: expect.stringContaining('remove the file'),
    })
    expect(error.owners).toEqual([])
  })

  it('says that no process has the port any more', async () => {
    const endpoint = await occupiedEndpoint()
    const conflict = await errorOf(listenAt(endpoint))
    await endpoint.close()
    const error = await failureOf(assertPermissionDenied(conflict))
    expect(linesOf(error).cause).toContain('has closed since')
    expect(error.owners).toEqual([])
  })

  it('says that something listens now', async () => {
    await using reservation = await reservePort()
    const [endpoint] = reservation.endpoints
    const { address, port } = endpoint as net.AddressInfo
    const refusal = await errorOf(net.connect(port, address))
    await using server = await listenTcp(undefined, { port: reservation })
    const error = await failureOf(assertConnectionReset(refusal))
    expect(linesOf(error)).toMatchObject({
      got: `connect to ${formatEndpoint(server)}: ECONNREFUSED (connection refused)`,
      cause: `nothing listened there when you tried; now ${THIS} listens on ${formatEndpoint(server)}`,
    })
  })

  it('says that it happened elsewhere, and names the owner there', async () => {
    await using endpoint = await occupiedEndpoint()
    const error = await failureOf(assertAddressInUse(() => listenAt(endpoint), { port: endpoint.port ^ 1 }))
    expect(linesOf(error)).toEqual({
      expected: `an address in use (EADDRINUSE) at port ${endpoint.port ^ 1}`,
      got: `listen on ${formatEndpoint(endpoint)}: EADDRINUSE (address already in use)`,
      owner: `${THIS} listens on ${formatEndpoint(endpoint)}`,
      cause: 'it happened elsewhere',
      fix: 'see whether the code under test uses the endpoint of the test',
    })
  })

  it.each([
    [{ address: HERE, port: 9 }, ` at ${HERE_IN_URL}:9`],
    [{ address: '::1', port: 9 }, ' at [::1]:9'],
    [{ address: '::1' }, ' at ::1'],
    [{ address: 'localhost', port: 9 }, ' at localhost:9'],
    [{ port: 9 }, ' at port 9'],
    [{ family: 'IPv6' }, ' at IPv6'],
    [{ port: 9, family: 'IPv6' }, ' at port 9 of IPv6'],
  ] as const)('names the expected endpoint: %o', async (expected, text) => {
    const error = await failureOf(assertConnectionRefused(undefined, expected))
    expect(linesOf(error).expected).toBe(`a refused connection (ECONNREFUSED)${text}`)
  })

  it('says that the error has no address', async () => {
    await using endpoint = await resettingEndpoint({ after: 'first-byte' })
    const reset = await errorOf(saying('ping', net.connect(endpoint.port, endpoint.address)))
    const error = await failureOf(assertConnectionReset(reset, { port: endpoint.port }))
    expect(linesOf(error)).toEqual({
      expected: `a reset connection (ECONNRESET) at port ${endpoint.port}`,
      got: expect.stringMatching(/^(read|write): ECONNRESET \(connection reset by peer\)$/),
      cause: 'the error does not say where it happened',
      fix: 'leave the endpoint out',
    })
  })

  it.runIf(isDual)('lists every address that was tried, and explains the wrong one', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    const both = await errorOf(net.connect({ host: 'both.test', port: endpoint.port, lookup: lookupBoth }))
    const tried = `connect to [::1]:${endpoint.port}: ECONNREFUSED; connect to ${HERE_IN_URL}:${endpoint.port}: ECONNREFUSED`
    expect(linesOf(await failureOf(assertConnectionReset(both)))).toMatchObject({
      got: `connect to [::1]:${endpoint.port}: ECONNREFUSED (connection refused)`,
      tried,
    })
    expect(linesOf(await failureOf(assertConnectionRefused(both, { port: 1 }))).tried).toBe(tried)
  })

  it('quotes the timeout of a client', async () => {
    await using endpoint = await stalledEndpoint()
    const action = fetch(`http://${formatEndpoint(endpoint)}`, { signal: AbortSignal.timeout(10) })
    const error = await failureOf(assertConnectionRefused(action))
    expect(linesOf(error).got).toBe('a timeout: "The operation was aborted due to timeout"')
  })

  it.each([
    ['undefined', undefined, 'undefined, which is not an error'],
    ['null', null, 'null, which is not an error'],
    ['a number', 42, 'the number 42, which is not an error'],
    ['a string', 'ECONNREFUSED', "the string 'ECONNREFUSED', which is not an error"],
    ['an object', {}, 'an object, which is not an error'],
    ['a symbol', Symbol('no'), 'the symbol Symbol(no), which is not an error'],
    ['an error without a code', new Error('no'), /^(an )?[Ee]rror without a code.* "no"$/],
    ['a TypeError without a code', new TypeError('no'), /TypeError.* without a code.* "no"$|without a code.* "no"$/],
  ])('describes a thrown value without a code: %s', async (_name, value, text) => {
    const error = await failureOf(assertConnectionRefused(() => Promise.reject(value)))
    const { got: line } = linesOf(error)
    if (typeof text === 'string') expect(line).toBe(text)
    else expect(line).toMatch(text)
    expect(linesOf(error).fix).toBeDefined()
    expect(error.owners).toEqual([])
  })

  const patience: ReadonlyArray<readonly [name: string, action: unknown, text: string]> = [
    ['a promise', new Promise(() => {}), 'nothing within 5 ms: the promise is pending'],
    ['a function', () => new Promise(() => {}), 'nothing within 5 ms: the promise is pending'],
    ['an emitter', new EventEmitter(), "nothing within 5 ms: it emitted neither 'error' nor an event of success"],
  ]
  it.each(patience)('says what the action was still doing: %s', async (_name, action, text) => {
    const error = await failureOf(assertConnectionRefused(action, undefined, { timeout: 5 }))
    expect(linesOf(error).got).toBe(text)
    expect(linesOf(error).fix).toContain('refusedEndpoint()')
  })

  it('says that the socket was still connecting', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const socket = net.connect(endpoint.port, endpoint.address)
    const expected = { address: endpoint.address, port: endpoint.port }
    const error = await failureOf(assertConnectionRefused(socket, expected, { timeout: 5 }))
    expect(linesOf(error).got).toBe('nothing within 5 ms: the socket is still connecting')
    // The peer that it waits for.
    expect(linesOf(error).owner).toMatch(/^this process \(pid \d+\) listens on |^pid \d+ \(.+\) listens on /)
    socket.destroy()
    await once(socket, 'close')
  })
})

describe('an action that succeeds', () => {
  it('names the peer, its first bytes, and its process', async () => {
    await using program = await listeningProgram()
    const error = await failureOf(assertConnectionRefused(() => net.connect(program.port, HERE)))
    expect(linesOf(error)).toEqual({
      expected: 'a refused connection (ECONNREFUSED)',
      got: `it succeeded: connected to ${HERE_IN_URL}:${program.port}, which answered "hello"`,
      owner: `pid ${program.pid} (${NODE}) listens on ${HERE_IN_URL}:${program.port}`,
      fix: expect.stringContaining('refusedEndpoint()'),
    })
    expect(error.owners).toMatchObject([{ pid: program.pid, program: NODE, thisProcess: false, state: 'LISTEN' }])
    expect(error.endpoint).toEqual({ address: HERE, port: program.port, family: HERE_FAMILY })
  })

  it.each(loopbackFamilies())('says that a peer over %s sends nothing', async (family) => {
    await using endpoint = await stalledEndpoint({ family })
    const error = await failureOf(assertConnectionRefused(() => net.connect(endpoint.port, endpoint.address)))
    const place = formatEndpoint(endpoint)
    expect(linesOf(error).got).toMatch(/ which sent nothing for \d+ ms$/)
    expect(linesOf(error).got).toContain(`connected to ${place}, `)
    expect(linesOf(error).owner).toBe(`${THIS} listens on ${place}`)
  })

  it('quotes only the beginning, with control characters escaped', async () => {
    await using server = await listenTcp((socket) => void socket.write(`\x1b[2J\0"\n${'x'.repeat(10_000)}`))
    const error = await failureOf(assertConnectionRefused(() => net.connect(server.port, server.address)))
    const { got: line = '' } = linesOf(error)
    expect(line).toContain('which answered "\\u001b[2J\\u0000\\"\\n')
    expect(line).toMatch(/x"\.\.\.$/)
    expect(line.length).toBeLessThan(200)
  })

  it('reports a peer that closes immediately', async () => {
    await using server = await listenTcp((socket) => void socket.destroy())
    const error = await failureOf(assertConnectionRefused(() => net.connect(server.port, server.address)))
    expect(linesOf(error).got).toContain(`it succeeded: connected to ${formatEndpoint(server)}`)
  })

  it('reports a peer that resets immediately', async () => {
    await using endpoint = await resettingEndpoint()
    const error = await failureOf(assertConnectionRefused(() => net.connect(endpoint.port, endpoint.address)))
    expect(linesOf(error).got).toMatch(/ECONNRESET|connected to/)
  })

  interface Kind {
    readonly name: string
    /** Opens it, and anything that must be closed afterwards anyway. */
    readonly open: () => Promise<Opened> | Opened
    readonly assert?: typeof assertAddressInUse
    /** A part of the message. */
    readonly text: string | RegExp
    readonly onWindows?: false
  }
  interface Opened extends Partial<AsyncDisposable> {
    readonly action: unknown
    /** Whether it is closed now. */
    readonly closed?: () => unknown
  }

  const listening = (server: net.Server): Opened => ({ action: server, closed: () => !server.listening })
  const kinds: readonly Kind[] = [
    {
      name: 'a server about to listen',
      assert: assertAddressInUse,
      open: () => listening(listenAt({ address: HERE, port: 0 })),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'an HTTP server about to listen',
      assert: assertAddressInUse,
      open: () => listening(http.createServer().listen(0, HERE)),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'an HTTP/2 server about to listen',
      assert: assertAddressInUse,
      open: () => listening(http2.createServer().listen(0, HERE)),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      // Without a name to look up, Node binds synchronously, and emits 'listening' later (lib/net.js).
      name: 'a server on every address',
      assert: assertAddressInUse,
      open: () => listening(net.createServer().listen(0)),
      text: /listening on \S+:\d+$/,
    },
    {
      name: 'a function that returns a server on every address',
      assert: assertAddressInUse,
      open: () => {
        const server = net.createServer()
        return { action: () => server.listen(0), closed: () => !server.listening }
      },
      text: /listening on \S+:\d+$/,
    },
    {
      name: 'a server on a path',
      assert: assertAddressInUse,
      onWindows: false,
      open: () => listening(listenOn(join(tmpdir(), `portside-test-${process.pid}-${crypto.randomUUID()}.sock`))),
      text: /listening on \/.*\.sock$/,
    },
    {
      name: 'a server that listens already',
      assert: assertAddressInUse,
      async open() {
        const server = listenAt({ address: HERE, port: 0 })
        await once(server, 'listening')
        return listening(server)
      },
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of a server that listens',
      assert: assertAddressInUse,
      open() {
        const server = listenAt({ address: HERE, port: 0 })
        return { ...listening(server), action: () => once(server, 'listening').then(() => server) }
      },
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of a server that has a connection',
      assert: assertAddressInUse,
      async open() {
        const server = listenAt({ address: HERE, port: 0 })
        await once(server, 'listening')
        const client = net.connect((server.address() as net.AddressInfo).port, HERE).on('error', () => {})
        const [socket] = await once(server, 'connection')
        const end = async (): Promise<void> => {
          for (const each of [client, socket as net.Socket]) each.destroy()
          server.close()
          await until(() => client.closed)
        }
        return { ...listening(server), action: Promise.resolve(server), ...disposing(end) }
      },
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a WebSocket server about to listen',
      assert: (action) => assertAddressInUse(action, undefined, { timeout: 1000 }),
      open() {
        const server = new WebSocketServer({ host: HERE, port: 0 })
        return { action: server, closed: () => server.address() === null, ...disposing(() => void server.close()) }
      },
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a datagram socket about to bind',
      assert: assertAddressInUse,
      open: () => ({ action: dgram.createSocket(UDP_HERE).bind(0, HERE) }),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of a TCP server of portside',
      assert: assertAddressInUse,
      open: () => ({ action: listenTcp() }),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of an HTTP server of portside',
      assert: assertAddressInUse,
      open: () => ({ action: () => listenHttp() }),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of a UDP server of portside',
      assert: assertAddressInUse,
      open: () => ({ action: () => listenUdp() }),
      text: new RegExp(`listening on ${HERE_IN_PATTERN}:\\d+$`),
    },
    {
      name: 'a promise of a unix server of portside',
      assert: assertAddressInUse,
      onWindows: false,
      open: () => ({ action: () => listenUnix() }),
      text: /listening on \/.*\.sock$/,
    },
    {
      name: 'a promise of an endpoint of portside',
      assert: assertAddressInUse,
      open: () => ({ action: () => occupiedEndpoint({ family: HERE_FAMILY }) }),
      text: new RegExp(`${HERE_IN_PATTERN}:\\d+|an object`),
    },
    {
      name: 'a promise of a reservation',
      assert: assertAddressInUse,
      open: () => ({ action: () => reservePort({ family: HERE_FAMILY }) }),
      text: new RegExp(`${HERE_IN_PATTERN}:\\d+|an object`),
    },
    {
      name: 'a socket about to connect',
      async open() {
        const server = await listenTcp((socket) => void socket.write('hello'))
        const socket = net.connect(server.port, server.address)
        return { action: socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: /connected to \S+, which answered "hello"$/,
    },
    {
      name: 'a socket that is connected',
      async open() {
        const server = await listenTcp((socket) => void socket.write('hello'))
        const socket = net.connect(server.port, server.address)
        await once(socket, 'connect')
        return { action: socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: /connected to \S+, which answered "hello"$/,
    },
    {
      name: 'a socket that has been read from',
      async open() {
        const server = await listenTcp((socket) => void socket.write('hello'))
        const socket = net.connect(server.port, server.address).setEncoding('utf8')
        await once(socket, 'readable')
        return { action: () => socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: /connected to \S+, which answered "hello"$/,
    },
    {
      name: 'a promise of a connected socket',
      async open() {
        const server = await listenTcp()
        return { action: () => server.connect(), ...disposing(() => server.close()) }
      },
      text: /connected to \S+, which sent nothing/,
    },
    {
      name: 'a TLS socket',
      async open() {
        const server = await listenTls((socket) => void socket.write('hello'))
        const socket = tls.connect({ port: server.port, host: server.address, ca: server.ca })
        return { action: socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: new RegExp(`connected to ${HERE_IN_PATTERN}:\\d+, which `),
    },
    {
      name: 'a TLS socket that trusts no authority',
      async open() {
        const server = await listenTls()
        const socket = tls.connect({ port: server.port, host: server.address })
        return { action: socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: new RegExp(`connected to ${HERE_IN_PATTERN}:\\d+, which `),
    },
    {
      name: 'a socket to a path',
      onWindows: false,
      async open() {
        const server = await listenUnix((socket) => void socket.write('hello'))
        const socket = net.connect(server.path)
        return { action: socket, closed: () => socket.closed, ...disposing(() => server.close()) }
      },
      text: /connected to a unix socket, which answered "hello"$/,
    },
    {
      name: 'a fetch',
      async open() {
        const server = await listenHttp((_request, response) => void response.writeHead(404).write('for ever'))
        return { action: fetch(server.url), ...disposing(() => server.close({ grace: 0 })) }
      },
      text: new RegExp(`http://${HERE_IN_PATTERN}:\\d+/ answered with HTTP 404$`),
    },
    {
      name: 'an http.get()',
      async open() {
        const server = await listenHttp((_request, response) => void response.writeHead(404).write('for ever'))
        const action = http.get(server.url, { agent: false })
        return { action, ...disposing(() => server.close({ grace: 0 })) }
      },
      text: /answered with HTTP 404$/,
    },
    {
      name: 'a request of undici',
      async open() {
        const server = await listenHttp((_request, response) => void response.writeHead(404).write('for ever'))
        const dispatcher = new undici.Agent()
        const action = undici.request(server.url, { dispatcher })
        return { action, ...disposing(() => Promise.all([dispatcher.destroy(), server.close({ grace: 0 })])) }
      },
      text: /answered with HTTP 404$/,
    },
    {
      name: 'a request of axios',
      async open() {
        const server = await listenHttp((_request, response) => void response.end('hello'))
        const action = () => axios.get(server.url.href, { proxy: false })
        return { action, ...disposing(() => server.close({ grace: 0 })) }
      },
      text: new RegExp(`succeeded: (http://${HERE_IN_PATTERN}:\\d+/ )?answered with HTTP 200$`),
    },
    {
      name: 'a request of got',
      async open() {
        const server = await listenHttp((_request, response) => void response.end('hello'))
        const action = () => got(server.url, { retry: { limit: 0 } })
        return { action, ...disposing(() => server.close({ grace: 0 })) }
      },
      text: /answered with HTTP 200$/,
    },
    {
      name: 'an HTTP/2 session',
      async open() {
        const server = await listenHttp2()
        const session = http2.connect(server.url)
        return { action: session, closed: () => session.destroyed, ...disposing(() => server.close({ grace: 0 })) }
      },
      text: /succeeded: /,
    },
    {
      name: 'an HTTP/2 request',
      open: openStream,
      text: /succeeded: /,
    },
    {
      name: 'an HTTP/2 request, for which a connection is not enough',
      assert: assertConnectionReset,
      open: openStream,
      text: /answered with HTTP 404$/,
    },
    {
      name: 'a WebSocket',
      async open() {
        const server = new WebSocketServer({ host: HERE, port: 0 })
        await once(server, 'listening')
        const { port } = server.address() as net.AddressInfo
        const socket = new WebSocket(`ws://${HERE_IN_URL}:${port}`)
        const close = () => new Promise((resolve) => server.close(resolve))
        return { action: socket, closed: () => socket.readyState === WebSocket.CLOSED, ...disposing(close) }
      },
      text: /succeeded: /,
    },
    {
      name: 'a client of Redis',
      async open() {
        const server = await listenTcp(() => {})
        const redis = new Redis({ port: server.port, host: server.address, retryStrategy: () => null })
        return {
          action: redis,
          // It ends its half, and waits for the other end.
          closed: () => (redis as unknown as { stream: net.Socket }).stream.writableEnded,
          ...disposing(() => server.close()),
        }
      },
      text: /succeeded: /,
    },
    {
      name: 'a client of PostgreSQL',
      async open() {
        const server = await listenTcp((socket) => {
          // AuthenticationOk and ReadyForQuery (https://www.postgresql.org/docs/current/protocol-message-formats.html).
          socket.once('data', () => void socket.write(Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1')))
        })
        const client = new pg.Client({ host: server.address, port: server.port, user: 'u', ssl: false })
        let ended = false
        client.on('end', () => {
          ended = true
        })
        const end = async (): Promise<void> => {
          client.end()
          await server.close({ grace: 0 })
        }
        return { action: () => client.connect().then(() => client), closed: () => ended, ...disposing(end) }
      },
      text: /succeeded: /,
    },
    {
      name: 'something whose disposal does not end',
      open: () => ({ action: () => ({ [Symbol.asyncDispose]: () => new Promise(() => {}) }) }),
      text: 'it succeeded: an object',
    },
    {
      name: 'something whose disposal fails',
      open: () => ({ action: () => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error('no')) }) }),
      text: 'it succeeded: an object',
    },
    {
      name: 'something whose close() throws',
      open: () => ({
        action: Promise.resolve(
          Object.assign(new EventEmitter(), {
            close() {
              throw new Error('no')
            },
          }),
        ),
      }),
      text: 'it succeeded: an EventEmitter object',
    },
    { name: 'nothing', open: () => ({ action: () => undefined }), text: 'it succeeded: undefined' },
    { name: 'a promise of nothing', open: () => ({ action: Promise.resolve() }), text: 'it succeeded: undefined' },
    { name: 'a number', open: () => ({ action: () => 42 }), text: 'it succeeded: the number 42' },
    { name: 'a function', open: () => ({ action: () => () => {} }), text: 'it succeeded: a function' },
  ]

  const here = kinds.filter(({ onWindows = true }) => onWindows || !isWindows)
  it.each(here.map((kind) => [kind.name, kind] as const))(
    'is reported, and what it opened is closed: %s',
    { timeout: 8000 },
    async (_name, { open, text, assert = assertConnectionRefused }) => {
      const { action, closed = () => true, [Symbol.asyncDispose]: dispose = async () => {} } = await open()
      const error = await failureOf(assert(action))
      const { got: line } = linesOf(error)
      const isClosed = closed()
      await dispose()
      expect(line).toMatch(/^it succeeded: /)
      expect(line).toMatch(text)
      expect(isClosed).toBe(true)
    },
  )
})

async function openStream() {
  const server = await listenHttp2((_request, response) => void response.writeHead(404).write('for ever'))
  const session = http2.connect(server.url)
  const stream = session.request({ ':path': '/' })
  const end = async (): Promise<void> => {
    session.destroy()
    await server.close({ grace: 0 })
  }
  return { action: stream, closed: () => stream.destroyed, ...disposing(end) }
}

describe('an action that does not end in time', () => {
  it('is closed if a function began it, because nothing else can', async (context) => {
    needsKernel(context)
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const before = openSockets().length
    const dial = () => net.connect(endpoint.port, endpoint.address)
    await failureOf(assertConnectionRefused(dial, undefined, { timeout: 5 }))
    for (let turns = 0; turns < 4; turns++) await turn()
    const after = openSockets().length
    expect(after).toBe(before)
  })

  it('is closed if it stays connected instead of being reset', async (context) => {
    needsKernel(context)
    await using endpoint = await stalledEndpoint()
    const before = openSockets().length
    const dial = () => net.connect(endpoint.port, endpoint.address)
    const error = await failureOf(assertConnectionReset(dial, undefined, { timeout: 50 }))
    for (let turns = 0; turns < 4; turns++) await turn()
    // The endpoint may keep its end for a moment longer, but not the client.
    expect(openSockets().length).toBeLessThanOrEqual(before + 1)
    expect(linesOf(error).got).toContain(formatEndpoint(endpoint))
  })

  it('is closed if a function began it, also when a signal aborts the wait', async (context) => {
    needsKernel(context)
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const before = openSockets().length
    const dial = () => net.connect(endpoint.port, endpoint.address)
    const given = assertConnectionRefused(dial, undefined, { signal: AbortSignal.timeout(5) })
    await expect(given).rejects.toMatchObject({ code: 'ABORT_ERR' })
    for (let turns = 0; turns < 4; turns++) await turn()
    expect(openSockets().length).toBe(before)
  })

  it.each([
    ['a timeout', () => ({ timeout: 1 })],
    ['a signal', () => ({ signal: AbortSignal.timeout(1) })],
  ])('is closed when it succeeds later, if a function began it: %s', async (_name, options) => {
    const opened = gate<net.Server>()
    await expect(assertAddressInUse(() => opened.opened, undefined, options())).rejects.toThrow()
    const server = listenAt({ address: HERE, port: 0 })
    await once(server, 'listening')
    opened.open(server)
    for (let turns = 0; turns < 4; turns++) await turn()
    const { listening } = server
    server.close()
    expect(listening).toBe(false)
  })

  it.each([
    ['by its timeout', () => ({ timeout: 5 })],
    ['by its signal', () => ({ signal: AbortSignal.timeout(5) })],
    ['by a signal that was aborted before', () => ({ signal: AbortSignal.abort() })],
    ['because of invalid options', () => ({ timeout: -1 })],
    ['because of an invalid signal', () => ({ signal: 1 }) as never],
  ])('raises no unhandled error when it fails later: %s', async (_name, options) => {
    await using endpoint = await stalledEndpoint()
    const socket = net.connect(endpoint.port, endpoint.address)
    await once(socket, 'connect')
    await expect(assertConnectionReset(socket, undefined, options())).rejects.toThrow()
    const listeners = socket.listenerCount('error')
    if (listeners === 0) socket.on('error', () => {})
    socket.destroy(new Error('late'))
    await until(() => socket.closed)
    expect(listeners).toBeGreaterThan(0)
  })
})

describe('the listeners of an emitter', () => {
  interface Ending {
    readonly name: string
    readonly end: (emitter: EventEmitter) => unknown
    /** Whether a listener for later errors stays. */
    readonly silenced?: true
  }
  const endings: readonly Ending[] = [
    { name: 'an error', end: (emitter) => emitter.emit('error', new Error('no')), silenced: true },
    { name: 'a close', end: (emitter) => emitter.emit('close') },
    { name: 'a connect', end: (emitter) => emitter.emit('connect'), silenced: true },
    { name: 'its own timeout', end: (emitter) => emitter.emit('timeout'), silenced: true },
    { name: 'nothing', end: () => {}, silenced: true },
  ]
  const make: ReadonlyArray<readonly [name: string, make: () => EventEmitter]> = [
    ['an emitter of the user', () => new EventEmitter()],
    ['a socket', () => new net.Socket()],
    ['a server', () => net.createServer()],
    ['a request', () => http.request({ host: HERE, port: 1, agent: new http.Agent({ maxSockets: 0 }) })],
  ]
  // An unconnected socket that is read listens for its own 'connect' (_read in lib/net.js).
  const cases = make
    .flatMap(([kind, create]) => endings.map((ending) => [kind, ending.name, create, ending] as const))
    .filter(([kind, ending]) => !(kind === 'a socket' && ending === 'a connect'))

  it.each(cases)('are unchanged after the assertion: %s, %s', async (_kind, _name, create, { end, silenced }) => {
    const emitter = create()
    for (const event of ['error', 'close', 'connect', 'listening', 'timeout', 'response', 'open', 'ready']) {
      emitter.on(event, () => {})
    }
    emitter.once('error', () => {})
    const before = listenersOf(emitter)
    const ended = assertConnectionRefused(emitter, undefined, { timeout: 20 }).catch(() => {})
    end(emitter)
    await ended
    // The event removes the user's once() listener.
    const left = listenersOf(emitter).filter((listener) => !before.includes(listener))
    const gone = before.filter((listener) => !listenersOf(emitter).includes(listener))
    const silencers: unknown[] = silenced ? emitter.rawListeners('error') : []
    expect(left.filter((listener) => !silencers.includes(listener))).toEqual([])
    expect(gone.length).toBeLessThanOrEqual(1)
    ;(emitter as Partial<net.Socket>).destroy?.()
  })

  it.each([
    ['refused', () => refusedEndpoint(), 'connect'],
    ['reset', () => resettingEndpoint({ after: 'first-byte' }), 'reset'],
  ] as const)('are unchanged on a socket that is %s', async (_name, open, what) => {
    await using endpoint = await open()
    const socket = saying('ping', net.connect(endpoint.port, endpoint.address))
    const seen: string[] = []
    for (const event of ['error', 'close', 'connect', 'end']) socket.on(event, () => void seen.push(event))
    const before = listenersOf(socket)
    await (what === 'reset' ? assertConnectionReset(socket) : assertConnectionRefused(socket))
    expect(listenersOf(socket)).toEqual(before)
    await until(() => seen.includes('close'))
    expect(seen.filter((event) => event === 'error')).toHaveLength(1)
  })

  it('are unchanged on a server whose address is in use', async () => {
    await using endpoint = await occupiedEndpoint()
    const server = listenAt(endpoint)
    const before = listenersOf(server)
    await assertAddressInUse(server)
    expect(listenersOf(server)).toEqual(before)
  })

  it('are unchanged on a request that is refused', async () => {
    await using endpoint = await refusedEndpoint()
    const request = http.get({ host: endpoint.address, port: endpoint.port, agent: false })
    const before = listenersOf(request)
    await assertConnectionRefused(request)
    expect(listenersOf(request)).toEqual(before)
  })

  it('let the user see later errors of a server that listens again', async () => {
    await using endpoint = await occupiedEndpoint()
    const server = listenAt(endpoint)
    await assertAddressInUse(server)
    server.listen(0, HERE)
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    expect(server.eventNames().filter((event) => event !== 'connection')).toEqual([])
  })
})

describe('no unhandled error or rejection', () => {
  it('comes from a client after its own timeout', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const socket = net.connect({ port: endpoint.port, host: endpoint.address, timeout: 5 })
    await assertConnectionTimedOut(socket)
    socket.destroy(new Error('late'))
    await until(() => socket.closed)
  })

  it('comes from a promise if an argument is invalid', async () => {
    const rejected = Promise.reject(new Error('no'))
    await expect(assertConnectionRefused(rejected, { port: 'x' } as never)).rejects.toMatchObject({
      code: 'ERR_SOCKET_BAD_PORT',
    })
    await turn()
  })

  it('comes from an emitter if an argument is invalid', async () => {
    await using endpoint = await refusedEndpoint()
    const socket = net.connect(endpoint.port, endpoint.address)
    await expect(assertConnectionRefused(socket, { port: 'x' } as never)).rejects.toMatchObject({
      code: 'ERR_SOCKET_BAD_PORT',
    })
    const listeners = socket.listenerCount('error')
    if (listeners === 0) socket.on('error', () => {})
    await until(() => socket.closed)
    expect(listeners).toBeGreaterThan(0)
  })

  it('comes from a promise if the options are invalid', async () => {
    const rejected = () => Promise.reject(new Error('no'))
    await expect(assertConnectionRefused(rejected(), undefined, { timeout: 0 })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    })
    await expect(assertConnectionRefused(rejected(), undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject(
      { code: 'ABORT_ERR' },
    )
    await expect(assertConnectionRefused(rejected(), undefined, null as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
    await turn()
  })

  it('comes from an HTTPS server whose client disconnects', async () => {
    await using server = await listenHttps()
    await failureOf(assertConnectionRefused(() => net.connect(server.port, server.address)))
  })
})

async function failureOf(assertion: Promise<unknown>): Promise<PortsideAssertionError> {
  const error = await assertion.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'PortsideAssertionError', code: 'ERR_PORTSIDE_ASSERTION' })
  return error
}

/** The lines of the message by label, checked for their order and for duplicates. */
function linesOf({ message }: Error): Partial<Record<(typeof LINES)[number], string>> {
  const [headline = '', ...labelled] = message.split('\n')
  const lines = labelled.map((line) => /^ {2}(\w+) +(.*)$/.exec(line) as [string, string, string] | null)
  const names = lines.map((line) => line?.[1] as (typeof LINES)[number])
  expect(names).toEqual(LINES.filter((name) => names.includes(name)))
  expect(message).not.toMatch(/\[object|NaN/)
  expect(headline).toMatch(/^Expected .*\.$/)
  return {
    expected: headline.slice('Expected '.length, -1),
    ...Object.fromEntries(lines.map((line) => [line?.[1], line?.[2]])),
  }
}

const LINES = ['expected', 'got', 'tried', 'cause', 'owner', 'fix'] as const

function listenersOf(emitter: EventEmitter): unknown[] {
  return emitter.eventNames().flatMap((event) => emitter.rawListeners(event))
}
