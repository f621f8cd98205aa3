import cluster from 'node:cluster'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type net from 'node:net'
import { describe, expect, it } from 'vitest'
import { classify } from '../../src/explanations/classify.js'
import { failuresIn } from '../../src/explanations/socket-failure.js'
import {
  assertAddressInUse,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  assertNetworkUnreachable,
  explainSocketError,
  type FailureKind,
  listenHttp,
  listenHttp2,
  listenTcp,
} from '../../src/index.js'
import { excludedRanges, excludesPorts, parseExcludedRanges } from '../../src/platform/excluded-ports.js'
import { errorOf } from '../assertions/situations.js'
import { ELSEWHERE, HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

/** An error as Node creates it for an answer of the kernel (lib/internal/errors.js). */
function system(code: string, fields: object = {}, message = `it failed with ${code}`): Error {
  return Object.assign(new Error(message), { code, errno: -1, ...fields })
}

/** The same, created by a package: the first frame of its stack is in the package. */
function madeBy(name: string, error: Error): Error {
  error.stack = `${error.name}: ${error.message}\n    at refuse (/app/node_modules/${name}/lib/index.js:1:1)\n    at /app/a.test.js:2:2`
  return error
}

/** An error of the fetch of Bun: no system call, and the URL as the path. */
function ofBun(code: string, message: string, path = 'http://127.0.0.1:9/'): Error {
  return Object.assign(new TypeError(`${code}: ${message}`), { code, errno: 0, path })
}
const UNABLE = 'Unable to connect. Is the computer able to access the url?'
const CLOSED =
  'The socket connection was closed unexpectedly. For more information, pass `verbose: true` in the second argument to fetch()'

const connect = { syscall: 'connect', address: HERE, port: 9 }

/** The kind of an EINVAL of a path that is too long for a socket. The name of a pipe of Windows has no such limit. */
const LONG_PATH: FailureKind = process.platform === 'win32' ? 'invalid-call' : 'path-too-long'

const shapes: ReadonlyArray<readonly [name: string, error: Error, kind: FailureKind, raisedBy: string]> = [
  ['a listen on a port', system('EADDRINUSE', { syscall: 'listen', address: HERE, port: 9 }), 'conflict', 'kernel'],
  ['a listen on port 0', system('EADDRINUSE', { syscall: 'listen', address: HERE }), 'exhaustion', 'kernel'],
  ['a worker of a cluster', system('EADDRINUSE', { syscall: 'bind', address: null, port: 9 }), 'conflict', 'kernel'],
  [
    'a listen on a path',
    system('EADDRINUSE', { syscall: 'listen', address: '/tmp/a.sock', port: -1 }),
    'conflict',
    'kernel',
  ],
  ['a connect without a port left', system('EADDRNOTAVAIL', connect), 'exhaustion', 'kernel'],
  [
    'a connect whose tuple is taken',
    system('EADDRNOTAVAIL', connect, `connect EADDRNOTAVAIL ${HERE}:9 - Local (0.0.0.0:5000)`),
    'taken-tuple',
    'kernel',
  ],
  [
    'a local address that is not here',
    system('EADDRNOTAVAIL', { syscall: 'bind', address: ELSEWHERE }),
    'absent-address',
    'kernel',
  ],
  [
    'a family that is not here',
    system('EAFNOSUPPORT', { syscall: 'listen', address: '::', port: 1 }),
    'absent-family',
    'kernel',
  ],
  [
    'a prohibited route',
    system('EACCES', { syscall: 'connect', address: '192.0.2.1', port: 9 }),
    'forbidden',
    'kernel',
  ],
  ['the mode of a file', system('EACCES', { syscall: 'connect', address: '/tmp/a.sock' }), 'forbidden', 'kernel'],
  ['a firewall', system('EPERM', connect), 'forbidden', 'kernel'],
  [
    'a long path',
    system('EINVAL', { syscall: 'listen', address: `/tmp/${'x'.repeat(200)}`, port: -1 }),
    LONG_PATH,
    'kernel',
  ],
  [
    'a long path to connect to',
    system('EINVAL', { syscall: 'connect', address: `/tmp/${'x'.repeat(200)}` }),
    LONG_PATH,
    'kernel',
  ],
  [
    'a link-local address',
    system('EINVAL', { syscall: 'connect', address: 'fe80::1', port: 9 }),
    'missing-zone',
    'kernel',
  ],
  [
    'a link-local address to listen on',
    system('EINVAL', { syscall: 'listen', address: 'FE90::1' }),
    'missing-zone',
    'kernel',
  ],
  ['a blackhole', system('EINVAL', { syscall: 'connect', address: '10.0.0.3', port: 80 }), 'invalid-call', 'kernel'],
  [
    'a link-local address with its zone',
    system('EINVAL', { syscall: 'connect', address: 'fe80::1%lo', port: 9 }),
    'invalid-call',
    'kernel',
  ],
  ['a group without an interface', system('ENODEV', { syscall: 'addMembership' }), 'multicast', 'kernel'],
  [
    'a group on an address that is not here',
    system('EADDRNOTAVAIL', { syscall: 'addMembership' }),
    'multicast',
    'kernel',
  ],
  ['a group that is joined twice', system('EINVAL', { syscall: 'addMembership' }), 'multicast', 'kernel'],
  [
    'a datagram to a group',
    system('ENETUNREACH', { syscall: 'send', address: '224.0.0.251', port: 5353 }),
    'multicast',
    'kernel',
  ],
  [
    'a datagram to a group of IPv6',
    system('ENETUNREACH', { syscall: 'send', address: 'ff02::fb', port: 5353 }),
    'multicast',
    'kernel',
  ],
  ['no route', system('ENETUNREACH', connect), 'no-route', 'kernel'],
  ['an unreachable host', system('EHOSTUNREACH', connect), 'no-route', 'kernel'],
  [
    'a full queue of a unix listener',
    system('EAGAIN', { syscall: 'connect', address: '/tmp/a.sock' }),
    'queue-full',
    'kernel',
  ],
  ['a refusal', system('ECONNREFUSED', connect), 'refused', 'kernel'],
  ['a reset', system('ECONNRESET', { syscall: 'read' }), 'reset', 'kernel'],
  ['the minutes of the kernel', system('ETIMEDOUT', connect), 'timed-out', 'kernel'],
  ['no descriptor', system('EMFILE', { syscall: 'listen' }), 'out-of-descriptors', 'kernel'],
  ['an unknown name', system('ENOTFOUND', { syscall: 'getaddrinfo', hostname: 'x.test' }), 'unresolved', 'node'],
  ['a session with GOAWAY', system('ERR_HTTP2_GOAWAY_SESSION'), 'goaway', 'node'],
  // ---- errors of others with a kernel code
  ['nock', madeBy('nock', bare('ENETUNREACH', 'NetConnectNotAllowedError')), 'not-network', 'nock'],
  ['nock, bundled', bare('ENETUNREACH', 'NetConnectNotAllowedError'), 'not-network', 'nock'],
  ['a mock', bare('ECONNREFUSED'), 'not-network', 'unknown'],
  ['a package of a scope', madeBy('@mock/net', bare('EADDRINUSE')), 'not-network', '@mock/net'],
  [
    'ioredis, which gives up',
    madeBy('ioredis', Object.assign(bare('ETIMEDOUT'), { message: 'connect ETIMEDOUT', syscall: 'connect' })),
    'given-up-by-library',
    'ioredis',
  ],
  [
    'mysql2, which gives up',
    madeBy(
      'mysql2',
      Object.assign(bare('ETIMEDOUT'), { message: 'connect ETIMEDOUT', errorno: 'ETIMEDOUT', syscall: 'connect' }),
    ),
    'given-up-by-library',
    'mysql2',
  ],
  [
    'axios, which gives up',
    Object.assign(bare('ECONNABORTED', 'AxiosError'), { message: 'timeout of 5ms exceeded' }),
    'given-up-by-library',
    'axios',
  ],
  ['undici, which gives up', system('UND_ERR_CONNECT_TIMEOUT'), 'given-up-by-library', 'undici'],
  ['undici, whose peer hangs up', system('UND_ERR_SOCKET'), 'hang-up', 'undici'],
  ['a hang-up', Object.assign(bare('ECONNRESET'), { message: 'socket hang up' }), 'hang-up', 'node'],
  ['a message that was aborted', Object.assign(bare('ECONNRESET'), { message: 'aborted' }), 'hang-up', 'node'],
  [
    'a pipe that ended',
    Object.assign(bare('EPIPE'), { message: 'This socket has been ended by the other party' }),
    'broken-pipe',
    'node',
  ],
  // ---- errors of Bun 1.4.5
  ['fetch of Bun, refused', ofBun('ECONNREFUSED', UNABLE), 'refused', 'bun'],
  ['fetch of Bun, cut off', ofBun('ECONNRESET', CLOSED), 'hang-up', 'bun'],
  [
    'a WebSocket of Bun, refused',
    Object.assign(bare('ECONNREFUSED'), {
      message: "WebSocket connection to 'ws://[::1]:9/' failed: Failed to connect",
    }),
    'refused',
    'bun',
  ],
  ['a mock of the fetch of Bun', ofBun('ECONNREFUSED', 'refused'), 'not-network', 'unknown'],
  // ---- errors that wrap a kernel error and keep only its message
  [
    'node-fetch',
    madeBy(
      'node-fetch',
      Object.assign(bare('ECONNREFUSED', 'FetchError'), {
        message: 'request to http://127.0.0.1:9/ failed, reason: connect ECONNREFUSED 127.0.0.1:9',
      }),
    ),
    'refused',
    'kernel',
  ],
  [
    'gRPC',
    Object.assign(new Error('14 UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:9'), { code: 14 }),
    'refused',
    'kernel',
  ],
  ['a program that is not there', system('ENOENT', { syscall: 'spawn nope', path: 'nope' }), 'not-network', 'kernel'],
  ['a file that is not there', system('ENOENT', { syscall: 'open', path: '/nope' }), 'not-network', 'kernel'],
  ['a directory that is closed', system('EACCES', { syscall: 'mkdir', path: '/root/a' }), 'not-network', 'kernel'],
  ['a file without a descriptor', system('EMFILE', { syscall: 'open', path: '/a' }), 'out-of-descriptors', 'kernel'],
  ['a path without a server', system('ENOENT', { syscall: 'connect', address: '/a.sock' }), 'wrong-path', 'kernel'],
  ['no name server', system('ECONNREFUSED', { syscall: 'queryA', hostname: 'a.test' }), 'unresolved', 'node'],
  ['nock without a match', system('ERR_NOCK_NO_MATCH'), 'not-network', 'nock'],
  ['the MockAgent of undici', system('UND_MOCK_ERR_MOCK_NOT_MATCHED'), 'not-network', 'undici'],
  ['a status that axios refuses', madeBy('axios', system('ERR_BAD_RESPONSE')), 'unknown', 'axios'],
  ['an alert about a certificate', system('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), 'untrusted', 'node'],
  ['a key of another certificate', system('ERR_SSL_KEY_VALUES_MISMATCH'), 'wrong-argument', 'node'],
  ['a connect without TLS to a TLS server', system('ERR_SSL_WRONG_VERSION_NUMBER'), 'other-protocol', 'node'],
  ['a header that HTTP/2 does not have', system('ERR_HTTP2_INVALID_CONNECTION_HEADERS'), 'wrong-argument', 'node'],
  ['headers that are too long', system('HPE_HEADER_OVERFLOW'), 'unknown', 'node'],
]

/** An error with a kernel code and no other field of the kernel. */
function bare(code: string, name = 'Error'): Error {
  return Object.assign(new Error('no network in tests'), { code, name })
}

describe('a failure', () => {
  it.each(shapes)('is classified by its fields: %s', (_name, error, kind, raisedBy) => {
    const [failure] = failuresIn(error)
    expect(classify(failure as never)).toMatchObject({ kind, raisedBy })
  })

  it.each(shapes)('has its kind, evidence and origin in its explanation: %s', async (_name, error, kind, raisedBy) => {
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({ kind, raisedBy })
    expect(explanation.evidence.length).toBeGreaterThan(0)
    const uncertain = explanation.cause.includes('one of: ')
    if (uncertain) expect(explanation.cause.split('one of: ')[1]).toContain(';')
  })

  it('is classified only once', () => {
    const [failure] = failuresIn(system('EACCES', { syscall: 'listen', address: HERE, port: 80 }))
    expect(classify(failure as never)).toBe(classify(failure as never))
  })
})

describe('an error that the kernel did not raise', () => {
  it.each([
    ['ENETUNREACH', assertNetworkUnreachable],
    ['ECONNREFUSED', assertConnectionRefused],
    ['EADDRINUSE', assertAddressInUse],
    ['ECONNRESET', assertConnectionReset],
    ['ETIMEDOUT', assertConnectionTimedOut],
  ] as const)('does not pass the assertion of %s, which names its origin', async (code, assertion) => {
    await expect(assertion(madeBy('nock', bare(code)))).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      because: expect.stringContaining(`the kernel did not raise this error, nock did: it has the code ${code}`),
    })
    await expect(assertion(bare(code))).rejects.toMatchObject({
      because: expect.stringContaining('a mock or a library did'),
    })
  })
})

describe('an error of Node itself', () => {
  it('is recognized for an attempt that timed out at one of several addresses', async () => {
    // The attempt ends at the first tick. The address is reserved for documentation, and the socket connects to nothing.
    const error = Object.assign(system('ETIMEDOUT', connect, `connect ETIMEDOUT ${HERE}:9`), {})
    error.stack = `Error: ${error.message}\n    at createConnectionError (node:net:1652:14)\n    at Timeout.internalConnectMultipleTimeout (node:net:1711:38)`
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({ kind: 'given-up-by-node', raisedBy: 'node' })
    expect(explanation.cause).toMatch(/autoSelectFamilyAttemptTimeout, 250 ms/)
  })

  it('is recognized for a request whose server hangs up', async () => {
    await using server = await listenTcp((socket) => void socket.once('data', () => socket.end()))
    const error = await errorOf(http.get({ port: server.port, host: server.address, agent: false }))
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({
      kind: 'hang-up',
      raisedBy: 'node',
      cause: expect.stringMatching(/^not a reset: /),
    })
  })

  it('is recognized for a stream on a session whose server goes away', async () => {
    await using server = await listenHttp2()
    const session = http2.connect(server.url)
    await once(session, 'connect')
    const goaway = once(session, 'goaway')
    const closed = server.close()
    await goaway
    const error = await new Promise<unknown>((resolve) => {
      session.on('error', resolve)
      try {
        session.request({ ':path': '/' }).on('error', resolve)
      } catch (thrown) {
        resolve(thrown)
      }
    })
    session.destroy()
    await closed
    const { kind, raisedBy } = await explainSocketError(error)
    expect(['goaway', 'unknown', 'wrong-state']).toContain(kind)
    expect(raisedBy).toBe('node')
  })

  it('is recognized for a port that fetch blocks', async () => {
    const error = await fetch(`http://${HERE.includes(':') ? `[${HERE}]` : HERE}:6667`).catch(
      (reason: unknown) => reason,
    )
    const explanation = await explainSocketError(error)
    expect(explanation).toMatchObject({ kind: 'blocked-port', code: undefined })
    expect(explanation.cause).toMatch(/this port is on the block list of fetch/)
    await expect(assertConnectionRefused(error)).rejects.toMatchObject({
      because: expect.stringContaining('on the block list of fetch'),
    })
  })

  it('is recognized for a closed kept-alive connection of undici', async () => {
    await using server = await listenHttp((request, response) => {
      response.end(request.url)
      // The next request meets the closed connection.
      if (request.url === '/first') response.on('finish', () => void 0)
    })
    await (await fetch(new URL('/first', server.url))).text()
    const error = Object.assign(system('UND_ERR_SOCKET', {}, 'other side closed'), { socket: { bytesRead: 120 } })
    const { cause, hints } = await explainSocketError(error)
    expect(cause).toMatch(/^one of: the server closed a kept-alive connection/)
    expect(hints[0]).toMatch(/retry the request/)
  })
})

it('finds the owner of the port for a cluster worker, whose error has no address', async () => {
  expect(cluster.isPrimary).toBe(true)
  await using server = await listenTcp()
  const error = system(
    'EADDRINUSE',
    { syscall: 'bind', address: null, port: server.port },
    `bind EADDRINUSE null:${server.port}`,
  )
  const { owners, cause } = await explainSocketError(error)
  expect(owners).toMatchObject([{ thisProcess: true, state: 'LISTEN' }])
  expect(cause).toContain(`this process (pid ${process.pid}) listens on`)
})

it('distinguishes a name below localhost from an unknown name', async () => {
  const lookup = (hostname: string) => system('ENOTFOUND', { syscall: 'getaddrinfo', hostname })
  const below = await explainSocketError(lookup('tenant.localhost'))
  expect(below.cause).toContain('a name below localhost')
  expect(below.hints[0]).toMatch(/127\.0\.0\.1.*host/i)
  expect((await explainSocketError(lookup('tenant.test'))).cause).not.toContain('localhost')
})

describe('the ranges that Windows excludes', () => {
  const OUTPUT = `
Protokoll tcp-Portausschlussbereiche

Startport    Endport
----------    --------
      1061        1160
     50000       50059     *

* - Verwaltete Portausschl\x81sse.
`

  it('are read in any language', () => {
    expect(parseExcludedRanges(OUTPUT)).toEqual([
      { first: 1061, last: 1160 },
      { first: 50_000, last: 50_059 },
    ])
    expect(parseExcludedRanges('')).toEqual([])
  })

  it('are read by protocol, and are empty if netsh fails', () => {
    const asked: string[] = []
    const answer = excludedRanges('udp', (args) => {
      asked.push(args.join(' '))
      return OUTPUT
    })
    expect(answer).toHaveLength(2)
    expect(asked).toEqual(['int ipv4 show excludedportrange protocol=udp'])
    expect(
      excludedRanges('tcp', () => {
        throw new Error('no netsh')
      }),
    ).toEqual([])
  })

  it('exist on Windows only', () => {
    expect(excludesPorts('win32')).toBe(true)
    expect(excludesPorts('linux')).toBe(false)
    expect(excludesPorts('darwin')).toBe(false)
  })
})

it('an emitter that fails with an error of a mock passes no assertion', async () => {
  const emitter = Object.assign(new EventEmitter(), { connecting: true }) as unknown as net.Socket
  const failing = assertConnectionRefused(emitter)
  emitter.emit('error', bare('ECONNREFUSED'))
  await expect(failing).rejects.toMatchObject({ code: 'ERR_PORTSIDE_ASSERTION' })
})

describe('explainSocketError()', () => {
  it.each([
    ['spawn nope', { syscall: 'spawn nope', path: 'nope' }, 'ENOENT', /^spawn nope is a call on a file or a program/],
    ['open', { syscall: 'open', path: '/nope' }, 'ENOENT', /^open is a call on a file or a program/],
    ['queryA', { syscall: 'queryA', hostname: 'a.test' }, 'ECONNREFUSED', /^no name server listens/],
  ])('looks for no listener if %s failed', async (_name, fields, code, cause) => {
    const explanation = await explainSocketError(system(code, fields))
    expect(explanation.cause).toMatch(cause)
    expect(explanation.hints.join()).not.toContain('waitForListening')
  })

  it.each(['Invalid timeout option', 'deadline must be a date'])('does not treat %o as a timeout', async (message) => {
    expect(await explainSocketError(new Error(message))).toMatchObject({ kind: 'not-network', code: undefined })
  })

  it('explains how a library uses a kernel code, not what the kernel means by it', async () => {
    const error = madeBy('got', system('ETIMEDOUT', {}, "Timeout awaiting 'request' for 50ms"))
    expect(await explainSocketError(error)).toMatchObject({
      kind: 'given-up-by-library',
      raisedBy: 'got',
      cause: expect.stringMatching(/^no answer came within its own timeout/),
    })
  })

  it.each(['ERR_HTTP2_SESSION_ERROR', 'ERR_HTTP2_STREAM_ERROR', 'HPE_INVALID_CHUNK_SIZE'])(
    'offers several causes for %s',
    async (code) => {
      expect((await explainSocketError(system(code))).cause).toMatch(/^one of: /)
    },
  )

  it('names the current state as the cause only if the call would fail now', async () => {
    const dialled = await explainSocketError(system('EADDRNOTAVAIL', connect))
    expect(dialled.cause).toMatch(/had no port left for it then; now, of \d+, /)
    const file = await explainSocketError(system('EMFILE', { syscall: 'accept' }))
    expect(file.cause).toMatch(/it was at the limit when the call failed$/)
    const forbidden = await explainSocketError(system('EACCES', { syscall: 'listen', address: HERE, port: 65_000 }))
    expect(forbidden.cause).toMatch(/^one of: /)
  })

  it('does not look at local listeners if another host refused', async () => {
    await using server = await listenTcp()
    const { port } = server
    const refused = (address: string) => explainSocketError(system('ECONNREFUSED', { ...connect, address, port }))
    expect((await refused(ELSEWHERE)).evidence.join()).not.toMatch(/the socket table/)
    expect((await refused(HERE)).evidence.join()).toMatch(/the socket table: this process/)
  })

  it('says whether the fields come from the message', async () => {
    const { evidence } = await explainSocketError(system('ECONNREFUSED', {}, `connect ECONNREFUSED ${HERE}:9`))
    expect(evidence[0]).toBe(`in the message: code ECONNREFUSED, syscall connect, address ${HERE}, port 9`)
  })

  it('does not treat a TLS alert as another protocol', async () => {
    const { cause } = await explainSocketError(system('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'))
    expect(cause).toMatch(/the end of the code is the alert/)
  })
})

it.each([
  ['http://127.0.0.1:9/', { address: '127.0.0.1', port: 9 }],
  ['https://[::1]/x', { address: '::1', port: 443 }],
  ['http://localhost:9/', { address: undefined, port: 9, path: undefined }],
])('reads the end of a connection from the URL of Bun: %s', (url, end) => {
  expect(failuresIn(ofBun('ECONNREFUSED', UNABLE, url))[0]).toMatchObject(
    Object.fromEntries(Object.entries(end).filter(([, value]) => value !== undefined)),
  )
  expect(failuresIn(ofBun('ECONNREFUSED', UNABLE, url))[0]?.path).toBeUndefined()
})
