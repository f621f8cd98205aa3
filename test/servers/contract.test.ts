import { once } from 'node:events'
import { existsSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Family,
  type ListenOptions,
  listen,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  probeLoopback,
  type TestServer,
} from '../../src/index.js'
import { needsSocketFile } from '../support/abilities.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { READABLE } from '../support/readable.js'

leavesNothingOpen()

/** A value that is not an object stays as it is, because the call must reject it. */
const isObject = (options: unknown) => options === undefined || (typeof options === 'object' && options !== null)

type Listen = (options?: ListenOptions) => Promise<TestServer<net.Server>>

/** One contract for every kind of server that listens on an address. */
const KINDS: Array<{ name: string; scheme: string; start: Listen }> = [
  { name: 'listenTcp', scheme: 'tcp:', start: (options) => listenTcp(undefined, options) },
  { name: 'listenTls', scheme: 'tls:', start: (options) => listenTls(undefined, options) },
  { name: 'listenHttp', scheme: 'http:', start: (options) => listenHttp(undefined, options) },
  { name: 'listenHttps', scheme: 'https:', start: (options) => listenHttps(undefined, options) },
  { name: 'listenHttp2', scheme: 'http:', start: (options) => listenHttp2(undefined, options as object) },
  {
    name: 'listenHttp2 secure',
    scheme: 'https:',
    start: (options) => listenHttp2(undefined, isObject(options) ? { ...options, secure: true } : (options as never)),
  },
  { name: 'listen(net.Server)', scheme: 'tcp:', start: (options) => listen(net.createServer(), options) },
  { name: 'listen(http.Server)', scheme: 'http:', start: (options) => listen(http.createServer(), options) },
  {
    name: 'listenUdp',
    scheme: 'udp:',
    start: (options) => listenUdp(undefined, options) as unknown as ReturnType<Listen>,
  },
]

const FAMILIES = loopbackFamilies()
const LOOPBACK: Record<Family, string> = { IPv4: '127.0.0.1', IPv6: '::1' }

describe.each(KINDS)('$name', ({ start, scheme }) => {
  it('listens on the first loopback family, at a port that the kernel picked', async () => {
    const server = await start()
    const address = server.server.address() as net.AddressInfo
    expect(server.endpoint).toEqual(address)
    expect(server).toMatchObject({ address: address.address, port: address.port, family: FAMILIES[0] })
    expect(server.endpoints).toEqual([server.endpoint])
    expect(server.port).toBeGreaterThan(0)
    await server.close()
  })

  it.each(FAMILIES)('listens on loopback of %s, and accepts a client there', async (family) => {
    const server = await start({ family })
    expect(server.address).toBe(LOOPBACK[family])
    expect(server.url.protocol).toBe(scheme)
    expect(server.url.host).toBe(`${family === 'IPv6' ? '[::1]' : '127.0.0.1'}:${server.port}`)
    await server.connect()
    await server.close()
  })

  it.skipIf(FAMILIES.length < 2)('listens on one port of both families when dual', async () => {
    const server = await start({ family: 'dual' })
    expect(server.endpoints.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
    expect(new Set(server.endpoints.map(({ port }) => port))).toEqual(new Set([server.port]))
    for (const family of FAMILIES) await server.connect({ family })
    await server.close()
  })

  it('listens on localhost, and on an address of this host', async () => {
    const named = await start({ host: 'localhost' })
    expect((await probeLoopback()).localhost.map(({ address }) => address)).toContain(named.address)
    await named.close()
    const [family] = FAMILIES
    const addressed = await start({ host: LOOPBACK[family as Family] })
    expect(addressed.address).toBe(LOOPBACK[family as Family])
    await addressed.close()
  })

  it('gives a URL that clients can use for a wildcard', async () => {
    const server = await start({ host: FAMILIES[0] === 'IPv6' ? '::' : '0.0.0.0' })
    expect(server.url.hostname).toBe(FAMILIES[0] === 'IPv6' ? '[::1]' : '127.0.0.1')
    await server.connect()
    await server.close()
  })

  it('closes once if close() is called several times, and refuses afterwards', async () => {
    const before = listeners()
    const server = await start()
    const closing = server.close()
    expect(server.close()).toBe(closing)
    const report = await closing
    expect(await server.close()).toBe(report)
    await server[Symbol.asyncDispose]()
    expect(listeners()).toEqual(before)
    await expect(server.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
  })

  it('is closed by the end of an await using block', async () => {
    let server: Awaited<ReturnType<Listen>>
    {
      await using scoped = await start()
      server = scoped
    }
    await expect(server.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
  })

  it.each([-1, 65_536, 1.5, Number.NaN, '80', null])('rejects the port %o', async (port) => {
    await expect(start({ port: port as number })).rejects.toMatchObject({
      code: 'ERR_SOCKET_BAD_PORT',
      message: expect.stringContaining('expected an integer from 0 to 65535'),
    })
  })

  it.each([
    [{ family: 'IPv5' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'dual', host: '127.0.0.1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'IPv6', host: '127.0.0.1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ host: '' }, 'ENOTFOUND'],
    // An empty label, which the resolver rejects without a query.
    [{ host: 'a..b' }, 'ENOTFOUND'],
    // TEST-NET-1, RFC 5737: no host should have .200 of it.
    [{ host: '192.0.2.200' }, 'EADDRNOTAVAIL'],
    [{ grace: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ grace: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
    [{ grace: '5' }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o', async (options, code) => {
    const error = await start(options as ListenOptions).then(
      () => expect.unreachable(),
      (error) => error,
    )
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(READABLE)
  })

  it.each([null, 3000, 'options'])('rejects %o as its options', async (options) => {
    await expect(start(options as unknown as ListenOptions)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it.each([null, {}, 5])('rejects %o as its signal', async (signal) => {
    await expect(start({ signal: signal as AbortSignal })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('Invalid `signal`: expected an AbortSignal, got '),
    })
  })

  it('rejects with EADDRINUSE when the port is taken', async () => {
    const holder = await start()
    await expect(start({ port: holder.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port: holder.port,
      address: holder.address,
      headline: `Cannot listen on ${holder.url.host}: EADDRINUSE (address already in use)`,
    })
    await holder.close()
  })

  it('names the owner of a taken port, and the line that opened it', async (context) => {
    needsKernel(context)
    const holder = await start()
    const error = await start({ port: holder.port }).catch((error) => error)
    expect(error).toMatchObject({
      owner: expect.stringMatching(/^this process \(pid \d+\) (listens|has a UDP socket) on /),
      openedAt: expect.stringMatching(/^test\/servers\/contract\.test\.ts:\d+:\d+, by /),
      owners: [{ pid: process.pid, thisProcess: true, local: holder.endpoint }],
    })
    expect(error.owner).toContain(`(pid ${process.pid}) `)
    expect(error.owner.endsWith(` on ${holder.url.host}`)).toBe(true)
    expect(error.message).toContain(
      `\n  owner      ${error.owner}\n  opened at  ${error.openedAt}\n  fix        close that socket first and await it`,
    )
    await holder.close()
  })

  it('rejects a signal that was already aborted', async () => {
    const reason = new Error('enough')
    await expect(start({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: reason,
    })
  })

  it('unbinds when its signal is aborted while it binds', async () => {
    const abort = new AbortController()
    const listening = start({ signal: abort.signal })
    abort.abort()
    await expect(listening).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })

  it('closes when its signal is aborted afterwards', async () => {
    const abort = new AbortController()
    const server = await start({ signal: abort.signal })
    const closed = once(server.server, 'close')
    abort.abort()
    await closed
    await expect(server.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    await server.close()
  })
})

describe.each(KINDS.filter(({ name }) => name !== 'listenUdp'))('$name', ({ start }) => {
  it.each([
    [0, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [1.5, 'ERR_OUT_OF_RANGE'],
    ['5', 'ERR_INVALID_ARG_TYPE'],
  ])('rejects the backlog %o', async (backlog, code) => {
    await expect(start({ backlog: backlog as number })).rejects.toMatchObject({ code })
  })

  it('counts each client once', async () => {
    const server = await start({ backlog: 5 })
    await Promise.all([server.connect(), server.connect(), server.connect()])
    while (server.connections.size < 3) await new Promise(setImmediate)
    expect(server.connections.size).toBe(3)
    expect([...server.connections]).toHaveLength(3)
    await server.close()
    expect(server.connections.size).toBe(0)
  })
})

describe.each([
  ['listenTcp', listenTcp],
  ['listenTls', listenTls],
  ['listenHttp', listenHttp],
  ['listenHttps', listenHttps],
  ['listenHttp2', listenHttp2],
  ['listenUdp', listenUdp],
  ['listenUnix', listenUnix],
] as const)('%s', (_name, start) => {
  it.each([null, 5, 'handler', { family: 'IPv4' }])('rejects %o as its handler', async (handler) => {
    await expect((start as (handler: unknown) => Promise<unknown>)(handler)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('a function (options go second)'),
    })
  })
})

describe('listen', () => {
  it.each([undefined, null, 5, {}, new http.Agent()])('rejects %o', async (server) => {
    await expect(listen(server as unknown as net.Server)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it('rejects a server that listens, and says where', async () => {
    const server = net.createServer().listen(0, LOOPBACK[FAMILIES[0] as Family])
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    await expect(listen(server)).rejects.toMatchObject({
      code: 'ERR_SERVER_ALREADY_LISTEN',
      message: expect.stringContaining(`:${(server.address() as net.AddressInfo).port}`),
    })
    expect(server.listening).toBe(true)
    server.close()
    await once(server, 'close')
  })

  it('rejects a server that portside or its user closed', async () => {
    const ours = await listenTcp()
    await ours.close()
    await expect(listen(ours.server)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    const theirs = net.createServer().listen(0, LOOPBACK[FAMILIES[0] as Family])
    await once(theirs, 'listening')
    theirs.close()
    await once(theirs, 'close')
    await expect(listen(theirs)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
  })

  it('accepts a server whose first listen failed', async () => {
    const holder = await listenTcp()
    const server = net.createServer()
    await expect(listen(server, { port: holder.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const second = await listen(server)
    await second.close()
    await holder.close()
  })

  it('rejects if the server is closed before it is bound', async () => {
    const server = net.createServer()
    const listening = listen(server)
    server.close()
    await expect(listening).rejects.toMatchObject({ code: 'ERR_PORTSIDE_CLOSED_WHILE_LISTENING' })
    expect(server.listening).toBe(false)
  })

  it("serves HTTP on the user's unix path, and removes only the socket", async (context) => {
    needsSocketFile(context)
    const made = await listenUnix()
    const path = made.path.replace('s.sock', 'http.sock')
    const server = await listen(
      http.createServer((_request, response) => response.end('ok')),
      { path },
    )
    const body = await new Promise((resolve, reject) => {
      http
        .get({ socketPath: path }, (response) => response.on('data', (data) => resolve(String(data))))
        .on('error', reject)
    })
    expect(body).toBe('ok')
    await server.close()
    expect(existsSync(path)).toBe(false)
    expect(existsSync(made.path)).toBe(true)
    await made.close()
    expect(existsSync(made.path)).toBe(false)
  })
})

/** Listeners and datagram sockets that Node itself counts as open. */
function listeners(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /^(TCPServer|UDP)/.test(name))
}
