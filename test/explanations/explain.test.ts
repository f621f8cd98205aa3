import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream'
import tls from 'node:tls'
import { promisify } from 'node:util'
import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../src/explanations/codes.js'
import {
  explainSocketError,
  formatEndpoint,
  listenHttp,
  listenTcp,
  listenTls,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  refusedEndpoint,
  reservePort,
  resettingEndpoint,
  type SocketExplanation,
  stalledEndpoint,
  unresponsiveEndpoint,
} from '../../src/index.js'
import {
  disposing,
  errorOf,
  leaveFileBehind,
  listenAt,
  listeningProgram,
  listenOn,
  lookupBoth,
  situations,
} from '../assertions/situations.js'
import { openOrSkip } from '../endpoints/clients.js'
import { ELSEWHERE, HERE, HERE_FAMILY, HERE_IN_URL, needsDescriptors, needsIPv4, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const isWindows = process.platform === 'win32'
const isLinux = process.platform === 'linux'
const isDual = loopbackFamilies().length === 2
const THIS = `this process (pid ${process.pid})`

describe('each code', () => {
  const places: ReadonlyArray<readonly [name: string, place: object]> = [
    ['nowhere', {}],
    ['at an endpoint', { syscall: 'connect', address: HERE, port: 1 }],
    ['at an endpoint of IPv6', { syscall: 'listen', address: '::1', port: 1 }],
    ['at an address', { syscall: 'bind', address: '192.0.2.1' }],
    ['at an invalid address', { syscall: 'connect', address: 'nobody.test', port: 1 }],
    ['at a path', { syscall: 'connect', address: '/nowhere/x.sock' }],
    ['at an abstract path', { syscall: 'listen', address: '\0portside-test-nobody', port: -1 }],
    ['at a name', { syscall: 'getaddrinfo', hostname: 'nobody.test' }],
    ['in a read', { syscall: 'read', errno: -1 }],
    ['in an unknown call', { syscall: 'frobnicate', address: '', port: 70_000 }],
  ]

  it.each(Object.keys(CODES))('%s is explained for every place', async (code) => {
    for (const [, place] of places) {
      const error = Object.assign(new Error(`it failed with ${code}`), { code: code.replaceAll('*', 'ANY'), ...place })
      const explanation = await explainSocketError(error)
      expectSound(explanation)
      expect(explanation.code).toBe(code.replaceAll('*', 'ANY'))
      if (code !== 'TIMEOUT') expect(explanation.summary).toContain(code.replaceAll('*', 'ANY'))
    }
  })

  it.each(Object.entries(CODES))('%s has texts in one style', (_code, { decided, cause, hints }) => {
    for (const text of [decided, cause, ...hints]) {
      expect(text).toMatch(/^[a-zA-Z0-9]/)
      expect(text).not.toMatch(/[.!]$/)
      expect(text.trim()).toBe(text)
    }
    expect(new Set(hints).size).toBe(hints.length)
  })

  it('that portside does not know is explained by its message', async () => {
    const error = Object.assign(new Error('the frobnicator is full'), { code: 'EFROBNICATE', syscall: 'connect' })
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation).toMatchObject({
      code: 'EFROBNICATE',
      summary: expect.stringContaining('the frobnicator is full'),
    })
  })
})

describe('each answer of a kernel', () => {
  it.for(situations.map((situation) => [situation.name, situation] as const))(
    'is explained: %s',
    async ([, { stage, code }], context) => {
      await using staged = await stage(context)
      const error = await errorOf(staged.begin())
      const explanation = await explainSocketError(error)
      expectSound(explanation)
      // For a timeout of a signal, the reason is reported and not the signal.
      if (code !== 'ABORT_ERR') expect(explanation.code).toBe(code)
      const { address, port } = staged.place ?? {}
      if (port !== undefined) expect(explanation.endpoint).toMatchObject({ port })
      if (address?.includes('/')) expect(explanation.endpoint).toBe(address)
      else if (address !== undefined) expect(explanation.endpoint).toMatchObject({ address })
      const wrapped = new TypeError('fetch failed', { cause: new AggregateError([error]) })
      expect(await explainSocketError(wrapped)).toEqual(explanation)
    },
  )
})

describe('errors of Node and of clients', () => {
  interface Raised {
    readonly code: string
    readonly raise: () => unknown
    readonly cause?: RegExp
    /** Whether this system can raise it. */
    readonly where?: boolean
  }
  const here = { host: HERE } as const

  const raised: readonly Raised[] = [
    // ---- the kernel
    {
      code: 'EMSGSIZE',
      raise: () =>
        withDatagram((socket) =>
          promisify<Buffer, number, string>(socket.send.bind(socket))(Buffer.alloc(70_000), 9, here.host),
        ),
      where: !isWindows,
    },
    { code: 'ENOENT', raise: () => errorOf(net.connect('/nowhere/portside.sock')), where: !isWindows },
    {
      code: 'ENOTDIR',
      raise: () => withFile((path) => errorOf(net.connect(join(path, 'portside.sock')))),
      where: !isWindows,
    },
    {
      code: 'ECONNREFUSED',
      raise: async () => {
        await using file = await leaveFileBehind()
        return await errorOf(net.connect(file.path))
      },
      cause: /nothing listens on it/,
      where: !isWindows,
    },
    { code: 'ECONNREFUSED', raise: () => withFile((path) => errorOf(net.connect(path))), where: !isWindows },
    // ---- the resolver: an invalid name is not sent to it
    { code: 'ENOTFOUND', raise: () => errorOf(net.connect({ port: 9, host: 'no..body' })), where: isLinux },
    // ---- Node
    { code: 'ERR_SOCKET_BAD_PORT', raise: () => thrownBy(() => net.connect(70_000)) },
    { code: 'ERR_SOCKET_BAD_PORT', raise: () => thrownBy(() => net.createServer().listen(-1)) },
    {
      code: 'ERR_SERVER_ALREADY_LISTEN',
      async raise() {
        await using server = await listenTcp()
        return thrownBy(() => server.server.listen(0))
      },
    },
    {
      code: 'ERR_SERVER_NOT_RUNNING',
      raise: () => new Promise((resolve) => void net.createServer().close(resolve)),
    },
    {
      code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
      async raise() {
        await using server = await listenTcp()
        const socket = net.connect(server.port, server.address)
        const written = new Promise((resolve) => void socket.write('ping', resolve))
        socket.destroy()
        return await written
      },
    },
    { code: 'ERR_SOCKET_ALREADY_BOUND', raise: () => withDatagram((socket) => socket.bind(0)) },
    { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED', raise: () => withDatagram((socket) => socket.remoteAddress()) },
    {
      code: 'ERR_SOCKET_DGRAM_IS_CONNECTED',
      raise: () =>
        withDatagram(async (socket) => {
          socket.connect(9, here.host)
          await once(socket, 'connect')
          socket.connect(9, here.host)
        }),
    },
    {
      code: 'ERR_SOCKET_DGRAM_NOT_RUNNING',
      raise() {
        const socket = dgram.createSocket(UDP_HERE)
        socket.close()
        return thrownBy(() => socket.address())
      },
    },
    {
      code: 'ERR_STREAM_DESTROYED',
      raise: () => withConnection((socket) => new Promise((resolve) => socket.destroy().write('ping', resolve))),
    },
    {
      code: 'ERR_STREAM_WRITE_AFTER_END',
      raise: () =>
        withConnection((socket) => {
          socket.on('error', () => {})
          return new Promise((resolve) => socket.end().write('ping', resolve))
        }),
    },
    {
      code: 'ERR_STREAM_PREMATURE_CLOSE',
      raise: () =>
        withConnection((socket) => {
          const ended = new Promise((resolve) => void finished(socket, resolve))
          socket.destroy()
          return ended
        }),
    },
    {
      code: 'ERR_INVALID_IP_ADDRESS',
      raise: () => thrownBy(() => net.connect({ port: 9, ...here, localAddress: 'localhost' })),
    },
    {
      code: 'ERR_INVALID_HANDLE_TYPE',
      async raise() {
        await using server = await listenUnix()
        const socket = await server.connect()
        return await thrownBy(() => socket.resetAndDestroy())
      },
      where: !isWindows,
    },
    {
      code: 'ABORT_ERR',
      async raise() {
        await using endpoint = await stalledEndpoint()
        const controller = new AbortController()
        const socket = net.connect({ port: endpoint.port, host: endpoint.address, signal: controller.signal })
        const error = errorOf(socket)
        controller.abort()
        return await error
      },
    },
    // ---- TLS
    {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      async raise() {
        await using server = await listenTls()
        return await errorOf(
          tls.connect({ port: server.port, host: server.address, ca: server.ca, servername: 'x.test' }),
        )
      },
    },
    {
      code: 'ERR_TLS_HANDSHAKE_TIMEOUT',
      async raise() {
        const server = tls.createServer({ handshakeTimeout: 5 }).listen(0, here.host)
        await once(server, 'listening')
        const client = net.connect((server.address() as net.AddressInfo).port, here.host).on('error', () => {})
        const [error] = await once(server, 'tlsClientError')
        client.destroy()
        server.close()
        await once(server, 'close')
        return error
      },
    },
    // ---- undici
    ...undiciErrors({
      UND_ERR_SOCKET: [(socket) => void socket.once('data', () => socket.end()), {}],
      UND_ERR_HEADERS_TIMEOUT: [() => {}, { headersTimeout: 1 }],
      UND_ERR_BODY_TIMEOUT: [answering('content-length: 5\r\n\r\nhe'), { bodyTimeout: 1 }],
      UND_ERR_HEADERS_OVERFLOW: [answering(`x: ${'x'.repeat(40_000)}\r\n\r\n`), { maxHeaderSize: 1024 }],
      UND_ERR_RES_EXCEEDED_MAX_SIZE: [answering('content-length: 5\r\n\r\nhello'), { maxResponseSize: 1 }],
    }),
    {
      code: 'UND_ERR_CLOSED',
      async raise() {
        const client = new undici.Client(`http://${HERE_IN_URL}:9`)
        const closed = client.close()
        const error = await thrownBy(() => client.request({ path: '/', method: 'GET' }))
        await closed
        return error
      },
    },
    {
      code: 'UND_ERR_DESTROYED',
      async raise() {
        const client = new undici.Client(`http://${HERE_IN_URL}:9`)
        await client.destroy()
        return await thrownBy(() => client.request({ path: '/', method: 'GET' }))
      },
    },
    { code: 'UND_ERR_INVALID_ARG', raise: () => thrownBy(() => new undici.Client('ftp://127.0.0.1')) },
    {
      code: 'UND_ERR_ABORTED',
      async raise() {
        await using endpoint = await stalledEndpoint()
        const dispatcher = new undici.Agent()
        const controller = new AbortController()
        const request = thrownBy(() =>
          undici.request(url(endpoint), { dispatcher, signal: controller.signal as AbortSignal }),
        )
        controller.abort(new undici.errors.RequestAbortedError())
        const error = await request
        await dispatcher.destroy()
        return error
      },
    },
  ]

  it.each(raised.filter(({ where = true }) => where).map((each) => [each.code, each] as const))(
    '%s is explained',
    async (code, { raise, cause = /^/ }) => {
      const error = await raise()
      expect(error).toMatchObject({ code })
      const explanation = await explainSocketError(error)
      expectSound(explanation)
      expect(explanation.code).toBe(code)
      expect(explanation.cause).toMatch(cause)
      expect(explanation.cause).not.toBe('not known to portside')
    },
  )

  // A lack of trust and another protocol are the most frequent errors of TLS and HTTP sockets.
  const coded: ReadonlyArray<readonly [name: string, raise: () => unknown]> = [
    [
      'a certificate of an unknown authority',
      async () => {
        await using server = await listenTls()
        return await errorOf(tls.connect({ port: server.port, host: server.address }))
      },
    ],
    [
      'the same by fetch',
      async () => {
        await using server = await listenTls()
        return await thrownBy(() => fetch(`https://${formatEndpoint(server)}`))
      },
    ],
    [
      'TLS to a server without',
      async () => {
        await using server = await listenTcp((socket) => void socket.end('hello'))
        return await errorOf(tls.connect({ port: server.port, host: server.address }))
      },
    ],
    [
      'HTTPS to a server of HTTP',
      async () => {
        await using server = await listenHttp()
        return await errorOf(https.get(`https://${formatEndpoint(server)}`, { agent: false }))
      },
    ],
    [
      'an answer that is not HTTP',
      async () => {
        await using server = await listenTcp((socket) => void socket.end('hello\r\n\r\n'))
        return await errorOf(http.get({ port: server.port, host: server.address, agent: false }))
      },
    ],
    [
      'a header that is too long',
      async () => {
        await using server = await listenTcp(answering(`x: ${'x'.repeat(40_000)}\r\n\r\n`))
        return await errorOf(http.get({ port: server.port, host: server.address, agent: false }))
      },
    ],
  ]

  it.each(coded)('%s has a code, and its explanation says so', async (_name, raise) => {
    const error = await raise()
    const { code } = ((error as Error).cause ?? error) as { code: string }
    expect(code).toMatch(/^[A-Z]/)
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation.code).toBe(code)
    expect(explanation.summary).toContain(code)
    expect(explanation.summary).not.toContain('without a code')
    expect(explanation.cause).not.toBe('not known to portside')
  })

  it('an abort by fetch is reported as an abort', async () => {
    await using endpoint = await stalledEndpoint()
    const error = await thrownBy(() => fetch(url(endpoint), { signal: AbortSignal.abort() }))
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(`${explanation.summary} ${explanation.cause}`).toMatch(/\babort/)
    expect(explanation.cause).not.toContain('not a socket error')
  })

  it('a timeout of fetch is reported as a timeout, with its origin', async () => {
    await using endpoint = await stalledEndpoint()
    const error = await thrownBy(() => fetch(url(endpoint), { signal: AbortSignal.timeout(5) }))
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation).toMatchObject({ code: 'TIMEOUT', summary: expect.stringContaining('timeout') })
  })

  it('a hang-up is not a reset', async () => {
    await using server = await listenTcp((socket) => void socket.once('data', () => socket.end()))
    const error = await errorOf(http.get({ port: server.port, host: server.address, agent: false }))
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({ code: 'ECONNRESET', cause: expect.stringContaining('not a reset') })
  })

  it('a reset is not a hang-up', async () => {
    await using endpoint = await resettingEndpoint({ after: 'first-byte' })
    const error = await errorOf(http.get({ port: endpoint.port, host: endpoint.address, agent: false }))
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({ code: 'ECONNRESET', cause: expect.not.stringContaining('no reset') })
  })

  it('an error of portside keeps its own cause', async () => {
    const error = await thrownBy(() => listenTcp(undefined, { host: ELSEWHERE }))
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation).toMatchObject({
      code: 'EADDRNOTAVAIL',
      cause: expect.stringContaining(`this host has no address ${ELSEWHERE}; it has`),
    })
    const closed = await listenTcp()
    await closed.close()
    const refused = await explainSocketError(await thrownBy(() => closed.connect()))
    expectSound(refused)
    expect(refused.cause).not.toBe('not known to portside')
  })
})

describe('a denial of the permission model of Node', () => {
  const denial = (permission: string, fields: object = {}): Error =>
    Object.assign(new Error('Access to this API has been restricted.'), {
      code: 'ERR_ACCESS_DENIED',
      permission,
      ...fields,
    })

  it.each([
    ['Net', '--allow-net', {}],
    ['Net', '--allow-net', { syscall: 'listen', path: '/tmp/s.sock', address: '/tmp/s.sock' }],
    ['FileSystemWrite', '--allow-fs-write', { resource: '/tmp/x' }],
    ['ChildProcess', '--allow-child-process', {}],
  ])('of %s names %s as the cause', async (permission, flag, fields) => {
    const { kind, cause, hints } = await explainSocketError(denial(permission, fields))
    expect({ kind, cause, hints }).toEqual({
      kind: 'forbidden',
      cause: `Node runs with --permission and without ${flag}`,
      hints: [`start Node with ${flag}, or without --permission`],
    })
  })

  it('of an unknown right refers to the message', async () => {
    const { kind, cause } = await explainSocketError(denial('Inspector'))
    expect([kind, cause]).toEqual([
      'forbidden',
      'Node runs with --permission and without the flag that the message names',
    ])
  })
})

describe('the owner of the address', () => {
  it('is this process in a conflict with itself', async () => {
    await using endpoint = await occupiedEndpoint()
    const explanation = await explainSocketError(await errorOf(listenAt(endpoint)))
    expect(explanation).toMatchObject({
      code: 'EADDRINUSE',
      summary: `listen on ${formatEndpoint(endpoint)}: EADDRINUSE (address already in use): the kernel refused to bind the address`,
      cause: `${THIS} listens on ${formatEndpoint(endpoint)}`,
      endpoint: { address: endpoint.address, port: endpoint.port, family: endpoint.family },
      owners: [{ pid: process.pid, thisProcess: true, protocol: 'tcp', state: 'LISTEN' }],
    })
    expect(explanation.hints[0]).toContain('close the socket of this process first')
  })

  it.runIf(isLinux)('is named if it listens on a wildcard', async (context) => {
    needsIPv4(context)
    await using server = await listenTcp(undefined, { host: '0.0.0.0' })
    const explanation = await explainSocketError(await errorOf(listenAt({ address: HERE, port: server.port })))
    expect(explanation).toMatchObject({
      cause: `${THIS} listens on 0.0.0.0:${server.port}`,
      owners: [{ pid: process.pid, local: { address: '0.0.0.0' } }],
    })
  })

  it('is another program in a conflict with that', async () => {
    await using program = await listeningProgram()
    const explanation = await explainSocketError(await errorOf(listenAt({ address: HERE, port: program.port })))
    expect(explanation.owners).toMatchObject([{ pid: program.pid, thisProcess: false, state: 'LISTEN' }])
    expect(explanation.cause).toContain(`pid ${program.pid} (`)
  })

  it.runIf(!isWindows)('is named for a path, and missing for a path that was left behind', async () => {
    await using server = await listenUnix()
    expect(await explainSocketError(await errorOf(listenOn(server.path)))).toMatchObject({
      cause: `${THIS} listens on ${server.path}`,
      endpoint: server.path,
      owners: [{ pid: process.pid, protocol: 'unix', state: 'LISTEN' }],
    })
    await using file = await leaveFileBehind()
    expect(await explainSocketError(await errorOf(listenOn(file.path)))).toMatchObject({
      cause: expect.stringContaining('left the file behind'),
      endpoint: file.path,
      owners: [],
      hints: [expect.stringContaining('remove the file')],
    })
  })

  it.runIf(isLinux)('is named for an abstract path', async () => {
    const path = `\0portside-test-${process.pid}-${crypto.randomUUID()}`
    const server = listenOn(path)
    await once(server, 'listening')
    const explanation = await explainSocketError(await errorOf(listenOn(path)))
    expect(explanation.cause).toBe(`${THIS} listens on ${path.replace('\0', '@')}`)
    expect(explanation.summary).not.toContain('\0')
    server.close()
    await once(server, 'close')
  })

  it.runIf(isLinux)('is missing for an unused abstract path, without a word about a file', async () => {
    const path = `\0portside-test-${process.pid}-${crypto.randomUUID()}`
    const explanation = await explainSocketError(await errorOf(net.connect(path)))
    expectSound(explanation)
    expect(explanation).toMatchObject({ code: 'ECONNREFUSED', endpoint: path, owners: [] })
    expect(explanation.cause).not.toContain('file')
    expect(explanation.summary).not.toContain('\0')
  })

  it('is the UDP socket even if a TCP socket has the same port', async () => {
    await using reservation = await reservePort({ family: HERE_FAMILY, protocol: 'both' })
    await using server = await listenTcp(undefined, { port: reservation })
    await using _udp = await listenUdp(undefined, { port: reservation })
    const second = dgram.createSocket(UDP_HERE).bind({ port: server.port, address: server.address, exclusive: true })
    const { owners } = await explainSocketError(await errorOf(second))
    second.close()
    expect(owners.some(({ protocol }) => protocol === 'udp')).toBe(true)
  })
})

describe('the other address of localhost', () => {
  it.runIf(isDual).each([
    ['::1', HERE, 'IPv4'],
    [HERE, '::1', 'IPv6'],
  ] as const)('is named after a connect to %s if the listener is on %s', async (dialled, listening, family) => {
    await using reservation = await reservePort({ family: 'dual' })
    await using server = await listenTcp(undefined, { port: reservation, family })
    const explanation = await explainSocketError(await errorOf(net.connect(server.port, dialled)))
    expectSound(explanation)
    expect(explanation.cause).toBe(`you tried ${dialled}, the listener is on ${listening}`)
    expect(explanation.hints[0]).toContain(`connect to ${formatEndpoint(server)}`)
    expect(explanation.hints[0]).toContain('localhost')
  })

  it.runIf(isLinux)('is not mentioned after a connect to another address of the same family', async (context) => {
    needsIPv4(context)
    await using server = await listenTcp(undefined, { host: '127.0.0.9' })
    const explanation = await explainSocketError(await errorOf(net.connect(server.port, HERE)))
    expect(explanation.cause).toBe('you tried 127.0.0.1, the listener is on 127.0.0.9')
    expect(explanation.hints[0]).toContain(`connect to ${formatEndpoint(server)}`)
    expect(explanation.hints[0]).not.toContain('localhost')
  })

  it.runIf(isDual)('is reported for a client that tries both, in one sentence each', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    const error = await errorOf(net.connect({ host: 'both.test', port: endpoint.port, lookup: lookupBoth }))
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation.summary).toMatch(
      /^connect to \[::1\]:\d+: ECONNREFUSED .*; the other addresses: connect to 127\./,
    )
  })
})

describe('an accept queue that is full', () => {
  it('is reported if no answer comes', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const { address, port } = endpoint
    // The error that the kernel raises after minutes (tcp_syn_retries).
    const message = `connect ETIMEDOUT ${formatEndpoint(endpoint)}`
    const error = Object.assign(new Error(message), { code: 'ETIMEDOUT', syscall: 'connect', address, port })
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation.cause).toMatch(
      /^the listener accepts no connections: \d+ connections? waits? in its accept queue$/,
    )
    expect(explanation.owners).toMatchObject([{ state: 'LISTEN' }])
  })

  it('is reported if undici gives up, which names the address only in its message', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint())
    const dispatcher = new undici.Agent({ connect: { timeout: 10 } })
    const error = await thrownBy(() => undici.request(url(endpoint), { dispatcher }))
    await dispatcher.destroy()
    expect(error).toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation.endpoint).toMatchObject({ address: endpoint.address, port: endpoint.port })
    expect(explanation.cause).toMatch(/waits? in its accept queue/)
  })

  it.runIf(isLinux)('is reported for a listener on a wildcard', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint({ host: '0.0.0.0' }))
    const [address, port] = [HERE, endpoint.port]
    const error = Object.assign(new Error('no'), { code: 'ETIMEDOUT', syscall: 'connect', address, port })
    const explanation = await explainSocketError(error)
    expect(explanation.owners).toMatchObject([{ state: 'LISTEN', local: { address: '0.0.0.0', port } }])
    expect(explanation.cause).toMatch(/waits? in its accept queue/)
  })

  it.runIf(isLinux)('of a unix socket is reported if a connect is refused for it', async () => {
    const path = join(tmpdir(), `portside-test-${process.pid}-${crypto.randomUUID()}.sock`)
    const code = `require('net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, told)`
    await using program = await listeningProgram(code)
    process.kill(program.pid, 'SIGSTOP')
    const clients: net.Socket[] = []
    let error: Error | undefined
    while (error === undefined) {
      const client = net.connect(path)
      clients.push(client)
      error = await once(client, 'connect').then(
        () => undefined,
        (reason) => reason,
      )
    }
    for (const client of clients) client.destroy()
    await rm(path)
    expect(error).toMatchObject({ code: 'EAGAIN', syscall: 'connect' })
    const explanation = await explainSocketError(error)
    expectSound(explanation)
    expect(explanation.cause).toContain('accept queue')
  })

  it('is not reported for a listener that accepts', async () => {
    await using endpoint = await stalledEndpoint()
    const { address, port } = endpoint
    const error = Object.assign(new Error('no'), { code: 'ETIMEDOUT', syscall: 'connect', address, port })
    const explanation = await explainSocketError(error)
    expect(explanation.cause).not.toContain('accept queue:')
    expect(explanation.owners).toMatchObject([{ state: 'LISTEN' }])
  })
})

describe('descriptors', () => {
  it.runIf(isLinux)('are counted at the limit, once one is free for the count', (context) => {
    needsDescriptors(context, 256)
    const code = `
      import net from 'node:net'
      import { once } from 'node:events'
      const { explainSocketError } = await import(process.env.PORTSIDE)
      const open = []
      let error
      for (;;) {
        const server = net.createServer().listen(0, '${HERE}')
        error = await once(server, 'listening').then(() => undefined, (reason) => reason)
        if (error !== undefined) break
        open.push(server)
      }
      const full = await explainSocketError(error)
      for (const server of open) server.close()
      await new Promise((resolve) => setImmediate(resolve))
      console.log(JSON.stringify([full, await explainSocketError(error)]))
      process.exit()`
    const output = execFileSync('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...node(code)], { encoding: 'utf8' })
    const [full, spared] = JSON.parse(output) as SocketExplanation[]
    expect(full).toMatchObject({ code: 'EMFILE', cause: expect.stringContaining('ulimit -n') })
    expect(spared).toMatchObject({
      code: 'EMFILE',
      cause: expect.stringMatching(/^this process has \d+ open files, and its limit is 256 \(ulimit -n\)/),
    })
  })
})

describe('a value that is not a socket error', () => {
  const cycle = new Error('no')
  Object.assign(cycle, { cause: cycle, errors: [cycle] })
  const values: ReadonlyArray<readonly [name: string, value: unknown, code?: string]> = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 42],
    ['NaN', Number.NaN],
    ['a bigint', 1n],
    ['a boolean', false],
    ['a symbol', Symbol('no')],
    ['a symbol without a name', Symbol()],
    ['a string', 'x'],
    ['an empty string', ''],
    ['a long string', 'x'.repeat(100_000)],
    ['an object', {}],
    ['an array', [1, 2]],
    ['an object without a prototype', Object.create(null)],
    ['an object whose constructor is a number', { constructor: 1 }],
    ['an object whose constructor has no name', { constructor: {} }],
    ['a function', () => {}],
    ['a class', class Nothing {}],
    ['an emitter', new EventEmitter()],
    ['a promise', Promise.resolve()],
    ['an error', new Error('no')],
    ['an error without a message', new Error()],
    ['an error with a long message', new Error('x'.repeat(100_000))],
    ['an error with lines in its message', new Error('one\ntwo')],
    ['an error whose message is no string', Object.assign(new Error(), { message: { toString: () => 'no' } })],
    ['an error whose code is an object', Object.assign(new Error('no'), { code: {} })],
    ['a frozen error', Object.freeze(new Error('no'))],
    ['a frozen error with a code', Object.freeze(Object.assign(new Error('no'), { code: 'EPIPE' })), 'EPIPE'],
    ['an error with an empty cause', new Error('no', { cause: undefined })],
    ['an error with a string as its cause', new Error('no', { cause: 'ECONNREFUSED' })],
    ['an error that is its own cause', cycle],
    ['an empty AggregateError', new AggregateError([])],
    ['an AggregateError of nothing', new AggregateError([undefined, null, 1])],
    ['an AggregateError whose errors are no array', Object.assign(new AggregateError([]), { errors: 'x' })],
    ['a revoked proxy', revoked()],
    ['a proxy that throws', throwingProxy()],
    ['a proxy of an error that throws', throwingProxy(new Error('no'))],
    ['an error whose fields throw', throwingFields()],
    ['an error with a getter of its code', throwingFields('message', 'name', 'cause', 'errors')],
    ['an AggregateError of objects that throw', new AggregateError([throwingProxy(), throwingFields(), revoked()])],
    ['an error with a cause that throws', new Error('no', { cause: throwingProxy() })],
    ['an error whose errors throw when walked', Object.assign(new Error('no'), { errors: throwingProxy([]) })],
  ]

  it.each(values)('is reported as such: %s', async (_name, value, code) => {
    const explanation = await explainSocketError(value)
    expectSound(explanation)
    expect(explanation.code).toBe(code)
    expect(explanation.owners).toEqual([])
    expect(explanation.summary.length).toBeLessThan(100_200)
  })

  it('does not hide the other errors, even if it cannot be printed', async () => {
    const refused = Object.assign(new Error('no'), { code: 'ECONNREFUSED' })
    for (const odd of [Object.create(null), throwingProxy(), revoked(), Symbol('no')]) {
      const explanation = await explainSocketError(new AggregateError([refused, odd]))
      expectSound(explanation)
      expect(explanation.code).toBe('ECONNREFUSED')
    }
  })

  it('is short for a string of any length', async () => {
    const { summary } = await explainSocketError('x'.repeat(100_000))
    expect(summary.length).toBeLessThan(200)
  })

  it.each([
    ['causes', (error: unknown) => new Error('no', { cause: error })],
    ['errors', (error: unknown) => new AggregateError([error])],
    ['both', (error: unknown) => Object.assign(new AggregateError([error]), { cause: error })],
  ])('may be nested in 10,000 %s', async (_name, wrap) => {
    let error: unknown = Object.assign(new Error('no'), { code: 'EPIPE' })
    for (let depth = 0; depth < 10_000; depth++) error = wrap(error)
    expectSound(await explainSocketError(error))
  })

  it('gets one explanation for 1,000 errors', async () => {
    const errors = Array.from({ length: 1000 }, (_, index) =>
      Object.assign(new Error('no'), {
        code: 'ECONNREFUSED',
        syscall: 'connect',
        address: HERE,
        port: 1 + index,
      }),
    )
    const explanation = await explainSocketError(new AggregateError(errors))
    expectSound(explanation)
    expect(explanation.summary).toContain(`${HERE_IN_URL}:1`)
    expect(explanation.summary.length).toBeLessThan(5000)
  })

  it('never rejects for a message that looks like a pattern', async () => {
    for (const message of ['connect ECONNREFUSED', 'connect ECONNREFUSED :::::::', `listen E${'A'.repeat(50_000)} `]) {
      expectSound(await explainSocketError(new Error(message)))
    }
    expectSound(await explainSocketError(new Error(`connect ECONNREFUSED ${'1.'.repeat(50_000)}`)))
    expectSound(await explainSocketError(new Error('connect ECONNREFUSED [::1]:99999')))
  })
})

/** Every text has content, and shows no internal value. */
function expectSound({ summary, cause, hints, owners }: SocketExplanation): void {
  for (const text of [summary, cause, ...hints]) {
    expect(text).toMatch(/\S/)
    expect(text).not.toMatch(/\bundefined\b(?! often|, which)|\[object|(?<!number )(?<!^)\bNaN\b|^: |: $/)
  }
  expect(hints.length).toBeGreaterThan(0)
  expect(owners).toBeInstanceOf(Array)
}

/** The error that a call throws or rejects with. */
async function thrownBy(action: () => unknown): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}

async function withDatagram(use: (socket: dgram.Socket) => unknown): Promise<unknown> {
  const socket = dgram.createSocket(UDP_HERE).bind(0, HERE)
  await once(socket, 'listening')
  await using _closed = disposing(() => void socket.close())
  return await thrownBy(() => use(socket))
}

async function withConnection(use: (socket: net.Socket) => Promise<unknown>): Promise<unknown> {
  await using server = await listenTcp()
  return await use(await server.connect())
}

async function withFile(use: (path: string) => Promise<unknown>): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  await using _removed = disposing(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'file'), '')
  return await use(join(directory, 'file'))
}

function answering(rest: string): (socket: net.Socket) => void {
  return (socket) => {
    socket.on('error', () => {}).once('data', () => void socket.write(`HTTP/1.1 200 OK\r\n${rest}`))
  }
}

type Answer = readonly [onConnection: (socket: net.Socket) => void, options: undici.Agent.Options]

function undiciErrors(answers: Record<string, Answer>): Array<{ code: string; raise: () => unknown }> {
  return Object.entries(answers).map(([code, [onConnection, options]]) => {
    const raise = async (): Promise<unknown> => {
      await using server = await listenTcp(onConnection)
      const dispatcher = new undici.Agent(options)
      const error = await thrownBy(async () => {
        const { body } = await undici.request(url(server), { dispatcher })
        await body.text()
      })
      await dispatcher.destroy()
      await server.close({ grace: 0 })
      return error
    }
    return { code, raise }
  })
}

function url(endpoint: { address: string; port: number }): string {
  return `http://${formatEndpoint(endpoint)}/`
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function throwing(): never {
  throw new Error('a trap')
}

function throwingProxy(target: object = {}): object {
  return new Proxy(target, { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing })
}

function throwingFields(...fields: string[]): Error {
  const error = new Error('no')
  const all = [
    'code',
    'message',
    'name',
    'cause',
    'errors',
    'address',
    'syscall',
    'constructor',
    'lastError',
    'details',
  ]
  for (const field of fields.length > 0 ? fields : all) Object.defineProperty(error, field, { get: throwing })
  return error
}
