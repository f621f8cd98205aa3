import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { loopbackFamilies } from '../../src/index.js'
import { watch } from '../support/clients.js'
import {
  acceptQueueLength,
  leavesNothingOpen,
  needsKernel,
  openSockets,
  tcpEntries,
  watchPort,
} from '../support/kernel.js'

// The other tests rely on these checks, so the checks must be able to fail.

leavesNothingOpen()

describe.each(loopbackFamilies())("the kernel's tables of %s", (family) => {
  const host = family === 'IPv4' ? '127.0.0.1' : '::1'

  it('show a listener, both ends of a connection, their descriptors and the TIME_WAIT of the end that closes first', async (context) => {
    needsKernel(context)
    const before = openSockets().length
    const server = net.createServer({ allowHalfOpen: true }).listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const left = watchPort(port)
    const accepted = once(server, 'connection')
    const peer = watch(net.connect({ host, port }))
    const [socket] = (await accepted) as [net.Socket]
    await peer.connected
    const localPort = peer.socket.localPort as number
    expect(openSockets()).toHaveLength(before + 3)
    const states = tcpEntries(port).map(({ state, local, remote }) => ({ state, local, remote }))
    expect(states).toContainEqual({ state: 'LISTEN', local: { address: host, port }, remote: expect.anything() })
    const [ours, theirs] = [
      { address: host, port },
      { address: host, port: localPort },
    ]
    expect(states).toContainEqual({ state: 'ESTABLISHED', local: ours, remote: theirs })
    expect(states).toContainEqual({ state: 'ESTABLISHED', local: theirs, remote: ours })
    const inodes = new Set(openSockets().map(({ inode }) => inode))
    // A TIME_WAIT of an earlier user of the port does not count.
    const open = tcpEntries(port).filter(({ state }) => state !== 'TIME_WAIT')
    expect(open.map(({ inode }) => inodes.has(inode))).toEqual([true, true, true])
    const gone = once(socket, 'close')
    socket.resume().end()
    await Promise.all([peer.closed, gone])
    const name = family === 'IPv4' ? host : `[${host}]`
    expect(left()).toEqual([`TIME_WAIT ${name}:${port} -> ${name}:${localPort}`])
    server.close()
    await once(server, 'close')
    expect(openSockets()).toHaveLength(before)
  })

  it('count connections that wait to be accepted', async (context) => {
    needsKernel(context)
    const server = net.createServer((socket) => void socket.destroy()).listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    expect(acceptQueueLength(port)).toBe(0)
    const peers = [watch(net.connect({ host, port })), watch(net.connect({ host, port }))]
    await new Promise<void>((resolve) => process.nextTick(resolve))
    expect(acceptQueueLength(port)).toBe(2)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(acceptQueueLength(port)).toBe(0)
    server.close()
    await once(server, 'close')
  })
})
