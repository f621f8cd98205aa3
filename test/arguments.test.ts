import dgram from 'node:dgram'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { readArgument } from '../src/argument.js'
import * as portside from '../src/index.js'
import { attempt } from './fuzz/attempt.js'
import { entriesOf } from './support/entries.js'
import { leavesNothingOpen } from './support/kernel.js'

leavesNothingOpen()

const revoked = (target: object): unknown => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const endless = {
  *[Symbol.iterator]() {
    for (;;) yield 5000
  },
}

/** By the name of an entry: arguments that once caused a raw error or a hang, or were accepted. */
const refused: ReadonlyArray<readonly [is: string, code: string, argument: string, ...args: unknown[]]> = [
  ['reservePort', 'ERR_OUT_OF_RANGE', 'port', { port: endless }],
  ['reservePort', 'ERR_OUT_OF_RANGE', 'exclude', { exclude: endless }],
  ['reservePort', 'ERR_INVALID_ARG_TYPE', 'port', { port: revoked([]) }],
  ['reservePort', 'ERR_INVALID_ARG_VALUE', 'port', { port: [] }],
  ['listenTcp', 'ERR_SOCKET_BAD_PORT', 'port', undefined, { port: revoked({}) }],
  ['listenUnix', 'ERR_INVALID_ARG_VALUE', 'path', undefined, { path: '80' }],
  ['listen', 'ERR_INVALID_ARG_TYPE', 'server', new Proxy({}, { has: () => true }), {}],
  ['SocketPool.connect', 'ERR_INVALID_ARG_TYPE', 'endpoint', {}, {}],
  ['SocketPool.connect', 'ERR_INVALID_ARG_TYPE', 'endpoint', { address: '127.0.0.1', port: 70_000 }, {}],
  ['TestServer.connect of listenTls', 'ERR_INVALID_ARG_TYPE', 'tls', { tls: revoked({}) }],
  ['PortReservation.handOver', 'ERR_INVALID_ARG_TYPE', 'bind', 5],
  ['PortReservation.handOver', 'ERR_INVALID_ARG_VALUE', 'protocol', () => {}, 'sctp'],
  ['PortReservation.takeSocket', 'ERR_INVALID_ARG_TYPE', 'address', 5],
  ['ListeningChild.stop', 'ERR_INVALID_ARG_TYPE', 'signal', revoked({})],
  ['ListeningChild.stop', 'ERR_UNKNOWN_SIGNAL', 'signal', 'constructor'],
  ['SocketTracking.run', 'ERR_INVALID_ARG_TYPE', 'test', { name: 'a test', file: 5 }, () => {}],
  ['waitForListening', 'ERR_INVALID_ARG_TYPE', 'endpoint', revoked({}), {}],
  ['findOwners', 'ERR_INVALID_ARG_TYPE', 'endpoint', new Proxy({}, { has: () => true }), {}],
  ['fillSendBuffer', 'ERR_INVALID_ARG_TYPE', 'socket', revoked({}), {}],
  ['connectionTuple', 'ERR_INVALID_ARG_TYPE', 'socket', revoked({})],
  ['formatEndpoint', 'ERR_INVALID_ARG_TYPE', 'endpoint', revoked({})],
  ['findLeaks', 'ERR_INVALID_ARG_TYPE', 'since', revoked({}), {}],
  ['ignoreLeaks', 'ERR_INVALID_ARG_TYPE', 'function', { function: revoked({}) }],
  ['assertDrained', 'ERR_INVALID_ARG_TYPE', 'the value', revoked({})],
  ['assertReleased', 'ERR_INVALID_ARG_TYPE', 'endpoint', revoked({}), {}],
  ['connectionTuple', 'ERR_INVALID_ARG_TYPE', 'socket', {}],
  ['connectionTuple', 'ERR_INVALID_ARG_TYPE', 'socket', []],
  ['connectionTuple', 'ERR_INVALID_ARG_TYPE', 'socket', net.createServer()],
  ['spawnListening', 'ERR_INVALID_ARG_TYPE', 'args', 'sleep', new Array(2), {}],
  ['spawnListening', 'ERR_INVALID_ARG_TYPE', 'args', 'sleep', () => 60, {}],
  ['spawnListening', 'ERR_INVALID_ARG_TYPE', 'args', 'sleep', () => revoked([]), {}],
  ['spawnListening', 'ERR_INVALID_ARG_VALUE', 'args', 'sleep', () => ['60'], { port: 'any' }],
  ['spawnListening', 'ERR_INVALID_ARG_TYPE', 'env', 'sleep', [], { env: { NAME: Symbol('x') } }],
  ['spawnInNamespace', 'ERR_INVALID_ARG_TYPE', 'command', {}, Symbol('true'), [], {}],
  ['spawnInNamespace', 'ERR_INVALID_ARG_TYPE', 'stdio', {}, 'true', [], { stdio: 'x' }],
  ['spawnInNamespace', 'ERR_INVALID_ARG_VALUE', 'killSignal', {}, 'true', [], { killSignal: 'SIGNONE' }],
  ['spawnInNamespace', 'ERR_OUT_OF_RANGE', 'timeout', {}, 'true', [], { timeout: 2 ** 31 }],
  ['createNetwork', 'ERR_INVALID_ARG_TYPE', 'hosts', { hosts: revoked({}) }],
]

it.each(refused)('%s fails with %s of %s', async (is, code, argument, ...args) => {
  const entry = entriesOf(portside).find((each) => each.is === is)
  if (entry === undefined) throw new Error(`${is} is no entry`)
  expect((await attempt(entry, () => args)).error).toMatchObject({ code, argument, headline: expect.any(String) })
})

const wrong = {
  timeout: 'x',
  grace: -1,
  interval: 'x',
  backlog: 0.5,
  limit: 'x',
  after: 'x',
  chunk: 'x',
  mtu: 'x',
  signal: 5,
  force: 'no',
  kernel: 'no',
  mode: 'no',
  protocol: 'no',
  fetchSafe: 5,
  secure: 5,
  state: 5,
  pid: 'x',
  family: 'x',
  host: 5,
  path: 5,
  port: 'x',
  exclude: 5,
  ignore: 5,
  idlePools: 'x',
  root: 5,
}

describe('rejects an invalid option, used or not:', () => {
  const cases = entriesOf(portside)
    .filter(({ knows, greedy }) => knows !== undefined && !greedy)
    .flatMap((entry) => Object.entries(wrong).map(([option, value]) => ({ is: entry.is, entry, option, value })))

  it.each(cases)('$is, { $option: $value }', async ({ entry, option, value }) => {
    const { error } = await attempt(entry, (args) => [...args.slice(0, -1), { [option]: value }])
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_/), argument: expect.any(String) })
  })
})

it('keeps a UDP port after a hand-over with invalid options', async () => {
  await using reservation = await portside.reservePort({ protocol: 'udp' })
  await expect(reservation.handOver(5 as never)).rejects.toMatchObject({ argument: 'bind' })
  await expect(reservation.handOver(() => {}, 'tcp')).rejects.toMatchObject({ argument: 'protocol' })
  expect(reservation.held).toBe(true)
})

it('connectionTuple() of a datagram socket that is not bound has no local address', async () => {
  const socket = dgram.createSocket('udp4')
  expect(portside.connectionTuple(socket)).toEqual({ protocol: 'udp', local: '' })
  socket.close()
  expect(portside.connectionTuple(socket)).toEqual({ protocol: 'udp', local: '' })
})

it('no message is longer than 64 kB', async () => {
  const path = 'x'.repeat(100_000)
  const error: Error = await portside.listenUnix(undefined, { path }).then(
    () => new Error('it listens'),
    (failure) => failure,
  )
  expect(error).toMatchObject({ code: 'ENAMETOOLONG' })
  expect(error.message.length).toBeLessThan(65_536)
})

describe('readArgument()', () => {
  const read = <T>(action: () => T | undefined) => readArgument('name', 'a value', 5, action)

  it('returns the value that was read', () => {
    expect(read(() => 0)).toBe(0)
  })

  it('rejects undefined', () => {
    expect(() => read(() => undefined)).toThrow('Invalid `name`: expected a value, got 5.')
  })

  it('keeps another error as the cause, and rethrows an error of portside', () => {
    const cause = new TypeError('x is not a function')
    const fail = (error: unknown) => () => {
      throw error
    }
    expect(() => read(fail(cause))).toThrow(expect.objectContaining({ argument: 'name', cause }))
    const own = Object.assign(new Error('x'), { headline: 'x' })
    expect(() => read(fail(own))).toThrow(own)
    expect(() => read(fail(revoked({})))).toThrow(expect.objectContaining({ argument: 'name' }))
  })
})
