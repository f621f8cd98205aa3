import { EventEmitter } from 'node:events'
import net from 'node:net'

/** A nonsense value with its name in complaints. Each try makes a new one. */
export interface Value {
  readonly name: string
  readonly make: () => unknown
}

/** The code of the error that a callback of the user throws. A function may reject with that error. */
export const HOSTILE = 'ERR_HOSTILE_CALLBACK'

const hostile = (): Error => Object.assign(new Error('a callback of the user throws'), { code: HOSTILE })

/** Throws in a property, a proxy or an iterator. A function must not pass that on: it must name the argument that cannot be read. */
const trap = (): never => {
  throw new Error('a property throws')
}

const throwing = (...names: PropertyKey[]): object =>
  Object.defineProperties({}, Object.fromEntries(names.map((name) => [name, { get: trap, enumerable: true }])))

const TRAPS = [
  'get',
  'has',
  'ownKeys',
  'getOwnPropertyDescriptor',
  'getPrototypeOf',
  'apply',
  'construct',
  'set',
] as const
const handler = Object.fromEntries(TRAPS.map((name) => [name, trap]))

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function rejected(): Promise<never> {
  const promise = Promise.reject(hostile())
  promise.catch(() => {})
  return promise
}

function cyclic(): object {
  const value: Record<string, unknown> = {}
  value.self = value
  value.cause = value
  value.errors = [value]
  return value
}

const named = (makers: Readonly<Record<string, () => unknown>>): Value[] =>
  Object.entries(makers).map(([name, make]) => ({ name, make }))

const PRIMITIVES: Value[] = [
  ...[
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    1.5,
    5e-324,
    80,
    65_535,
    65_536,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 53,
    1e308,
  ],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0n, 5n, -1n, 2n ** 64n],
  ...['', ' ', 'x', '0', '1', '-1', '80', '1e3', 'true', 'IPv4', 'tcp', '127.0.0.1', '::1', '::ffff:127.0.0.1'],
  ...['999.1.1.1', '[::1]', '::1%lo', '%00', '../..', '\0', 'a\0b', '\0abstract', '\n', '\ud800', '💥', 'SIGKILL'],
  ...['__proto__', 'constructor', 'toString', 'prototype', 'hasOwnProperty', 'then'],
].map((value) => ({
  name: Object.is(value, -0)
    ? '-0'
    : typeof value === 'bigint'
      ? `${value}n`
      : (JSON.stringify(value) ?? String(value)),
  make: () => value,
}))

const OBJECTS: Value[] = named({
  'a long string': () => 'x'.repeat(100_000),
  'a symbol': () => Symbol('s'),
  'a well-known symbol': () => Symbol.asyncIterator,
  '{}': () => ({}),
  '[]': () => [],
  '[1]': () => [1],
  "['x']": () => ['x'],
  '[undefined]': () => [undefined],
  '[Symbol()]': () => [Symbol('s')],
  '[null, {}]': () => [null, {}],
  'a sparse array': () => new Array(5),
  'an array that throws': () => Object.defineProperty([1, 2], 1, { get: trap, enumerable: true }),
  'no prototype': () => Object.create(null),
  'a frozen object': () => Object.freeze({ x: 1 }),
  'an unknown name': () => ({ zzzzzz: 1 }),
  '__proto__ as a name': () => JSON.parse('{"__proto__":{"port":1}}'),
  'constructor as a name': () => ({ constructor: 1 }),
  'toString as a name': () => ({ toString: 1, valueOf: 1 }),
  'a symbol as a name': () => ({ [Symbol('port')]: 1 }),
  'a cyclic object': cyclic,
  'an array-like': () => ({ length: 2 ** 32 - 1, 0: 1 }),
  'an endpoint of symbols': () => ({ address: Symbol('a'), port: Symbol('p'), family: Symbol('f') }),
  'an endpoint with a wrong port': () => ({ address: '127.0.0.1', host: '127.0.0.1', port: 70_000 }),
  'a path of numbers': () => ({ path: 5 }),
  'names that throw': () => throwing('address', 'port', 'path', 'host', 'name', 'code', 'message', 'family', 'signal'),
  'then throws': () => throwing('then'),
  'constructor throws': () => throwing('constructor'),
  'its class has a symbol as name': () => ({ constructor: { name: Symbol('s') } }),
  'its class has a name that throws': () => ({ constructor: throwing('name') }),
  'toString() throws': () => ({ toString: trap, toJSON: trap, [Symbol.toPrimitive]: trap }),
  'Symbol.toStringTag throws': () => throwing(Symbol.toStringTag, Symbol.toPrimitive),
  'a proxy that throws': () => new Proxy({}, handler),
  'a proxy of a function that throws': () => new Proxy(() => {}, handler),
  'a proxy of an array that throws': () => new Proxy([], handler),
  'a revoked proxy': () => revoked({}),
  'a revoked proxy of a function': () => revoked(() => {}),
  'a revoked proxy of an array': () => revoked([]),
  'a proxy that has every name': () => new Proxy({}, { has: () => true, get: () => undefined }),
  'a proxy of functions': () =>
    new Proxy({}, { has: () => true, get: (_target, name) => (name === 'then' ? undefined : () => {}) }),
  'a function': () => () => {},
  'a function that returns true': () => () => true,
  'a function that throws': () => () => {
    throw hostile()
  },
  'an async function': () => async () => {},
  'an async function that rejects': () => async () => {
    throw hostile()
  },
  'a function that gives a proxy': () => () => new Proxy({}, handler),
  'a generator function': () =>
    function* () {
      yield 1
    },
  'a class': () => class Options {},
  'a promise': () => Promise.resolve({}),
  'a rejected promise': rejected,
  'a promise that stays pending': () => new Promise(() => {}),
  // biome-ignore lint/suspicious/noThenProperty: a careless user may pass it.
  'a thenable that stays pending': () => ({ then() {} }),
  // biome-ignore lint/suspicious/noThenProperty: as above.
  'a thenable that throws': () => ({ then: trap }),
  'an iterator that throws': () => ({ [Symbol.iterator]: trap }),
  'an iterator without next': () => ({ [Symbol.iterator]: () => ({}) }),
  'an iterator of symbols': () => new Set([Symbol('s')]),
  'an endless iterable': () => ({
    *[Symbol.iterator]() {
      for (;;) yield 5000
    },
  }),
  'a date': () => new Date(0),
  'an invalid date': () => new Date(Number.NaN),
  'a regular expression': () => /x/g,
  'a map': () => new Map([['port', 1]]),
  'a set': () => new Set([1]),
  'a weak map': () => new WeakMap(),
  'a boxed string': () => new String('127.0.0.1'),
  'a boxed number': () => new Number(80),
  'a URL': () => new URL('tcp://127.0.0.1'),
  'a URL of a path': () => new URL('unix:///nowhere/%FF'),
  'a URL of a file': () => new URL('file:///nowhere'),
  'a buffer': () => Buffer.from('x'),
  'an array buffer': () => new ArrayBuffer(8),
  'an error': () => new Error('x'),
  'an error with an odd code': () => Object.assign(new Error('x'), { code: 5, errno: 'x', port: {} }),
  'an error that throws': () => Object.defineProperty(new Error('x'), 'code', { get: trap }),
  'a cyclic error': () => Object.assign(new Error('x'), { cause: cyclic() }),
  'an AbortController': () => new AbortController(),
  'an AbortSignal': () => new AbortController().signal,
  'an aborted signal': () => AbortSignal.abort(throwing('message', 'code')),
  'a mock of a signal': () => ({ aborted: false, addEventListener() {} }),
  'a mock of a signal with its methods': () => ({
    aborted: false,
    addEventListener() {},
    removeEventListener() {},
    dispatchEvent() {},
  }),
  'the prototype of signals': () => AbortSignal.prototype,
  'an emitter': () => new EventEmitter(),
  'a socket': () => new net.Socket(),
  'a server': () => net.createServer(),
  globalThis: () => globalThis,
})

export const VALUES: readonly Value[] = [...PRIMITIVES, ...OBJECTS]

const plausible = (...values: unknown[]): Value[] =>
  values.map((value) => ({ name: JSON.stringify(value), make: () => value }))
const milliseconds = plausible(1, 5, 50)
const signals = named({
  'a signal that is aborted soon': () => AbortSignal.timeout(1),
  'a signal that is aborted': () => AbortSignal.abort(),
  'a signal of a controller': () => new AbortController().signal,
})

/** Valid values of options, for random combinations of good and bad values. */
export const PLAUSIBLE: Readonly<Record<string, readonly Value[]>> = {
  family: plausible('IPv4', 'IPv6', 'dual'),
  host: plausible('127.0.0.1', '::1', 'localhost', '0.0.0.0', '::'),
  port: plausible(0, 4001, [4002, 4003]),
  exclude: plausible([4002], []),
  protocol: plausible('tcp', 'udp', 'both'),
  backlog: plausible(1, 10),
  grace: plausible(0, 1, 5),
  timeout: milliseconds,
  interval: milliseconds,
  force: plausible('destroy', 'reset', 'reject'),
  signal: signals,
  by: plausible('port', 'descriptor', 'connect', 'listen'),
  after: plausible('accept', 'first-byte', 5),
  chunk: plausible(1, 100),
  delay: milliseconds,
  state: plausible('LISTEN', 'ESTABLISHED'),
  mode: plausible('fail', 'warn', 'off'),
  kernel: plausible(true, false),
  close: plausible(true, false),
  ipv4: plausible(true, false),
  ipv6: plausible(true, false),
  localhost: plausible(['127.0.0.1'], ['::1']),
  ephemeralPorts: plausible(64, [5000, 5100]),
  secure: plausible(true, false),
  fetchSafe: plausible(true, false),
  limit: plausible(1, 1000),
}
