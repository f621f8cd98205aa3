import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { listensWhileHeld } from '../../src/platform/port-hold.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

it.each([
  ['linux', true],
  ['android', true],
  ['darwin', false],
  ['freebsd', false],
  ['win32', false],
] as const)('knows whether a listener can bind a held port: %s, %s', (platform, can) => {
  expect(listensWhileHeld(platform)).toBe(can)
})

it('does not promise more than the kernel of this host does', async () => {
  const sink = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, HERE)
  await once(sink, 'listening')
  const { port } = sink.address() as net.AddressInfo
  const holder = net.connect({ host: HERE, port, localAddress: HERE })
  await once(holder, 'connect')
  const server = net.createServer()
  const listens = await new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(holder.localPort, HERE, () => resolve(true))
  })
  // A kernel may share although its platform is not known for it.
  if (listensWhileHeld()) expect(listens).toBe(true)
  server.close()
  holder.resetAndDestroy()
  await once(sink.close(), 'close')
})
