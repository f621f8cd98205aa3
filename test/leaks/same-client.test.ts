import { describe, expect, test } from 'vitest'
import { closedTogether } from '../../src/leaks/same-client.js'
import type { SocketLeak } from '../../src/leaks/socket-leak.js'

const frame = (file: string) => ({ file, line: 1, column: 1 })
const MONGODB = frame('/project/node_modules/mongodb/lib/cmap/connect.js')
const MONGOOSE = frame('/project/node_modules/mongoose/lib/mongoose.js')
const USER = frame('/project/test/orders.test.ts')
const end = (port: number) => ({ address: '127.0.0.1', port, family: 'IPv4' as const })

const opened: SocketLeak = {
  kind: 'client',
  local: end(40_000),
  remote: end(27_017),
  openedAt: [MONGODB, MONGOOSE, USER],
  test: 'saves an order',
  howToClose: 'mongoose.disconnect()',
}
const later: SocketLeak = { ...opened, local: end(40_001), openedAt: [MONGODB], howToClose: 'client.close()' }

const callsOf = (...leaks: SocketLeak[]): string[] =>
  closedTogether(leaks.map((leak) => ({ leak }))).map(({ leak }) => leak.howToClose)

describe('a connection that a driver opened on its own', () => {
  test("closes by the call that closes the user's connection, in either order", () => {
    expect(callsOf(opened, later)).toEqual(['mongoose.disconnect()', 'mongoose.disconnect()'])
    expect(callsOf(later, opened)).toEqual(['mongoose.disconnect()', 'mongoose.disconnect()'])
  })

  test.each<[string, Partial<SocketLeak>]>([
    ["another test opened the user's connection", { test: 'cancels an order' }],
    ["the user's connection has another peer", { remote: end(27_018) }],
    [
      "the user's connection is of another package",
      { openedAt: [frame('/project/node_modules/pg/lib/client.js'), USER] },
    ],
    ['no code of the user opened the other connection either', { openedAt: [MONGODB, MONGOOSE] }],
    ['the other socket is a listener', { kind: 'listener' }],
    ['the other connection carries a request', { request: 'GET /' }],
  ])('keeps its own call if %s', (_name, change) => {
    expect(callsOf({ ...opened, ...change }, later)[1]).toBe('client.close()')
  })

  test('keeps its own call if nothing is known of its stack', () => {
    expect(callsOf(opened, { ...later, openedAt: [], howToClose: 'socket.destroy()' })[1]).toBe('socket.destroy()')
  })
})
