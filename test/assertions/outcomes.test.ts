import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { EventEmitter, getEventListeners, once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import WebSocket from 'ws'
import {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  createSocketPool,
  type Endpoint,
  type ExpectedEndpoint,
  formatEndpoint,
  listenTcp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
  refusedEndpoint,
  resettingEndpoint,
  waitForListening,
} from '../../src/index.js'
import { turn } from '../support/clients.js'
import { HERE, HERE_FAMILY, needsIPv4, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { node } from '../support/program.js'
import {
  ASSERTION_NAMES,
  ASSERTIONS,
  type AssertionName,
  errorOf,
  failing,
  leaveFileBehind,
  listenAt,
  listenOn,
  lookupBoth,
  type Stage,
  situations,
} from './situations.js'

leavesNothingOpen()

const isDual = loopbackFamilies().length === 2

/** The forms of an action. The assertion resolves to the thrown error. */
const forms: ReadonlyArray<readonly [name: string, of: (stage: Stage) => unknown]> = [
  ['a promise', (stage) => failing(stage.begin())],
  ['a function that returns a promise', (stage) => () => failing(stage.begin())],
  ['a function that returns an emitter', (stage) => () => stage.begin()],
  ['the emitter itself', (stage) => stage.begin()],
]

/** The wrappers around a caught error. */
const wraps: ReadonlyArray<readonly [name: string, of: (error: Error) => unknown]> = [
  ['the error itself', (error) => error],
  ['a function that throws it', (error) => thrower(error)],
  ['a promise of it that rejects', (error) => Promise.reject(error)],
  ['the cause of another error', (error) => new Error('it failed', { cause: error })],
  ['the cause of a cause', (error) => new Error('no', { cause: new Error('no', { cause: error }) })],
  ['an AggregateError of it', (error) => new AggregateError([error])],
  ['an AggregateError of it and itself', (error) => new AggregateError([error, error], 'all failed')],
  ["fetch's TypeError", (error) => new TypeError('fetch failed', { cause: error })],
  [
    "fetch's TypeError with an AggregateError",
    (error) => new TypeError('fetch failed', { cause: new AggregateError([error]) }),
  ],
  ['an error of portside', (error) => Object.assign(new Error('no'), { code: 'ERR_X', cause: error })],
  ['an object with a message', (error) => ({ message: 'no', cause: error })],
]

describe.each(situations.map((situation) => [situation.name, situation] as const))('%s', (_name, situation) => {
  const assert = ASSERTIONS[situation.assertion]

  it.for(forms)('is asserted of %s', async ([, of], context) => {
    await using stage = await situation.stage(context)
    const error = await assert(of(stage), stage.place)
    expect(error).toMatchObject({ code: situation.code })
  })

  it.for(wraps)('is asserted of %s', async ([, of], context) => {
    await using stage = await situation.stage(context)
    const error = await errorOf(stage.begin())
    const action = of(error)
    const expected = typeof action === 'function' || action instanceof Promise ? error : action
    expect(await assert(action, stage.place)).toBe(expected)
  })

  it('passes no other assertion', async (context) => {
    await using stage = await situation.stage(context)
    expect(await verdictsOn(() => failing(stage.begin()))).toEqual(only(situation.assertion))
    const error = await errorOf(stage.begin())
    for (const [, of] of wraps) expect(await verdictsOn(() => of(error))).toEqual(only(situation.assertion))
  })

  it('passes only for the place that the error names', async (context) => {
    await using stage = await situation.stage(context)
    const error = await errorOf(stage.begin())
    const { place } = stage
    if (place === undefined) {
      await expect(assert(error, { port: 1 })).rejects.toMatchObject({
        code: 'ERR_PORTSIDE_ASSERTION',
        message: expect.stringContaining('the error does not say where'),
      })
      return
    }
    for (const [name, value] of Object.entries(place)) expect(await assert(error, { [name]: value })).toBe(error)
    const { address, port = 2, family } = place
    const others: ExpectedEndpoint[] = [
      { ...place, address: '127.0.0.77' },
      { ...place, port: port ^ 1 },
    ]
    if (address !== undefined) others.push({ ...place, family: family === 'IPv6' ? 'IPv4' : 'IPv6' })
    for (const other of others) {
      await expect(assert(error, other)).rejects.toMatchObject({
        code: 'ERR_PORTSIDE_ASSERTION',
        message: expect.stringContaining('it happened elsewhere'),
      })
    }
  })
})

describe('fetch', () => {
  it('is refused, and the error says where', async () => {
    await using endpoint = await refusedEndpoint()
    const error = await assertConnectionRefused(() => fetch(`http://${formatEndpoint(endpoint)}`), endpoint)
    expect(error).toBeInstanceOf(TypeError)
    await rejectsAssertion(assertConnectionReset(() => fetch(`http://${formatEndpoint(endpoint)}`)))
  })

  it('is reset', async () => {
    await using endpoint = await resettingEndpoint({ after: 'first-byte' })
    const error = await assertConnectionReset(fetch(`http://${formatEndpoint(endpoint)}`))
    expect(error).toBeInstanceOf(TypeError)
    await rejectsAssertion(assertConnectionRefused(fetch(`http://${formatEndpoint(endpoint)}`)))
  })
})

describe('an action that begins within a promise', () => {
  const late: ReadonlyArray<readonly [name: string, action: () => Promise<void>]> = [
    [
      'a server about to listen',
      async () => {
        await using endpoint = await occupiedEndpoint()
        await assertAddressInUse(async () => listenAt(endpoint), endpoint)
      },
    ],
    [
      'a socket about to connect',
      async () => {
        await using endpoint = await refusedEndpoint()
        await assertConnectionRefused(async () => net.connect(endpoint.port, endpoint.address), endpoint)
      },
    ],
    [
      'a request',
      async () => {
        await using endpoint = await refusedEndpoint()
        const options = { host: endpoint.address, port: endpoint.port, agent: false as const }
        await assertConnectionRefused(async () => http.get(options), endpoint)
      },
    ],
    [
      'a WebSocket',
      async () => {
        await using endpoint = await refusedEndpoint()
        await assertConnectionRefused(async () => new WebSocket(`ws://${formatEndpoint(endpoint)}`), endpoint)
      },
    ],
  ]

  it('is waited for: a datagram socket about to bind', async () => {
    await using endpoint = await occupiedEndpoint({ protocol: 'udp' })
    const socket = dgram.createSocket(UDP_HERE)
    const bind = async () => socket.bind({ port: endpoint.port, address: endpoint.address, exclusive: true })
    await assertAddressInUse(bind, endpoint).finally(() => socket.close())
  })

  it('is waited for: an HTTP/2 session', async () => {
    await using endpoint = await refusedEndpoint()
    await assertConnectionRefused(async () => http2.connect(`http://${formatEndpoint(endpoint)}`), endpoint)
  })

  it.each(late)('is waited for: %s', (_name, action) => action())
})

describe('a thenable that is not a promise', () => {
  const refused = Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' })

  // A query builder queries the database at each then() (Knex), or throws the second time (Mongoose).
  it.each([
    ['as it is', (thenable: object) => thenable],
    ['returned', (thenable: object) => () => thenable],
    ['resolved', (thenable: object) => async () => thenable],
  ])('is called once: %s', async (_name, of) => {
    const asked = vi.fn((_resolve: unknown, reject: (error: Error) => void) => void reject?.(refused))
    // biome-ignore lint/suspicious/noThenProperty: the test needs a thenable.
    expect(await assertConnectionRefused(of({ then: asked }))).toBe(refused)
    expect(asked).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['as it is', (thenable: object) => thenable],
    ['returned', (thenable: object) => () => thenable],
  ])('rejects when it throws: %s', async (_name, of) => {
    // biome-ignore lint/suspicious/noThenProperty: the test needs a thenable.
    expect(await assertConnectionRefused(of({ then: thrower(refused) }))).toBe(refused)
  })

  it('may call back many times, and only the first counts', async () => {
    const then = (resolve: (value: unknown) => void, reject: (error: Error) => void): void => {
      reject?.(refused)
      resolve?.(1)
      reject?.(new Error('no'))
    }
    expect(await assertConnectionRefused({ then })).toBe(refused)
  })
})

it('an emitter that throws from on() matches no outcome', async () => {
  const emitter = { on: thrower(new Error('a trap')), removeListener: thrower(new Error('a trap')) }
  await rejectsAssertion(assertConnectionRefused(emitter))
  await rejectsAssertion(assertConnectionRefused(() => emitter))
})

describe('an error of portside', () => {
  it('is recognized by its cause, and so is its place', async () => {
    await using endpoint = await occupiedEndpoint()
    await assertAddressInUse(listenTcp(undefined, { port: endpoint.port, host: endpoint.address }), endpoint)
    await assertAddressNotAvailable(listenTcp(undefined, { host: '192.0.2.1' }), { address: '192.0.2.1' })
    await using refused = await refusedEndpoint()
    await using pool = createSocketPool()
    await assertConnectionRefused(pool.connect(refused), refused)
    await assertConnectionRefused(waitForListening(refused, { timeout: 30, interval: 10 }), refused)
  })
})

describe('an emitter that has ended before the assertion', () => {
  it('passes if the socket has failed', async () => {
    await using endpoint = await refusedEndpoint()
    const socket = net.connect(endpoint.port, endpoint.address)
    await errorOf(socket)
    await assertConnectionRefused(socket, endpoint)
    await turn()
    await assertConnectionRefused(socket, endpoint)
  })

  it('passes if the request has failed', async () => {
    await using endpoint = await refusedEndpoint()
    const request = http.get({ host: endpoint.address, port: endpoint.port, agent: false })
    await errorOf(request)
    await assertConnectionRefused(request, endpoint, { timeout: 1000 })
  })

  it('does not pass if the socket was closed without an error', async () => {
    await using server = await listenTcp()
    const socket = net.connect(server.port, server.address)
    await once(socket, 'connect')
    socket.destroy()
    await rejectsAssertion(assertConnectionRefused(socket), 'it was already closed, without an error')
  })

  it('does not pass for a socket that closes without an error', async () => {
    await using server = await listenTcp((socket) => void socket.end())
    await rejectsAssertion(
      assertConnectionReset(() => net.connect(server.port, server.address)),
      'without an error',
    )
  })
})

describe('an expected endpoint', () => {
  it('has an address instead of a host', async () => {
    const expected = { host: '10.0.0.1', port: 4000 } as ExpectedEndpoint
    await expect(assertConnectionRefused(new Error('no'), expected)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_UNKNOWN_OPTION',
      argument: 'host',
      next: 'pass address, as an error has it',
    })
  })

  it('may be a server of portside', async () => {
    await using server = await listenTcp()
    await assertAddressInUse(() => listenAt(server), server)
    await using other = await listenTcp()
    await rejectsAssertion(
      assertAddressInUse(() => listenAt(server), other),
      'it happened elsewhere',
    )
  })

  it('may be the result of server.address()', async () => {
    await using server = await listenTcp()
    await assertAddressInUse(() => listenAt(server), server.server.address() as Endpoint)
  })

  it.runIf(isDual)('may be a dual-stack server: an error at either address matches', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    for (const { address } of endpoint.endpoints) {
      await assertConnectionRefused(() => net.connect(endpoint.port, address), endpoint)
    }
  })

  it.each(loopbackFamilies())('matches the %s loopback address for localhost', async (family) => {
    await using endpoint = await refusedEndpoint({ family })
    const error = await errorOf(net.connect(endpoint.port, endpoint.address))
    await assertConnectionRefused(error, { address: 'localhost' })
    await assertConnectionRefused(error, { address: 'localhost', port: endpoint.port, family })
    await rejectsAssertion(assertConnectionRefused(error, { address: 'localhost', port: endpoint.port ^ 1 }))
  })

  it.runIf(process.platform === 'linux')(
    'does not match localhost at another address of 127.0.0.0/8',
    async (context) => {
      needsIPv4(context)
      await using endpoint = await refusedEndpoint({ host: '127.0.0.9' })
      const error = await errorOf(net.connect(endpoint.port, endpoint.address))
      await rejectsAssertion(assertConnectionRefused(error, { address: 'localhost' }), 'it happened elsewhere')
    },
  )

  it('matches an IPv4 address that a client connected to as an IPv4-mapped address', async (context) => {
    await using endpoint = await refusedEndpoint({ family: HERE_FAMILY })
    const error = await errorOf(net.connect(endpoint.port, `::ffff:${endpoint.address}`))
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') context.skip(`this host answers ${error.message}`)
    await assertConnectionRefused(error, { address: endpoint.address })
    await assertConnectionRefused(error, endpoint)
    await assertConnectionRefused(error, { address: 'localhost' })
  })

  it.runIf(isDual)('matches if one of several tried addresses does', async () => {
    await using endpoint = await refusedEndpoint({ family: 'dual' })
    const error = await errorOf(net.connect({ host: 'both.test', port: endpoint.port, lookup: lookupBoth }))
    for (const { address, port, family } of endpoint.endpoints) {
      expect(await assertConnectionRefused(error, { address, port, family })).toBe(error)
    }
    await rejectsAssertion(assertConnectionRefused(error, { address: '127.0.0.9' }), 'it happened elsewhere')
    await rejectsAssertion(
      assertConnectionRefused(error, { address: '::1', family: HERE_FAMILY }),
      'it happened elsewhere',
    )
  })

  it('matches the message of an error without fields', async () => {
    const error = new Error('connect ECONNREFUSED ::1:3000')
    await assertConnectionRefused(error, { address: '::1', port: 3000, family: 'IPv6' })
    await rejectsAssertion(assertConnectionRefused(error, { port: 3001 }), 'it happened elsewhere')
  })

  it.runIf(process.platform !== 'win32')('matches the path of a unix socket, but no port', async () => {
    await using server = await listenUnix()
    const error = await errorOf(listenOn(server.path))
    expect(await assertAddressInUse(error, { address: server.path })).toBe(error)
    await rejectsAssertion(assertAddressInUse(error, { address: `${server.path}x` }))
    await rejectsAssertion(assertAddressInUse(error, { port: 3000 }))
    await rejectsAssertion(assertAddressInUse(error, { family: 'IPv6' }))
    await rejectsAssertion(assertAddressInUse(error, { address: server.path, port: 3000 }))
  })

  it.runIf(process.platform !== 'win32')('may be a unix server of portside, and is printed as its path', async () => {
    await using server = await listenUnix()
    await using file = await leaveFileBehind()
    const expected = server as unknown as { address: string }
    await assertAddressInUse(() => listenOn(server.path), expected)
    const { message } = await rejectsAssertion(assertAddressInUse(() => listenOn(file.path), expected))
    expect(message).toContain(` at ${server.path}.\n`)
  })

  const bad: ReadonlyArray<readonly [name: string, code: string, expected: unknown]> = [
    ['null', 'ERR_INVALID_ARG_TYPE', null],
    ['a number', 'ERR_INVALID_ARG_TYPE', 3000],
    ['a string', 'ERR_INVALID_ARG_TYPE', '127.0.0.1:3000'],
    ['a boolean', 'ERR_INVALID_ARG_TYPE', true],
    ['a function', 'ERR_INVALID_ARG_TYPE', () => {}],
    ['an address that is a number', 'ERR_INVALID_ARG_TYPE', { address: 1 }],
    ['an address that is null', 'ERR_INVALID_ARG_TYPE', { address: null }],
    ['a server of Node, whose address is a function', 'ERR_INVALID_ARG_TYPE', net.createServer()],
    ['a port that is a string', 'ERR_SOCKET_BAD_PORT', { port: '3000' }],
    ['a port below 0', 'ERR_SOCKET_BAD_PORT', { port: -1 }],
    ['a port above 65535', 'ERR_SOCKET_BAD_PORT', { port: 65_536 }],
    ['half a port', 'ERR_SOCKET_BAD_PORT', { port: 1.5 }],
    ['a port that is NaN', 'ERR_SOCKET_BAD_PORT', { port: Number.NaN }],
    ['a port that is null', 'ERR_SOCKET_BAD_PORT', { port: null }],
    ['a family in lower case', 'ERR_INVALID_ARG_VALUE', { family: 'ipv4' }],
    ['a family that is a number', 'ERR_INVALID_ARG_VALUE', { family: 4 }],
    ['a family that is null', 'ERR_INVALID_ARG_VALUE', { family: null }],
  ]

  it.each(bad)('is rejected before the action begins: %s', async (_name, code, expected) => {
    const action = vi.fn(() => Promise.resolve())
    for (const assert of Object.values(ASSERTIONS)) {
      await expect(assert(action, expected as never)).rejects.toMatchObject({ code })
    }
    expect(action).not.toHaveBeenCalled()
  })

  // With one of these an assertion would pass for every place.
  it.each([[[]], [{}], [{ path: '/run/x.sock' }], [{ prot: 3000 }], [new Map([['port', 3000]])]])(
    'is rejected without a field of an endpoint: %o',
    async (expected) => {
      await using endpoint = await refusedEndpoint()
      const error = await errorOf(net.connect(endpoint.port, endpoint.address))
      const [unknown] = Object.keys(expected)
      const named = expected instanceof Map || unknown === undefined
      await expect(assertConnectionRefused(error, expected as never)).rejects.toMatchObject({
        code: named ? 'ERR_INVALID_ARG_TYPE' : 'ERR_PORTSIDE_UNKNOWN_OPTION',
        argument: named ? 'expected' : unknown,
      })
    },
  )
})

describe('the timeout of an action', () => {
  const never = new Promise<never>(() => {})

  it.each(ASSERTION_NAMES)('%s rejects if a promise never settles', async (name) => {
    await rejectsAssertion(ASSERTIONS[name](never, undefined, { timeout: 1 }), 'nothing within 1 ms: the promise is')
  })

  it('expires under fake timers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'setInterval', 'Date', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    await rejectsAssertion(assertConnectionRefused(never, undefined, { timeout: 20 }), 'nothing within 20 ms')
    await rejectsAssertion(
      assertConnectionRefused(() => never, undefined, { timeout: 20 }),
      'nothing within 20 ms',
    )
    const emitter = new EventEmitter()
    await rejectsAssertion(assertConnectionRefused(emitter, undefined, { timeout: 20 }), 'nothing within 20 ms')
    await using server = await listenTcp()
    const dial = () => net.connect(server.port, server.address)
    await rejectsAssertion(assertConnectionRefused(dial), 'it succeeded: connected to')
  })

  it('does not delay an action that ends before', async () => {
    const error = Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' })
    expect(await assertConnectionRefused(Promise.reject(error), undefined, { timeout: 60_000 })).toBe(error)
  })

  const bad = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '10', null, {}]
  it.each(bad)('is rejected if it is invalid: %o', async (timeout) => {
    const action = vi.fn(() => never)
    await expect(assertConnectionRefused(action, undefined, { timeout } as never)).rejects.toMatchObject({
      code: typeof timeout === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE',
    })
    expect(action).not.toHaveBeenCalled()
  })

  it('swallows a later rejection', async () => {
    let reject: (error: Error) => void = () => {}
    const action = new Promise<never>((_resolve, rejects) => {
      reject = rejects
    })
    await rejectsAssertion(assertConnectionRefused(action, undefined, { timeout: 1 }))
    reject(new Error('late'))
    await turn()
  })
})

describe('a signal', () => {
  const never = new Promise<never>(() => {})

  it('that is already aborted prevents the action', async () => {
    const action = vi.fn(() => never)
    const signal = AbortSignal.abort('enough')
    const failed = assertConnectionRefused(action, undefined, { signal })
    await expect(failed).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' })
    expect(action).not.toHaveBeenCalled()
  })

  it.each([
    ['a promise', () => never],
    ['an emitter', () => new EventEmitter()],
  ])('that is aborted ends the wait for %s', async (_name, action) => {
    const controller = new AbortController()
    const failed = assertConnectionRefused(action, undefined, { signal: controller.signal })
    controller.abort('enough')
    await expect(failed).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('has no listener after the action has ended', async () => {
    const { signal } = new AbortController()
    const error = Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' })
    await assertConnectionRefused(Promise.reject(error), undefined, { signal })
    await assertConnectionRefused(thrower(error), undefined, { signal })
    await assertConnectionRefused(error, undefined, { signal })
    await rejectsAssertion(assertConnectionRefused(() => 1, undefined, { signal }))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it.each([null, {}, 'no'])('is rejected if it is invalid: %o', async (signal) => {
    await expect(assertConnectionRefused(never, undefined, { signal } as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
  })

  it.each([null, 1, 'no'])('is not read from invalid options: %o', async (options) => {
    await expect(assertConnectionRefused(never, undefined, options as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
  })
})

describe('a value that is not a socket error', () => {
  const values: ReadonlyArray<readonly [name: string, value: unknown]> = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 42],
    ['a string', 'ECONNREFUSED'],
    ['a symbol', Symbol('no')],
    ['a bigint', 1n],
    ['an object', {}],
    ['an object without a prototype', Object.create(null)],
    ['an array', []],
    ['an error without a code', new Error('no')],
    ['an error with another code', Object.assign(new Error('no'), { code: 'EWHATEVER' })],
    ['an error with a code that is a number', Object.assign(new Error('no'), { code: 111 })],
    ['an error with an empty code', Object.assign(new Error('no'), { code: '' })],
    ['an empty AggregateError', new AggregateError([])],
    ['an AggregateError of no errors', new AggregateError([undefined, null, 1, 'x'])],
    ['an error that is its own cause', cyclic('cause')],
    ['an error that is one of its own errors', cyclic('errors')],
    ['a frozen error', Object.freeze(new Error('no'))],
    ['an error whose message is no string', Object.assign(new Error(), { message: 1 })],
    ['an object whose constructor is null', { constructor: null }],
    ['a revoked proxy', revoked()],
    ['a proxy that throws', throwingProxy()],
    ['an error whose fields throw', throwingFields()],
    ['an object whose then throws', throwingThen()],
  ]

  describe.each(values)('%s', (_name, value) => {
    it('passes no assertion, thrown or rejected', async () => {
      for (const assert of Object.values(ASSERTIONS)) {
        await rejectsAssertion(assert(thrower(value)))
        await rejectsAssertion(assert(Promise.reject(value)))
      }
    })

    it('passes no assertion, as the action or returned', async () => {
      for (const assert of Object.values(ASSERTIONS)) {
        await rejectsAssertion(assert(value))
        await rejectsAssertion(assert(() => value))
      }
    })
  })

  it.each([
    ['mentions a timeout', () => (undefined as unknown as { timeout: number }).timeout],
    ['mentions a deadline', () => (null as unknown as { deadline(): void }).deadline()],
    ['refuses a timeout', () => setTimeout('timeout' as never)],
  ])('fails for a programming error that %s', async (_what, action) => {
    expect(action).toThrow(TypeError)
    await rejectsAssertion(assertConnectionTimedOut(action))
  })
})

describe('a nested error with a code', () => {
  const refused = () => Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' })

  it('is found behind a cyclic cause', async () => {
    const outer = new Error('outer', { cause: refused() })
    Object.assign(outer.cause as Error, { cause: outer })
    expect(await assertConnectionRefused(outer)).toBe(outer)
  })

  it('is found among cyclic errors', async () => {
    const outer = new AggregateError([refused()])
    outer.errors.push(outer)
    expect(await assertConnectionRefused(outer)).toBe(outer)
  })

  it('is found behind 30 causes', async () => {
    let error: Error = refused()
    for (let depth = 0; depth < 30; depth++) error = new Error('outer', { cause: error })
    expect(await assertConnectionRefused(error)).toBe(error)
  })

  // Not compared by Vitest, because printing the error may follow its causes to the end.
  it.each([
    ['causes', (error: Error) => new Error('outer', { cause: error })],
    ['AggregateErrors', (error: Error) => new AggregateError([error])],
  ])('may be nested in more %s than the stack is deep', async (_name, wrap) => {
    let error: Error = refused()
    for (let depth = 0; depth < 10_000; depth++) error = wrap(error)
    const verdict = await assertConnectionRefused(error).then(
      () => 'passes',
      ({ code }) => code,
    )
    expect(['passes', 'ERR_PORTSIDE_ASSERTION']).toContain(verdict)
  })

  it('is searched once in each error, however often that is wrapped', async () => {
    const looked = vi.fn(() => 'ECONNREFUSED')
    const coded = Object.assign(new Error('no'), { syscall: 'connect' })
    let error: Error = Object.defineProperty(coded, 'code', { get: looked })
    for (let depth = 0; depth < 16; depth++) error = new AggregateError([error, error])
    expect(await assertConnectionRefused(error)).toBe(error)
    expect(looked.mock.calls.length).toBeLessThan(1000)
  })

  it('is found among 1,000 errors, which pass only if all agree', async () => {
    const errors = Array.from({ length: 1000 }, refused)
    expect(await assertConnectionRefused(new AggregateError(errors))).toBeInstanceOf(AggregateError)
    errors.splice(500, 0, Object.assign(new Error('no'), { code: 'ECONNRESET', syscall: 'read' }))
    await rejectsAssertion(assertConnectionRefused(new AggregateError(errors)), '  got        read: ECONNRESET')
  })

  it('is listed with each attempt for an AggregateError with several codes', async () => {
    await using endpoint = await refusedEndpoint()
    const wrong = Object.assign(new Error('connect ETIMEDOUT ::1:1'), {
      code: 'ETIMEDOUT',
      syscall: 'connect',
      address: '::1',
      port: 1,
    })
    const right = await errorOf(net.connect(endpoint.port, endpoint.address))
    const mixed = new AggregateError([right, wrong])
    const place = formatEndpoint(endpoint)
    const { message } = await rejectsAssertion(
      assertConnectionRefused(mixed),
      '  got        connect to [::1]:1: ETIMEDOUT',
    )
    expect(message).toContain(`  tried      connect to ${place}: ECONNREFUSED; connect to [::1]:1: ETIMEDOUT`)
    await rejectsAssertion(assertConnectionTimedOut(mixed), `  got        connect to ${place}: ECONNREFUSED`)
  })
})

describe('a process that is out of descriptors', () => {
  // Node opens its modules all at once, and needs fewer descriptors than this.
  const LIMIT = 256

  it.runIf(process.platform === 'linux')('has too many open files, and passes no other assertion', () => {
    const code = `
      import net from 'node:net'
      import dgram from 'node:dgram'
      import { once } from 'node:events'
      const portside = await import(process.env.PORTSIDE)
      const server = net.createServer().listen(0, '${HERE}')
      await once(server, 'listening')
      const { port } = server.address()
      const open = []
      const errorOf = (emitter) => new Promise((resolve) => {
        emitter.on('error', resolve)
        for (const event of ['connect', 'listening']) emitter.on(event, () => resolve(undefined))
      })
      const exhaust = async (begin) => {
        for (;;) {
          const emitter = begin()
          open.push(emitter)
          const error = await errorOf(emitter)
          if (error !== undefined) return error
        }
      }
      const ways = {
        listen: () => net.createServer().listen(0, '${HERE}'),
        connect: () => net.connect(port, '${HERE}'),
        bind: () => dgram.createSocket('${UDP_HERE}').bind(0, '${HERE}'),
      }
      const seen = {}
      for (const [name, begin] of Object.entries(ways)) {
        const error = await exhaust(begin)
        const passing = []
        for (const assertion of ${JSON.stringify(ASSERTION_NAMES)}) {
          const codes = []
          for (const action of [error, Promise.reject(error), () => begin(), new Error('no', { cause: error })]) {
            codes.push(await portside[assertion](action).then(() => 'passes', ({ code }) => code))
          }
          if (codes.every((code) => code === 'passes')) passing.push(assertion)
          else if (!codes.every((code) => code === 'ERR_PORTSIDE_ASSERTION')) passing.push(codes)
        }
        const { cause, hints, code } = await portside.explainSocketError(error)
        seen[name] = { code, cause, hint: hints[0], passing }
      }
      console.log(JSON.stringify(seen))
      process.exit()`
    const seen = JSON.parse(
      execFileSync('sh', ['-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh', ...node(code)], { encoding: 'utf8' }),
    )
    const all = {
      code: 'EMFILE',
      cause: expect.stringContaining('ulimit -n'),
      hint: expect.stringContaining('socketDescriptors()'),
      passing: ['assertTooManyOpenFiles'],
    }
    expect(seen).toEqual({ listen: all, connect: all, bind: all })
  })

  it.runIf(process.platform === 'linux')('explains other errors as usual', () => {
    const code = `
      import { closeSync, openSync } from 'node:fs'
      const { assertAddressNotAvailable, explainSocketError, loopbackFamilies } = await import(process.env.PORTSIDE)
      const absent = (address) => Object.assign(new Error('no'), { code: 'EADDRNOTAVAIL', syscall: 'listen', address })
      const codes = ['EADDRINUSE', 'EACCES', 'ECONNREFUSED', 'ETIMEDOUT', 'ECONNRESET', 'EMFILE']
      const others = codes.map((code) =>
        Object.assign(new Error('no'), { code, syscall: 'listen', address: '${HERE}', port: 1 }))
      const open = []
      try { for (;;) open.push(openSync('/dev/null')) } catch {}
      const seen = []
      for (const error of [absent('192.0.2.1'), absent('2001:db8::1'), ...others]) {
        seen.push(await explainSocketError(error).then(({ code }) => code, ({ message }) => message))
      }
      seen.push(await assertAddressNotAvailable(new AggregateError([absent('192.0.2.1'), absent('2001:db8::1')]))
        .then(() => 'passes', ({ message }) => message))
      for (const descriptor of open) closeSync(descriptor)
      // A failed lookup must not be cached.
      console.log(JSON.stringify([...seen, ...loopbackFamilies()]))`
    const seen = JSON.parse(
      execFileSync('sh', ['-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh', ...node(code)], { encoding: 'utf8' }),
    )
    const rest = ['EADDRINUSE', 'EACCES', 'ECONNREFUSED', 'ETIMEDOUT', 'ECONNRESET', 'EMFILE']
    expect(seen).toEqual(['EADDRNOTAVAIL', 'EADDRNOTAVAIL', ...rest, 'passes', ...loopbackFamilies()])
  })
})

function thrower(error: unknown): () => never {
  return () => {
    throw error
  }
}

/** The assertions that pass on the action, and the errors of the others. */
async function verdictsOn(action: () => unknown): Promise<Record<string, unknown>> {
  const verdicts: Record<string, unknown> = {}
  for (const name of ASSERTION_NAMES) {
    verdicts[name] = await ASSERTIONS[name](action()).then(
      () => 'passes',
      (error) => error.code,
    )
  }
  return verdicts
}

function only(passing: AssertionName): Record<string, unknown> {
  const fails = ASSERTION_NAMES.map((name) => [name, name === passing ? 'passes' : 'ERR_PORTSIDE_ASSERTION'])
  return Object.fromEntries(fails)
}

async function rejectsAssertion(assertion: Promise<unknown>, text = 'Expected '): Promise<Error> {
  const error = await assertion.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'PortsideAssertionError', code: 'ERR_PORTSIDE_ASSERTION' })
  expect(error.message).toContain(text)
  return error
}

function cyclic(field: 'cause' | 'errors'): Error {
  const error = new Error('no')
  return Object.assign(error, { [field]: field === 'errors' ? [error, error] : error })
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function throwingProxy(): object {
  const throws = thrower(new Error('a trap'))
  return new Proxy({}, { get: throws, has: throws, getPrototypeOf: throws, ownKeys: throws })
}

function throwingFields(): Error {
  const error = new Error('no')
  for (const field of ['code', 'message', 'name', 'cause', 'errors', 'address', 'syscall', 'constructor']) {
    Object.defineProperty(error, field, { get: thrower(new Error('a getter')) })
  }
  return error
}

function throwingThen(): object {
  return Object.defineProperty({}, 'then', { get: thrower(new Error('a getter')) })
}
