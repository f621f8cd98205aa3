import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import * as portside from '../src/index.js'
import { LeakCheck } from '../src/leaks/leak-check.js'
import { namesOf, readOptions } from '../src/options.js'
import { namespacePool } from '../src/runners/vitest-pool.js'
import { attempt } from './fuzz/attempt.js'
import { type Entry, entriesOf } from './support/entries.js'
import { leavesNothingOpen } from './support/kernel.js'

leavesNothingOpen()

type Call = (options: unknown) => unknown

const named = portside as Record<string, unknown>

/** Calls an entry of the list that the fuzz also uses, with other options. */
const callOf =
  (entry: Entry): Call =>
  async (options) => {
    const { error, outcome } = await attempt(entry, (args) => args.with(-1, options))
    if (outcome !== 'accepted') throw error
  }

/** Excluded: functions of a scope are the same, and a network needs a host that supports one. */
const shared = entriesOf(portside).filter(
  ({ is, kept }) =>
    !kept && (!/^NetScope\.(listen|reserve|spawn|\w+Endpoint)/.test(is) || is === 'NetScope.listenHttp'),
)

/** Each function with options: its name in messages, the name of an option, and the call. */
const all: ReadonlyArray<readonly [of: string, known: string, call: Call]> = [
  ...shared.flatMap(
    (entry): Array<readonly [string, string, Call]> =>
      entry.knows === undefined ? [] : [[entry.of, entry.knows, callOf(entry)]],
  ),
  ['namespacePool()', 'fallback', (o) => namespacePool({}, o as object)],
  ['the profile of a host', 'mtu', (o) => namespacePool(o as object)],
  ['provide.portside', 'leaks', (o) => new LeakCheck('a.test.ts', o as object, { of: 'provide.portside' })],
  [
    'provide.portside.leaks',
    'mode',
    (o) => new LeakCheck('a.test.ts', { leaks: o as object }, { of: 'provide.portside' }),
  ],
]

/** Calls a method of a server, and closes the server in any case. */
const onServer =
  <S extends { close(): Promise<unknown> }>(
    open: () => Promise<S>,
    call: (server: S, options: never) => unknown,
  ): Call =>
  async (options) => {
    const server = await open()
    try {
      return await call(server, options as never)
    } finally {
      await server.close()
    }
  }

async function failureOf(call: Call, options: unknown): Promise<{ code?: string; message: string; argument?: string }> {
  try {
    await call(options)
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** A name with two letters swapped. */
const misspelt = (name: string): string => `${name.slice(0, -2)}${name.at(-1)}${name.at(-2)}`

describe.each(all)('%s, by %s', (of, known, call) => {
  it('rejects a misspelt option, and names the function and the nearest option', async () => {
    const typo = misspelt(known)
    const error = await failureOf(call, { [typo]: 1 })
    expect(error).toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION', argument: typo })
    expect(error.message).toContain(`Invalid option "${typo}" of ${of}: `)
    expect(error.message).toContain(`did you mean "${known}"?`)
  })

  it.each([
    ['a number', 100, 'the number 100'],
    ['a string', 'x', "the string 'x'"],
    ['an array', [1], 'an array'],
    ['null', null, 'null'],
    ['a function', () => {}, 'a function'],
    ['a symbol', Symbol('s'), 'the symbol Symbol(s)'],
    ['a bigint', 5n, 'the bigint 5n'],
    ['a promise', Promise.resolve({}), 'a promise: await it'],
    ['a map', new Map([['grace', 1]]), 'a Map object'],
    ['a date', new Date(0), 'a Date object'],
    ['a URL', new URL('tcp://127.0.0.1:9'), 'a URL object'],
    ['a signal that stands alone', new AbortController().signal, 'an AbortSignal object'],
  ])('rejects %s', async (_name, options, got) => {
    if (_name === 'a function' && of === 'readSocketTable()') return
    if (_name === 'a string' && of === 'provide.portside.leaks') return
    const error = await failureOf(call, options)
    expect(error.code).toBe('ERR_INVALID_ARG_TYPE')
    // ignoreLeaks() takes its rules as arguments, so the message names an argument.
    expect(error.message).toContain(of === 'a leak rule' ? 'rule' : `got ${got}`)
  })

  it('rejects a symbol as a name, a getter that throws, and a revoked proxy', async () => {
    const throwing = Object.defineProperty({}, known, {
      enumerable: true,
      get: () => {
        throw new Error('a trap')
      },
    })
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    for (const options of [
      { [Symbol('port')]: 1 },
      Object.create({ [misspelt(known)]: 1 }),
      throwing,
      proxy,
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw 0
          },
        },
      ),
    ]) {
      expect((await failureOf(call, options)).code).toMatch(/^ERR_/)
    }
  })
})

it.each(['listenTcp', 'reservePort', 'stalledEndpoint'] as const)(
  '%s accepts options without a prototype, frozen options, and options of a class',
  async (name) => {
    const open = named[name] as (...args: unknown[]) => Promise<AsyncDisposable>
    class Options {
      family = portside.loopbackFamilies()[0]
    }
    const plain = Object.assign(Object.create(null), { family: portside.loopbackFamilies()[0] })
    for (const options of [plain, Object.freeze({}), new Options(), { family: undefined }, undefined]) {
      await using _opened = name === 'listenTcp' ? await open(undefined, options) : await open(options)
    }
  },
)

it.each([
  ['listenTls', { cert: '', key: '' }, /listen\(tls\.createServer\(\{ cert, key \}\)\)/],
  ['listenHttps', { key: '' }, /createServer/],
  ['listenTls', { ALPNProtocols: ['h2'] }, /pass it to tls\.createServer\(\)/],
  ['listenHttps', { requestCert: true }, /and call listen\(server\)/],
  ['listenTcp', { path: '/tmp/x' }, /listenUnix\(\)/],
  ['listenUnix', { port: 3000 }, /a path has no host/],
  ['listenTcp', { timeout: 5 }, /AbortSignal\.timeout/],
] as const)('%s says what to do about %o', async (name, options, next) => {
  const error = await failureOf(
    (o) => (named[name] as (handler: undefined, options: unknown) => unknown)(undefined, o),
    options,
  )
  expect(error).toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION', next: expect.stringMatching(next) })
})

it.each([
  ['grace', '1s', 'ERR_INVALID_ARG_TYPE'],
  ['grace', -1, 'ERR_OUT_OF_RANGE'],
  ['grace', Number.NaN, 'ERR_OUT_OF_RANGE'],
  ['backlog', '5', 'ERR_INVALID_ARG_TYPE'],
  ['backlog', 0, 'ERR_OUT_OF_RANGE'],
  ['port', '3000', 'ERR_SOCKET_BAD_PORT'],
  ['signal', { aborted: false, addEventListener() {} }, 'ERR_INVALID_ARG_TYPE'],
  ['signal', {}, 'ERR_INVALID_ARG_TYPE'],
  ['grace', 0n, 'ERR_INVALID_ARG_TYPE'],
  ['host', '127.0.0.1\0.test', 'ERR_INVALID_ARG_VALUE'],
] as const)('%s: %o is rejected with %s', async (name, value, code) => {
  const error = await failureOf((o) => portside.listenTcp(undefined, o as object), { [name]: value })
  expect(error).toMatchObject({ code, argument: name, expected: expect.any(String), actual: expect.any(String) })
  expect(error.message).toMatch(new RegExp(`^Invalid \`${name}\`: expected .+, got .+\\.$`))
})

it('an unreadable signal is invalid', async () => {
  for (const signal of [AbortSignal.prototype, Object.create(AbortSignal.prototype)]) {
    const error = await failureOf((o) => portside.listenTcp(undefined, o as object), { signal })
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', argument: 'signal' })
  }
})

it('a close() with invalid options leaves handler errors to the disposal', async () => {
  const server = await portside.listenTcp(() => {
    throw new Error('of the handler')
  })
  const client = await server.connect()
  await once(client.resume(), 'close')
  await expect(server.close({ grace: -1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  await expect(server[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_HANDLER' })
})

it.each([
  [{ localPort: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
  [{ localPort: '80' }, 'ERR_SOCKET_BAD_PORT'],
  [{ localAddress: 5 }, 'ERR_INVALID_ARG_TYPE'],
  [{ localAddress: 'localhost' }, 'ERR_INVALID_ARG_VALUE'],
  [{ allowHalfOpen: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [{ tls: true }, 'ERR_INVALID_ARG_TYPE'],
] as const)('connect(%o) rejects before it opens a socket', async (options, code) => {
  let dialled = 0
  await using server = await portside.listenTcp(() => void dialled++)
  await expect(server.connect(options as object)).rejects.toMatchObject({ code, argument: Object.keys(options)[0] })
  expect(dialled).toBe(0)
})

it.each(['timeout', 'tls', 'localPort', 'localAddress', 'allowHalfOpen'])(
  'connect() of a UDP server has no %s',
  async (name) => {
    await using server = await portside.listenUdp()
    await expect(server.connect({ [name]: 1 })).rejects.toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION' })
  },
)

it('a datagram socket has no backlog', async () => {
  const error = await failureOf((o) => portside.listenUdp(undefined, o as object), { backlog: 5 })
  expect(error).toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION', next: expect.stringMatching(/^leave it out/) })
})

it('close(100) says what to pass', async () => {
  const error = await failureOf(
    onServer(portside.listenTcp, (server, o) => server.close(o)),
    100,
  )
  expect(error.message).toBe('server.close() expects an options object such as { grace: 100 }, got the number 100.')
})

it('an invalid PORTSIDE_LEAKS is named', () => {
  process.env.PORTSIDE_LEAKS = 'wran'
  try {
    expect(() => new LeakCheck('a.test.ts', {})).toThrow(/^Invalid `PORTSIDE_LEAKS`: expected 'fail', 'warn' or 'off'/)
  } finally {
    delete process.env.PORTSIDE_LEAKS
  }
})

it('options of the check that are one level too high get a hint to the right place', () => {
  const misplaced = { mode: 'warn' } as object
  expect(() => new LeakCheck('a.test.ts', misplaced, { of: 'provide.portside' })).toThrow(/leaks: \{ leaks: \{ mode/)
})

describe('readOptions()', () => {
  const spec = { of: 'f()', names: namesOf<{ a?: number; b?: number }>()('a', 'b') }

  it('reads each property once', () => {
    let reads = 0
    const options = {
      get a() {
        return ++reads
      },
    }
    const read = readOptions<{ a?: number }>(options, spec)
    expect([read.a, read.a, reads]).toEqual([1, 1, 1])
  })

  it('omits undefined options, and accepts inherited ones', () => {
    expect(readOptions({ a: undefined, b: 1 }, spec)).toEqual({ b: 1 })
    expect(readOptions(Object.create({ a: 2 }), spec)).toEqual({ a: 2 })
  })

  it('rejects an unknown inherited name, unless all objects have it', () => {
    expect(() => readOptions(Object.create({ aa: 2 }), spec)).toThrow(/"aa" of f\(\): did you mean "a"\?/)
    const prototype = Object.prototype as { ofAnotherLibrary?: number }
    prototype.ofAnotherLibrary = 1
    try {
      expect(readOptions({ a: 1 }, spec)).toEqual({ a: 1 })
    } finally {
      delete prototype.ofAnotherLibrary
    }
  })

  it('lists the names if none is close', () => {
    expect(() => readOptions({ frobnicate: 1 }, spec)).toThrow(/"frobnicate" of f\(\): expected one of a, b\.$/)
  })
})
