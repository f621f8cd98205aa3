import { fork } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it, test } from 'vitest'
import * as internals from '../../src/platform/node-internals.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { turn, until } from '../support/clients.js'
import { HERE, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

const { isHandleOpen, isRef } = internals

leavesNothingOpen()

test.each([
  ['closed', null, false, 'linux', false],
  ['not yet open', { fd: -1 }, false, 'linux', false],
  ['open', { fd: 20 }, false, 'linux', true],
  ['open, and its owner destroyed', { fd: 20 }, true, 'linux', true],
  ['open on macOS', { fd: 20 }, false, 'darwin', true],
  ['open on Windows, which has no descriptors', { fd: -1 }, false, 'win32', true],
  ['closed on Windows', { fd: -1 }, true, 'win32', false],
  ['one that the primary of a cluster listens for', {}, false, 'linux', true],
] as const)('a handle that is %s', (_name, handle, destroyed, platform, expected) => {
  expect(isHandleOpen(handle, destroyed, platform)).toBe(expected)
})

test.each<[string, internals.SocketHandle | null, boolean]>([
  ['says so', { hasRef: () => true }, true],
  ['was unref’d', { hasRef: () => false }, false],
  ['is TLS on one that was unref’d', { _parent: { hasRef: () => false } }, false],
  ['does not say', {}, true],
  ['is closed', null, true],
])('a handle that %s keeps its process: %j', (_name, handle, expected) => {
  expect(isRef(handle)).toBe(expected)
})

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port

/** Both ends of a connection to the server. */
async function connect(server: net.Server): Promise<{ client: net.Socket; accepted: net.Socket } & AsyncDisposable> {
  await once(server.listen(0, HERE), 'listening')
  const client = net.connect(portOf(server), HERE).on('error', () => {})
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[net.Socket], []]
  return {
    client,
    accepted,
    async [Symbol.asyncDispose]() {
      client.destroy()
      accepted.destroy()
      if (server.listening) await once(server.close(), 'close')
    },
  }
}

describe('the handle of a socket', () => {
  it('has a descriptor, its queued bytes, and whether it keeps the process alive', async () => {
    await using pair = await connect(net.createServer())
    const { client, accepted } = pair
    for (const socket of [client, accepted]) {
      const handle = internals.handleOf(socket)
      expect(handle).toMatchObject({ fd: expect.any(Number), writeQueueSize: 0 })
      expect(isHandleOpen(handle, false)).toBe(true)
      expect(isRef(handle)).toBe(true)
      socket.unref()
      expect(isRef(handle)).toBe(false)
      socket.ref()
    }
  })

  it('has both addresses', async () => {
    await using pair = await connect(net.createServer())
    const { client, accepted } = pair
    const [own, peer] = [{}, {}]
    expect(internals.handleOf(client)?.getsockname?.(own)).toBe(0)
    expect(internals.handleOf(accepted)?.getpeername?.(peer)).toBe(0)
    expect(own).toEqual(peer)
    expect(own).toMatchObject({ address: HERE, port: client.localPort })
  })

  it('is null once the socket or server is closed', async () => {
    const server = net.createServer()
    await using pair = await connect(server)
    const { client } = pair
    expect(internals.handleOf(server)?.close).toBeTypeOf('function')
    client.destroy()
    server.close()
    expect([internals.handleOf(client), internals.handleOf(server)]).toEqual([null, null])
  })

  it('receives nothing after it stops reading', async () => {
    await using pair = await connect(net.createServer())
    const { client, accepted } = pair
    internals.stopReading(client.resume())
    accepted.end('not read')
    await once(accepted, 'finish')
    for (let turns = 0; turns < 8; turns++) await turn()
    expect(client).toMatchObject({ bytesRead: 0, readableEnded: false })
  })

  it('is found below TLS', async () => {
    const server = tls.createServer(await processCertificate())
    await once(server.listen(0, HERE), 'listening')
    const raw = once(server, 'connection')
    const secured = once(server, 'secureConnection')
    const client = tls.connect({ host: HERE, port: portOf(server), rejectUnauthorized: false })
    const [accepted] = (await secured) as [tls.TLSSocket]
    expect(internals.rawSocketOf(accepted)).toBe((await raw)[0])
    client.unref()
    expect(isRef(internals.handleOf(client))).toBe(false)
    client.ref()
    expect(isRef(internals.handleOf(client))).toBe(true)
    client.destroy()
    accepted.destroy()
    await once(server.close(), 'close')
  })

  it('of an IPC channel has a descriptor', async () => {
    const child = fork(process.execPath, [], { execArgv: ['--version'], silent: true })
    expect(internals.channelOf(child)).toMatchObject({ fd: expect.any(Number) })
    await once(child, 'close')
  })
})

describe('a datagram socket', () => {
  it('has a handle until it is closed, and a type before it is bound', async () => {
    const socket = dgram.createSocket(UDP_HERE)
    expect(internals.datagramType(socket)).toBe(UDP_HERE)
    await once(socket.bind(0, HERE), 'listening')
    expect(isHandleOpen(internals.datagramHandle(socket), false)).toBe(true)
    await once(socket.close(), 'close')
    expect(internals.datagramHandle(socket)).toBeNull()
  })
})

describe('a server', () => {
  it('is known to its accepted sockets, and counts them', async () => {
    const server = net.createServer()
    await using pair = await connect(server)
    const { client, accepted } = pair
    expect(internals.serverOf(accepted)).toBe(server)
    expect(internals.serverOf(client)).toBeNull()
    expect(internals.connectionCount(server)).toBe(1)
  })

  it('keeps its bound key after its close', async () => {
    const server = net.createServer()
    expect(internals.wasEverBound(server)).toBe(false)
    await once(server.listen(0, HERE), 'listening')
    await once(server.close(), 'close')
    expect(internals.wasEverBound(server)).toBe(true)
    internals.forgetBind(server)
    expect(internals.wasEverBound(server)).toBe(false)
  })

  it('keeps the options for accepted sockets', () => {
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true, highWaterMark: 99 }
    expect(internals.acceptOptionsOf(net.createServer(options))).toMatchObject(options)
  })
})

describe('an HTTP/2 server whose sessions are hidden', () => {
  it.each(['plain', 'secure'] as const)('closes none of them, and has them again after the undo: %s', async (kind) => {
    const identity = await processCertificate()
    const server = kind === 'plain' ? http2.createServer() : http2.createSecureServer(identity)
    await once(server.listen(0, HERE), 'listening')
    const scheme = kind === 'plain' ? 'http' : 'https'
    const { ca } = identity
    const client = http2.connect(`${scheme}://localhost:${portOf(server)}`, { host: HERE, ca } as object)
    const [[session]] = (await Promise.all([once(server, 'session'), once(client, 'remoteSettings')])) as [
      [http2.ServerHttp2Session],
      unknown,
    ]
    const keysBefore = Object.getOwnPropertySymbols(server).map((key) => Reflect.get(server, key))
    const undo = internals.hideHttp2Sessions(server)
    const closed = once(server, 'close')
    server.close()
    undo?.()
    expect(session.closed).toBe(false)
    expect(Object.getOwnPropertySymbols(server).map((key) => Reflect.get(server, key))).toEqual(keysBefore)
    client.destroy()
    await closed
  })
})

describe('a request', () => {
  it('is on its socket until its answer, and has its agent and its answer', async () => {
    const server = http.createServer((_request, response) => void response.end())
    await once(server.listen(0, HERE), 'listening')
    const agent = new http.Agent({ keepAlive: true })
    const request = http.get({ host: HERE, port: portOf(server), agent })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    expect(internals.agentOf(request)).toBe(agent)
    expect(internals.answerTo(request)).toBe(response)
    expect(internals.requestOn(response.socket)).toBe(request)
    const { socket } = response
    response.resume()
    await once(agent, 'free')
    expect(internals.requestOn(socket)).toBeUndefined()
    agent.destroy()
    await once(server.close(), 'close')
  })
})

describe('the stream of a socket', () => {
  it('counts the bytes that it has passed to the handle', async () => {
    await using pair = await connect(net.createServer({ pauseOnConnect: true }))
    const { client } = pair
    const queued = Buffer.alloc(64 * 1024 * 1024)
    expect(internals.bytesUnderWay(client)).toBe(0)
    client.write(queued)
    expect(internals.bytesUnderWay(client)).toBe(queued.length)
  })

  it('has a method that sends the FIN', async () => {
    await using pair = await connect(net.createServer())
    const { client } = pair
    expect((client as unknown as internals.Finishing)._final).toBeTypeOf('function')
  })

  it('resets the connection on destroy() after resetOnDestroy()', async () => {
    await using pair = await connect(net.createServer())
    const { client, accepted } = pair
    const error = new Promise((resolve) => void client.resume().once('error', resolve))
    internals.resetOnDestroy(accepted)
    accepted.destroy()
    expect(await error).toMatchObject({ code: 'ECONNRESET' })
  })
})

describe('a client socket', () => {
  it('is handshaking until it has connected, and until TLS has', async () => {
    const server = net.createServer((accepted) => void accepted.resume())
    await once(server.listen(0, HERE), 'listening')
    const client = net.connect(portOf(server), HERE)
    expect(internals.isHandshaking(client)).toBe(true)
    await once(client, 'connect')
    expect(internals.isHandshaking(client)).toBe(false)
    const secure = tls.connect({ socket: client })
    expect(internals.isHandshaking(secure)).toBe(true)
    secure.destroy()
    client.destroy()
    await once(server.close(), 'close')
  })

  it('knows that the other end has closed before the end is read', async () => {
    await using pair = await connect(net.createServer({ allowHalfOpen: true }))
    const { client, accepted } = pair
    expect(internals.hasReadEnd(client)).toBe(false)
    accepted.end()
    await until(() => internals.hasReadEnd(client))
  })
})

describe('a timer', () => {
  it('is over after it was cleared or has fired, and shows when it is due', async () => {
    const started = setTimeout(() => {}, 1)
    const cleared = setTimeout(() => {}, 5000)
    expect(internals.dueIn(cleared, started)).toBeGreaterThan(4900)
    expect(internals.dueIn(cleared, started)).toBeLessThanOrEqual(5001)
    expect(internals.isTimerOver(cleared)).toBe(false)
    clearTimeout(cleared)
    expect(internals.isTimerOver(cleared)).toBe(true)
    await until(() => internals.isTimerOver(started))
  })
})
