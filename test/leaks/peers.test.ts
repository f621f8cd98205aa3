import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { Peers } from '../../src/leaks/peers.js'
import type { TrackedSocket } from '../../src/leaks/tracked-socket.js'

it('skips a client that was collected before it had an address', async () => {
  await using server = await listenTcp()
  const client = net.connect(server.port, server.address)
  const [accepted] = (await once(server.server, 'connection')) as [net.Socket]
  const peers = new Peers()
  peers.add({ socket: undefined, gone: true } as unknown as TrackedSocket)
  expect(peers.clientOf(accepted, server.port)).toBeUndefined()
  client.destroy()
})
