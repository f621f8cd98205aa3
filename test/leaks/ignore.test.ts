import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findLeaks, ignoreLeaks, type LeakIgnore, type SocketLeak, snapshotSockets } from '../../src/index.js'
import { isIgnored } from '../../src/leaks/ignore.js'
import { connected, openShared, type Shared } from './kinds.js'

let shared: Shared
beforeAll(async () => {
  shared = await openShared()
})
afterAll(() => shared.net.close())

const LEAK: SocketLeak = {
  kind: 'client',
  local: { address: '127.0.0.1', port: 40_000, family: 'IPv4' },
  remote: { address: '::1', port: 5432, family: 'IPv6' },
  openedAt: [
    { function: 'Connection.connect', file: '/project/node_modules/pg/lib/connection.js', line: 50, column: 20 },
    { function: 'openDatabase', file: '/project/src/database.js', line: 1, column: 1 },
  ],
  howToClose: 'socket.destroy()',
}
const UNIX: SocketLeak = { ...LEAK, kind: 'unix', local: '/run/app/socket', remote: undefined }

describe('a rule', () => {
  test.each<[boolean, LeakIgnore, SocketLeak?]>([
    [true, { kind: 'client' }],
    [false, { kind: 'accepted' }],
    [true, { package: 'pg' }],
    [false, { package: 'p' }],
    [false, { package: 'pg-pool' }],
    [true, { function: 'openDatabase' }],
    [true, { function: 'connect' }],
    [true, { function: 'Connection.connect' }],
    [false, { function: 'onnection.connect' }],
    [false, { function: 'Database' }],
    [true, { function: /Database$/ }],
    [true, { function: /Database$/g }],
    [true, { endpoint: { port: 5432 } }],
    [true, { endpoint: { port: 40_000, address: '127.0.0.1' } }],
    [false, { endpoint: { port: 40_000, address: '::1' } }],
    [true, { endpoint: { address: '0:0:0:0:0:0:0:1' } }],
    [false, { endpoint: { port: 5433 } }],
    [true, { endpoint: { path: '/run/app/socket' } }, UNIX],
    [false, { endpoint: { path: '/run/app' } }, UNIX],
    [false, { endpoint: { path: '/run/app/socket' } }],
    [true, { kind: 'client', package: 'pg', because: 'the pool is closed by the process' }],
    [false, { kind: 'udp', package: 'pg' }],
  ])('%j: %j', (expected, rule, leak = LEAK) => {
    expect(isIgnored(leak, [rule])).toBe(expected)
    // An expression with the flag g keeps a position between two calls.
    expect(isIgnored(leak, [rule])).toBe(expected)
  })

  test('for an accepted connection matches its listener too', () => {
    const acceptedBy = { local: { address: '127.0.0.1', port: 80, family: 'IPv4' as const }, openedAt: LEAK.openedAt }
    const leak: SocketLeak = { ...LEAK, kind: 'accepted', openedAt: [], acceptedBy }
    expect(isIgnored(leak, [{ function: 'openDatabase' }])).toBe(true)
    expect(isIgnored(leak, [{ endpoint: { port: 80 } }])).toBe(true)
  })
})

test('findLeaks leaves out sockets that match a rule, and no others', async () => {
  const since = snapshotSockets()
  const socket = await connected(net.connect(shared.port, '127.0.0.1'))
  onTestFinished(() => void socket.destroy())
  expect((await findLeaks(since, { ignore: [{ kind: 'client' }] })).map(({ kind }) => kind)).toEqual(['accepted'])
  expect(await findLeaks(since, { ignore: [{ endpoint: { port: shared.port } }] })).toEqual([])
})

test('ignoreLeaks rejects invalid rules, as the options do', () => {
  expect(() => ignoreLeaks({} as LeakIgnore)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
  expect(() => ignoreLeaks('pg' as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
})
