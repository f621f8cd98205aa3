import type net from 'node:net'
import { expect, it } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { Connection } from '../../src/sockets/connection.js'
import { reset } from '../../src/sockets/pair.js'
import { turn } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

// libuv answers EINVAL to a reset during a shutdown. Node then dropped the handle, and 'close' never came.
it('closes, instead of resetting, a connection that is sending its FIN', async () => {
  const server = await listenTcp(() => {})
  const client = (await server.connect()) as net.Socket
  while (server.connections.size === 0) await turn()
  const connection = new Connection(client, false)
  client.end()
  await new Promise<void>((resolve) => process.nextTick(resolve))
  expect(client.writableFinished).toBe(false)
  const closed = new Promise<void>((resolve) => connection.whenClosed(resolve))
  expect(reset(connection)).toBe(false)
  await closed
  expect(connection.error).toBeUndefined()
  await server.close()
})

it('resets a connection at rest', async () => {
  const server = await listenTcp(() => {})
  const client = (await server.connect()) as net.Socket
  const connection = new Connection(client, false)
  const closed = new Promise<void>((resolve) => connection.whenClosed(resolve))
  expect(reset(connection)).toBe(true)
  await closed
  expect(reset(connection)).toBe(false)
  await server.close()
})
