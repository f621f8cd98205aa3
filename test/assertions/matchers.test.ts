import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { expect as jestExpect } from 'expect'
import { describe, it, expect as vitestExpect } from 'vitest'
import { matchers } from '../../src/assertions/matchers.js'
import {
  createSocketPool,
  formatEndpoint,
  listenHttp,
  listenTcp,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  refusedEndpoint,
  reservePort,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { openOrSkip } from '../endpoints/clients.js'
import { until } from '../support/clients.js'
import { HERE, HERE_FAMILY, needsIPv4, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import {
  ASSERTION_NAMES,
  ASSERTIONS,
  type AssertionName,
  errorOf,
  failing,
  leaveFileBehind,
  listenAt,
  listeningProgram,
  listenOn,
  situations,
} from './situations.js'

leavesNothingOpen()

vitestExpect.extend(matchers)
jestExpect.extend(matchers)

// biome-ignore lint/suspicious/noExplicitAny: each library has types of its own; test/types is about these.
type Expect = any
const libraries: ReadonlyArray<readonly [name: string, expect: Expect]> = [
  ['Vitest', vitestExpect],
  ['Jest', jestExpect],
]

const isWindows = process.platform === 'win32'
const isDual = loopbackFamilies().length === 2
const THIS = `this process (pid ${process.pid})`

const matcherOf = (name: AssertionName): string => name.replace('assert', 'toBe')
const OUTCOMES = ASSERTION_NAMES.map(matcherOf)

describe.each(libraries)('on an error, with the expect of %s', (_library, expect) => {
  it.for(situations.map((situation) => [situation.name, situation] as const))(
    'distinguishes one outcome from all others: %s',
    async ([, { stage, assertion }], context) => {
      await using staged = await stage(context)
      const error = await errorOf(staged.begin())
      const own = matcherOf(assertion)
      for (const matcher of OUTCOMES) {
        const passes = matcher === own
        for (const value of [error, new TypeError('fetch failed', { cause: error }), new AggregateError([error])]) {
          const holds = passes ? expect(value) : expect(value).not
          holds[matcher]()
          const fails = passes ? expect(value).not : expect(value)
          vitestExpect(() => fails[matcher]()).toThrow(/^Expected .*\n {2}got {8}\S/)
          expect({ value }).toEqual({ value: passes ? expect[matcher]() : expect.not[matcher]() })
          expect({ value }).not.toEqual({ value: passes ? expect.not[matcher]() : expect[matcher]() })
          expect([1, value]).toContainEqual(passes ? expect[matcher]() : expect.not[matcher]())
        }
      }
      expect(error)[own](staged.place)
      await expect(failing(staged.begin())).rejects[own](staged.place)
      await expect(failing(staged.begin()).catch((reason) => reason)).resolves[own](staged.place)
      const other = OUTCOMES.find((matcher) => matcher !== own) as string
      await expect(failing(staged.begin())).rejects.not[other]()
      await vitestExpect(expect(failing(staged.begin())).rejects[other]()).rejects.toThrow(/^Expected .*\n {2}got /)
      await vitestExpect(expect(failing(staged.begin())).rejects.not[own]()).rejects.toThrow(/^Expected an error that/)
    },
  )

  // Outcomes that need a private network or a separate process, in the form of Node.
  const rare: ReadonlyArray<readonly [matcher: string, error: object]> = [
    ['toBeHostUnreachable', { code: 'EHOSTUNREACH', syscall: 'connect', address: '10.0.0.1', port: 80 }],
    ['toBeNetworkUnreachable', { code: 'ENETUNREACH', syscall: 'connect', address: '10.0.0.1', port: 80 }],
    ['toBePermissionDenied', { code: 'EPERM', syscall: 'connect', address: '10.0.0.1', port: 80 }],
    ['toBeTooManyOpenFiles', { code: 'EMFILE', syscall: 'listen' }],
    ['toBeTooManyOpenFiles', { code: 'ENFILE', syscall: 'accept' }],
    ['toBeEphemeralPortsExhausted', { code: 'EADDRINUSE', syscall: 'listen', address: HERE }],
    ['toBeEphemeralPortsExhausted', { code: 'EADDRINUSE', syscall: 'connect', address: HERE, port: 80 }],
    ['toBeEphemeralPortsExhausted', { code: 'EADDRNOTAVAIL', syscall: 'connect', address: HERE, port: 80 }],
    ['toBeEphemeralPortsExhausted', { code: 'EADDRINUSE', syscall: 'bind', address: HERE }],
    ['toBeAddressInUse', { code: 'EADDRINUSE', syscall: 'bind', address: HERE, port: 80 }],
    ['toBeAddressNotAvailable', { code: 'EADDRNOTAVAIL', syscall: 'bind', address: '10.0.0.1' }],
  ]
  it.each(rare)('%s takes %o', (own, fields) => {
    const error = Object.assign(new Error('no'), fields)
    for (const matcher of OUTCOMES) (matcher === own ? expect(error) : expect(error).not)[matcher]()
  })

  it('fails with the message of the assertion', async () => {
    await using endpoint = await refusedEndpoint()
    const error = await errorOf(net.connect(endpoint.port, endpoint.address))
    for (const name of ASSERTION_NAMES) {
      for (const expected of [undefined, { port: endpoint.port ^ 1 }]) {
        const { message } = await ASSERTIONS[name](error, expected).catch((reason) => reason)
        if (name === 'assertConnectionRefused' && expected === undefined) continue
        vitestExpect(messageOf(() => expect(error)[matcherOf(name)](expected))).toBe(message)
      }
    }
  })

  it('names the owner of the address when it fails', async () => {
    await using endpoint = await occupiedEndpoint()
    const error = await errorOf(listenAt(endpoint))
    const message = messageOf(() => expect(error).toBePermissionDenied())
    // The place of the opening is known only while the sockets of the process are tracked.
    vitestExpect(message.replace(/; it was opened at test\/assertions\/matchers\.test\.ts:\d+:\d+, by '.*'$/, '')).toBe(
      [
        'Expected a denied permission (EACCES, EPERM).',
        `  got        listen on ${formatEndpoint(endpoint)}: EADDRINUSE (address already in use)`,
        `  cause      ${THIS} listens on ${formatEndpoint(endpoint)}`,
        '  fix        close the socket of this process first and await that; assertReleased() checks that the address is free',
      ].join('\n'),
    )
  })

  it('reports the outcome and the place after .not', async () => {
    await using endpoint = await refusedEndpoint()
    const error = await errorOf(net.connect(endpoint.port, endpoint.address))
    vitestExpect(messageOf(() => expect(error).not.toBeConnectionRefused())).toBe(
      [
        'Expected an error that is not a refused connection (ECONNREFUSED).',
        `  got        connect to ${formatEndpoint(endpoint)}: ECONNREFUSED`,
      ].join('\n'),
    )
  })

  const nothing: ReadonlyArray<readonly [name: string, value: unknown]> = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 42],
    ['a string', 'ECONNREFUSED'],
    ['an object', {}],
    ['an error without a code', new Error('no')],
    ['a function', () => {}],
    ['a frozen error', Object.freeze(new Error('no'))],
    ['an error that is its own cause', Object.assign(new Error('no'), { cause: undefined })],
  ]
  it.each(nothing)('describes a value that is not a socket error: %s', (_name, value) => {
    for (const matcher of OUTCOMES) {
      expect(value).not[matcher]()
      vitestExpect(messageOf(() => expect(value)[matcher]())).toMatch(/not an error|without a code/)
      expect({ value }).not.toEqual({ value: expect[matcher]() })
    }
  })

  it.each([
    ['ERR_INVALID_ARG_TYPE', null],
    ['ERR_INVALID_ARG_TYPE', 3000],
    ['ERR_INVALID_ARG_TYPE', 'localhost:3000'],
    ['ERR_INVALID_ARG_TYPE', { address: 1 }],
    ['ERR_SOCKET_BAD_PORT', { port: '3000' }],
    ['ERR_INVALID_ARG_VALUE', { family: 'ipv6' }],
  ])('throws %s for an invalid expected endpoint: %o', (code, expected) => {
    const error = Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' })
    for (const matcher of OUTCOMES) {
      vitestExpect(thrownBy(() => expect(error)[matcher](expected))).toMatchObject({ code })
      vitestExpect(thrownBy(() => expect(error).not[matcher](expected))).toMatchObject({ code })
    }
  })
})

/** A listener, in each form in which it can be passed. */
interface Target {
  readonly name: string
  readonly open: () => Promise<Opened>
  readonly where?: boolean
}
interface Opened {
  readonly target: unknown
  readonly close: () => unknown
  /** A closed server of Node has no endpoint. */
  readonly nameless?: true
}

const targets: readonly Target[] = [
  {
    name: 'a net.Server',
    async open() {
      const server = listenAt({ address: HERE, port: 0 })
      await once(server, 'listening')
      return { target: server, close: () => closing(server), nameless: true }
    },
  },
  {
    name: 'an http.Server on every address',
    async open() {
      const server = http.createServer().listen(0)
      await once(server, 'listening')
      return { target: server, close: () => closing(server), nameless: true }
    },
  },
  {
    name: 'what server.address() said',
    async open() {
      const server = listenAt({ address: HERE, port: 0 })
      await once(server, 'listening')
      return { target: server.address(), close: () => closing(server) }
    },
  },
  ...loopbackFamilies().map(
    (family): Target => ({
      name: `a server of portside on ${family}`,
      async open() {
        const server = await listenTcp(undefined, { family })
        return { target: server, close: () => server.close() }
      },
    }),
  ),
  {
    name: 'a dual server of portside',
    async open() {
      const server = await listenTcp(undefined, { family: 'dual' })
      return { target: server, close: () => server.close() }
    },
    where: isDual,
  },
  {
    name: 'an endpoint of portside',
    async open() {
      const endpoint = await occupiedEndpoint()
      return { target: endpoint, close: () => endpoint.close() }
    },
  },
  {
    name: 'a host and a port',
    async open() {
      const { address: host, port, ...server } = await openServer()
      return { target: { host, port }, close: server.close }
    },
  },
  {
    name: 'localhost and a port',
    async open() {
      const { port, close } = await openServer()
      return { target: { host: 'localhost', port }, close }
    },
  },
  {
    name: 'a port',
    async open() {
      const { port, close } = await openServer()
      return { target: port, close }
    },
  },
  {
    name: 'a URL',
    async open() {
      const server = await listenHttp()
      return { target: server.url, close: () => server.close() }
    },
  },
  {
    name: 'the port of another program',
    async open() {
      const program = await listeningProgram()
      return { target: { address: HERE, port: program.port }, close: () => program[Symbol.asyncDispose]() }
    },
  },
  {
    name: 'a unix server of portside',
    async open() {
      const server = await listenUnix()
      return { target: server, close: () => server.close() }
    },
    where: !isWindows,
  },
  {
    name: 'a path',
    async open() {
      const server = await listenUnix()
      return { target: { path: server.path }, close: () => server.close() }
    },
    where: !isWindows,
  },
  {
    name: 'an abstract path',
    async open() {
      const path = `\0portside-test-${process.pid}-${crypto.randomUUID()}`
      const server = listenOn(path)
      await once(server, 'listening')
      return { target: { path }, close: () => closing(server) }
    },
    where: process.platform === 'linux',
  },
]
const here = targets.filter(({ where = true }) => where).map((target) => [target.name, target] as const)

describe.each(libraries)('on a server or an endpoint, with the expect of %s', (_library, expect) => {
  it.each(here)('distinguishes an open one from a closed one: %s', async (_name, { open }) => {
    const { target, close, nameless } = await open()
    expect(target).toBeListening()
    expect({ target }).toEqual({ target: expect.toBeListening() })
    await expect(target).toAcceptConnections()
    await expect(target).not.toRefuseConnections()
    await expect(target).not.toBeReleased()
    await expect(Promise.resolve(target)).resolves.toBeListening()
    await expect(Promise.resolve(target)).resolves.toAcceptConnections()
    vitestExpect(messageOf(() => expect(target).not.toBeListening())).toMatch(/^Expected .*\n {2}got {8}/)
    vitestExpect(await messageOfPromise(expect(target).not.toAcceptConnections())).toMatch(/ accepted\b/)
    vitestExpect(await messageOfPromise(expect(target).toRefuseConnections())).toMatch(
      /to refuse connections\.\n {2}got {8}.* accepted\b.*\n( {2}owner {6}.*\n)? {2}fix {8}/,
    )
    vitestExpect(await messageOfPromise(expect(target).toBeReleased())).toMatch(
      /^Expected .* to be free\.\n {2}got {8}/,
    )
    await close()
    expect(target).not.toBeListening()
    expect({ target }).toEqual({ target: expect.not.toBeListening() })
    vitestExpect(messageOf(() => expect(target).toBeListening())).toMatch(/^Expected .*\n {2}got {8}.*\n {2}fix {8}/)
    if (nameless) {
      for (const matcher of ['toAcceptConnections', 'toRefuseConnections', 'toBeReleased']) {
        const failed = expect(target)[matcher]()
        await vitestExpect(failed).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
        await vitestExpect(expect(target)[matcher]()).rejects.toThrow('a closed server has none')
      }
      return
    }
    await expect(target).not.toAcceptConnections()
    await expect(target).toRefuseConnections()
    await expect(target).toBeReleased()
    vitestExpect(await messageOfPromise(expect(target).toAcceptConnections())).toMatch(/ECONNREFUSED|ENOENT/)
    vitestExpect(await messageOfPromise(expect(target).not.toRefuseConnections())).toMatch(/ECONNREFUSED|ENOENT/)
    vitestExpect(await messageOfPromise(expect(target).not.toBeReleased())).toMatch(/^Expected .*\n {2}got {8}/)
  })

  it('names the process that listens unexpectedly', async () => {
    await using program = await listeningProgram()
    const target = { address: HERE, port: program.port }
    const who = `pid ${program.pid} (`
    vitestExpect(await messageOfPromise(expect(target).toRefuseConnections())).toContain(`  owner      ${who}`)
    vitestExpect(await messageOfPromise(expect(target).toBeReleased())).toContain(`  owner      ${who}`)
    vitestExpect(messageOf(() => expect(target).not.toBeListening())).toContain(`  owner      ${who}`)
  })

  it.runIf(isDual)('requires both of two addresses', async () => {
    await using reservation = await reservePort({ family: 'dual' })
    await using _server = await listenTcp(undefined, { port: reservation, family: HERE_FAMILY })
    const both = { endpoints: reservation.endpoints, address: HERE, port: reservation.port }
    expect(both).not.toBeListening()
    await expect(both).not.toAcceptConnections()
    await expect(both).not.toRefuseConnections()
    await expect(both).not.toBeReleased()
    const [six] = reservation.endpoints.filter(({ family }) => family === 'IPv6')
    vitestExpect(messageOf(() => expect(both).toBeListening())).toContain(`none on ${formatEndpoint(six as never)}`)
  })

  it('distinguishes a listener that accepts no connections from one that does, and from none', async (context) => {
    await using endpoint = await openOrSkip(context, () => unresponsiveEndpoint({ family: HERE_FAMILY }))
    expect(endpoint).toBeListening()
    await Promise.all([expect(endpoint).not.toAcceptConnections(), expect(endpoint).not.toRefuseConnections()])
    await expect(endpoint).not.toBeReleased()
    vitestExpect(await messageOfPromise(expect(endpoint).toAcceptConnections())).toContain('no answer')
  })

  it.runIf(!isWindows)('passes as refusing, and not as free, at a path that a dead server left behind', async () => {
    await using file = await leaveFileBehind()
    const target = { path: file.path }
    expect(target).not.toBeListening()
    await expect(target).toRefuseConnections()
    await expect(target).not.toAcceptConnections()
    await expect(target).not.toBeReleased()
    vitestExpect(await messageOfPromise(expect(target).toBeReleased())).toContain('  fix        remove the file')
  })

  it('recognizes a bound datagram socket', async () => {
    const socket = dgram.createSocket(UDP_HERE)
    expect(socket).not.toBeListening()
    socket.bind(0, HERE)
    await once(socket, 'listening')
    expect(socket).toBeListening()
    await expect(socket).not.toBeReleased()
    const closed = once(socket, 'close')
    socket.close()
    await closed
    expect(socket).not.toBeListening()
    const server = await listenUdp()
    expect(server).toBeListening()
    await expect(server).not.toBeReleased()
    await server.close()
    expect(server).not.toBeListening()
    await expect(server).toBeReleased()
  })

  it('does not count a UDP socket as a TCP listener', async () => {
    await using reservation = await reservePort({ protocol: 'both' })
    await using server = await listenUdp(undefined, { port: reservation })
    const { address, port } = server
    expect({ address, port }).not.toBeListening()
    await expect({ address, port }).not.toAcceptConnections()
  })

  it('rejects a UDP server where connections are needed', async () => {
    await using server = await listenUdp()
    await vitestExpect(expect(server).toRefuseConnections()).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
    await vitestExpect(expect(server).toAcceptConnections()).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it('checks the address with the given protocol', async () => {
    await using server = await listenUdp()
    const { address, port } = server
    await expect({ address, port }).not.toBeReleased({ protocol: 'udp' })
    await vitestExpect(expect({ address, port }).toBeReleased({ protocol: 'sctp' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    })
  })

  it.each(['toAcceptConnections', 'toRefuseConnections', 'toBeReleased'])(
    'throws inside toEqual(), which does not wait: %s',
    async (matcher) => {
      await using server = await listenTcp()
      for (const asymmetric of [expect[matcher], expect.not[matcher]]) {
        const equal = () => expect({ server }).toEqual({ server: asymmetric() })
        vitestExpect(equal).toThrow(`use ${matcher}() inside another matcher`)
      }
    },
  )

  it.runIf(process.platform === 'linux').for<[string, string]>([
    ['::', HERE],
    ['0.0.0.0', '127.0.0.2'],
  ])('does not count a listener that a connect to %s does not reach: %s', async ([address, host], context) => {
    needsIPv4(context)
    if (address === '::' && !isDual) context.skip('on a host without IPv6 clients connect by IPv4')
    await using server = await listenTcp(undefined, { host })
    expect({ address, port: server.port }).not.toBeListening()
    expect({ address: host, port: server.port }).toBeListening()
  })

  it('recognizes a server that is about to listen, and one that never listened', async () => {
    const server = net.createServer()
    expect(server).not.toBeListening()
    server.listen(0, HERE)
    await once(server, 'listening')
    expect(server).toBeListening()
    await closing(server)
    expect(server).not.toBeListening()
  })

  it.each([
    ['undefined', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['null', null, 'ERR_INVALID_ARG_TYPE'],
    ['a string', '127.0.0.1:80', 'ERR_INVALID_ARG_TYPE'],
    ['an empty object', {}, 'ERR_SOCKET_BAD_PORT'],
    ['port 0', { address: HERE, port: 0 }, 'ERR_SOCKET_BAD_PORT'],
    ['a port that is a string', { address: HERE, port: '80' }, 'ERR_SOCKET_BAD_PORT'],
    ['a port that is too large', 65_536, 'ERR_SOCKET_BAD_PORT'],
    ['NaN', Number.NaN, 'ERR_SOCKET_BAD_PORT'],
    ['an empty path', { path: '' }, 'ERR_INVALID_ARG_TYPE'],
    ['an invalid address', { address: 1, port: 80 }, 'ERR_INVALID_ARG_TYPE'],
    ['an array', [], 'ERR_SOCKET_BAD_PORT'],
    ['a function', () => {}, 'ERR_INVALID_ARG_TYPE'],
  ])('throws for an invalid endpoint: %s', async (_name, target, code) => {
    vitestExpect(thrownBy(() => expect(target).toBeListening())).toMatchObject({ code })
    vitestExpect(thrownBy(() => expect(target).not.toBeListening())).toMatchObject({ code })
    for (const matcher of ['toAcceptConnections', 'toRefuseConnections', 'toBeReleased']) {
      await vitestExpect(expect(target)[matcher]()).rejects.toMatchObject({ code })
      await vitestExpect(expect(target).not[matcher]()).rejects.toMatchObject({ code })
    }
  })
})

describe.each(libraries)('on a holder of connections, with the expect of %s', (_library, expect) => {
  it('counts the connections of a server of portside', async () => {
    await using server = await listenTcp()
    expect(server).toBeDrained()
    expect(server).toHaveOpenSockets(0)
    const [first] = [await server.connect(), await server.connect()]
    await until(() => server.connections.size === 2)
    for (const holder of [server, server.server, server.connections]) {
      expect(holder).not.toBeDrained()
      expect(holder).toHaveOpenSockets(2)
      expect(holder).not.toHaveOpenSockets(1)
      expect({ holder }).toEqual({ holder: expect.toHaveOpenSockets(2) })
      expect({ holder }).toEqual({ holder: expect.not.toBeDrained() })
      vitestExpect(messageOf(() => expect(holder).toBeDrained())).toMatch(
        /^Expected no open connection\.\n {2}got {8}2 open connections\n {4}- \S+ -> \S+; [\w-]+; .*\n {4}- .*\n {2}fix {8}/,
      )
      vitestExpect(messageOf(() => expect(holder).toHaveOpenSockets(1))).toMatch(
        /^Expected 1 open connection\.\n {2}got {8}2 open connections\n {4}- /,
      )
      vitestExpect(messageOf(() => expect(holder).not.toHaveOpenSockets(2))).toMatch(
        /^Expected not 2 open connections\.\n {2}got {8}2 open connections\n {4}- /,
      )
    }
    first?.destroy()
    await until(() => server.connections.size === 1)
    expect(server).toHaveOpenSockets(1)
    await server.close()
    expect(server).toBeDrained()
    vitestExpect(messageOf(() => expect(server).not.toBeDrained())).toMatch(/^Expected .*\n {2}got {8}/)
  })

  it('reports the request of a busy connection', async () => {
    await using server = await listenHttp(() => {})
    const client = await server.connect()
    client.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(server.server, 'request')
    vitestExpect(messageOf(() => expect(server).toBeDrained())).toContain('GET /slow')
    await server.close({ grace: 0 })
  })

  it('counts the connections of a server of Node that is not tracked', async () => {
    const server = listenAt({ address: HERE, port: 0 })
    await once(server, 'listening')
    expect(server).toBeDrained()
    const client = net.connect((server.address() as net.AddressInfo).port, HERE)
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    expect(server).not.toBeDrained()
    expect(server).toHaveOpenSockets(1)
    vitestExpect(messageOf(() => expect(server).toBeDrained())).toContain('  got        1 open connection\n')
    for (const each of [socket, client]) each.destroy()
    await until(() => socket.closed && client.closed)
    expect(server).toBeDrained()
    await closing(server)
    expect(server).toHaveOpenSockets(0)
  })

  it('counts the connections of a pool', async () => {
    await using server = await listenTcp()
    await using pool = createSocketPool()
    expect(pool).toBeDrained()
    await pool.connect(server)
    expect(pool).toHaveOpenSockets(1)
    vitestExpect(messageOf(() => expect(pool).toBeDrained())).toContain(` -> ${formatEndpoint(server)}; `)
    await pool.drain()
    expect(pool).toBeDrained()
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 42],
    ['a string', 'x'],
    ['an object', {}],
    ['an endpoint', { address: HERE, port: 80 }],
    ['a socket', new net.Socket()],
    ['an array', []],
    ['an object with an invalid field `connections`', { connections: [] }],
  ])('throws for a value without connections: %s', (_name, holder) => {
    for (const matcher of ['toBeDrained', 'toHaveOpenSockets']) {
      vitestExpect(thrownBy(() => expect(holder)[matcher](0))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
      vitestExpect(thrownBy(() => expect(holder).not[matcher](0))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
    }
  })

  it.each([undefined, null, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 1n, {}])(
    'throws for an invalid count: %s',
    async (count) => {
      await using pool = createSocketPool()
      vitestExpect(thrownBy(() => expect(pool).toHaveOpenSockets(count))).toHaveProperty(
        'code',
        vitestExpect.stringMatching(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/),
      )
    },
  )
})

async function openServer(): Promise<{ address: string; port: number; close: () => unknown }> {
  const server = await listenTcp(undefined, { family: HERE_FAMILY })
  return { address: server.address, port: server.port, close: () => server.close() }
}

async function closing(server: net.Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}

function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}

/** Without the colours and the stack that a library may add. */
const messageOf = (action: () => unknown): string => (thrownBy(action) as Error).message

async function messageOfPromise(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it did not reject'),
    (reason) => reason,
  )
  return error.message
}
