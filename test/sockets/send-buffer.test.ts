import { once } from 'node:events'
import net from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fillSendBuffer, listenTcp, listenTls, listenUnix, loopbackFamilies, stalledEndpoint } from '../../src/index.js'
import { whyNotCounted } from '../../src/sockets/send-buffer.js'
import { nextConnection, until } from '../support/clients.js'
import { leavesNothingOpen, needsKernel, tcpEntries } from '../support/kernel.js'

leavesNothingOpen()

/** The bytes that the kernel holds of a connection: unsent or unacknowledged at this end, unread at the other. */
function heldByKernel({ localPort, remotePort }: net.Socket): number {
  const ours = tcpEntries(localPort).filter(
    ({ local, remote }) => local.port === localPort && remote.port === remotePort,
  )
  const theirs = tcpEntries(localPort).filter(
    ({ local, remote }) => local.port === remotePort && remote.port === localPort,
  )
  return (ours[0]?.sendQueue ?? 0) + (theirs[0]?.receiveQueue ?? 0)
}

describe.each(loopbackFamilies())('filling the send buffer over %s', (family) => {
  it("separates Node's queue from the kernel's, as the kernel counts", async (context) => {
    needsKernel(context)
    await using endpoint = await stalledEndpoint({ family })
    const client = net.connect(endpoint.port, endpoint.address)
    await once(client, 'connect')
    const { queuedInNode, takenByKernel } = await fillSendBuffer(client)
    expect(queuedInNode).toBeGreaterThan(0)
    expect(takenByKernel).toBe(heldByKernel(client))
    expect(client.bytesWritten).toBe(queuedInNode + takenByKernel)
    client.resetAndDestroy()
    await once(client, 'close')
  })

  it('leaves writes in Node, and the socket drains when the peer reads', async () => {
    const server = await listenTcp((socket) => void socket.pause(), { family })
    const accepted = nextConnection(server.server)
    const client = await server.connect()
    const { queuedInNode, takenByKernel } = await fillSendBuffer(client)
    expect(client.write('x')).toBe(false)
    expect(client.writableLength).toBeGreaterThan(queuedInNode)
    let received = 0
    const peer = (await accepted).on('data', ({ length }) => {
      received += length
    })
    peer.resume()
    await until(() => received === queuedInNode + takenByKernel + 1)
    expect(client.writableLength).toBe(0)
    await server.close()
  })

  it('adds nothing the second time', async () => {
    await using endpoint = await stalledEndpoint({ family })
    const client = net.connect(endpoint.port, endpoint.address)
    await once(client, 'connect')
    const { queuedInNode } = await fillSendBuffer(client)
    expect(await fillSendBuffer(client)).toEqual({ queuedInNode, takenByKernel: 0 })
    client.resetAndDestroy()
    await once(client, 'close')
  })
})

it('fills a unix socket', async () => {
  const server = await listenUnix((socket) => void socket.pause())
  const client = await server.connect()
  const { queuedInNode, takenByKernel } = await fillSendBuffer(client)
  expect(queuedInNode).toBeGreaterThan(0)
  expect(takenByKernel).toBeGreaterThan(0)
  await server.close({ grace: 0 })
})

it('rejects if the peer reads', async () => {
  const server = await listenTcp((socket) => void socket.resume())
  const client = await server.connect()
  await expect(fillSendBuffer(client, { timeout: 50 })).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_WAIT_TIMEOUT',
    message: expect.stringMatching(
      /^Cannot fill the send buffer of .+:\d+ -> .*\.\n(?:.+\n)* {2}cause {6}the peer reads\n {2}fix {8}.*stalledEndpoint/,
    ),
  })
  await server.close()
})

it('rejects with the error that closes the socket meanwhile', async () => {
  const server = await listenTcp((socket) => void socket.pause())
  const accepted = nextConnection(server.server)
  const client = await server.connect()
  const filling = fillSendBuffer(client)
  ;(await accepted).resetAndDestroy()
  await expect(filling).rejects.toMatchObject({ code: 'ECONNRESET' })
  await server.close()
})

it('rejects when its signal is aborted', async () => {
  await using endpoint = await stalledEndpoint()
  const client = net.connect(endpoint.port, endpoint.address)
  onTestFinished(() => void client.destroy())
  await once(client, 'connect')
  await expect(fillSendBuffer(client, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
  client.resetAndDestroy()
  await once(client, 'close')
})

it.each([null, undefined, 5, {}, new net.Server()])('rejects %o', async (socket) => {
  await expect(fillSendBuffer(socket as net.Socket)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
})

it('rejects an unconnected socket, a closed socket, a TLS socket and invalid options', async () => {
  await expect(fillSendBuffer(new net.Socket())).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  const server = await listenTcp()
  const client = await server.connect()
  for (const timeout of [0, -1]) {
    await expect(fillSendBuffer(client, { timeout })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  }
  await expect(fillSendBuffer(client, { timeout: '5' as never })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_TYPE',
  })
  await server.close()
  await expect(fillSendBuffer(client)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  const secure = await listenTls()
  await expect(fillSendBuffer(await secure.connect())).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await secure.close()
})

it('refuses a handle that does not count what the kernel has not taken, as those of Bun and Deno', async () => {
  const socket = Object.assign(new PassThrough(), { _handle: {} }) as unknown as net.Socket
  await expect(fillSendBuffer(socket)).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_UNSUPPORTED',
    because: expect.stringContaining('does not say how many bytes the kernel has not taken'),
  })
  expect(whyNotCounted('Bun')).toMatch(/^Bun does not say/)
})
