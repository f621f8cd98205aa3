import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { needsFullBuffers, needsHalfOpenPath, needsRoomInPath } from '../support/abilities.js'
import { gate, get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { HTTP1_KINDS, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
/** More than two kernel buffers hold. */
const EIGHT_MEGABYTES = Buffer.alloc(8_000_000, 'x')

describe.each(STREAM_KINDS)('eight megabytes being written, on $name', ({ start, unix }) => {
  it('reach a client that starts reading during the drain', async () => {
    const server = await start((socket) => void socket.write(EIGHT_MEGABYTES))
    const peer = await server.dial({ reads: false })
    const closing = server.close(LONG)
    await turn().then(turn)
    let bytes = 0
    peer.socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    const report = await closing
    await peer.closed
    expect(bytes).toBe(EIGHT_MEGABYTES.length)
    expect(report.outcomes).toMatchObject([
      { outcome: 'closed', bytesWritten: EIGHT_MEGABYTES.length, pendingBytes: 0 },
    ])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('reach a client that reads slowly', async () => {
    const server = await start((socket) => void socket.write(EIGHT_MEGABYTES))
    const peer = await server.dial({ reads: false })
    const closing = server.close(LONG)
    let bytes = 0
    for await (const chunk of peer.socket) {
      bytes += (chunk as Buffer).length
      await turn()
    }
    const report = await closing
    expect(bytes).toBe(EIGHT_MEGABYTES.length)
    expect(report.outcomes).toMatchObject([{ outcome: 'closed', bytesWritten: EIGHT_MEGABYTES.length }])
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual([])
  })

  it('reach a server that reads slowly', async () => {
    const total = gate<number>()
    const server = await start(async (socket) => {
      let bytes = 0
      for await (const chunk of socket) {
        bytes += (chunk as Buffer).length
        await turn()
      }
      total.open(bytes)
    })
    const peer = await server.dial()
    peer.socket.end(EIGHT_MEGABYTES)
    await until(() => peer.accepted.bytesRead > 0)
    const closing = server.close(LONG)
    await closing
    await peer.closed
    // The two ends of a unix socket cannot be matched, so data on its way goes unnoticed.
    if (!unix) expect(await total.opened).toBe(EIGHT_MEGABYTES.length)
    expect(peer.errors).toEqual([])
  })

  it('are dropped at the end of the grace if the client does not read', async (context) => {
    if (!unix) needsFullBuffers(context)
    const server = await start((socket) => void socket.write(EIGHT_MEGABYTES))
    const peer = await server.dial({ reads: false })
    const report = await server.close({ grace: 300 })
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(report.outcomes[0]?.pendingBytes).toBeGreaterThan(0)
    expect(peer.errors).toEqual([])
    // The two ends of a unix socket cannot be matched, so the drain treats its client as foreign.
    if (unix) peer.socket.resume()
    await peer.closed
  })
})

describe.each(HTTP1_KINDS)('an answer of eight megabytes, on $name', ({ start, secure, unix }) => {
  it('reaches a client that reads slowly', async (context) => {
    // TLS encrypts in portions, so its writer waits anyway.
    if (!unix && !secure) needsFullBuffers(context)
    const server = await start((_request, response) => {
      response.setHeader('content-length', EIGHT_MEGABYTES.length)
      response.end(EIGHT_MEGABYTES)
    })
    const peer = await server.dial({ reads: false })
    const answering = once(server.listener.server, 'request')
    peer.write(get('/long'))
    await answering
    const closing = server.close(LONG)
    let bytes = 0
    for await (const chunk of peer.socket) {
      bytes += (chunk as Buffer).length
      await turn()
    }
    const report = await closing
    expect(bytes).toBeGreaterThan(EIGHT_MEGABYTES.length)
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /long', outcome: 'closed' }])
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual([])
  })

  it('is dropped at the end of the grace if the client does not read', async (context) => {
    if (!unix) needsFullBuffers(context)
    const server = await start((_request, response) => response.end(EIGHT_MEGABYTES))
    const peer = await server.dial({ reads: false })
    const answering = once(server.listener.server, 'request')
    peer.write(get('/long'))
    await answering
    const report = await server.close({ grace: 300 })
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /long', outcome: 'destroyed' }])
    expect(report.outcomes[0]?.pendingBytes).toBeGreaterThan(0)
    expect(peer.errors).toEqual([])
    // The two ends of a unix socket cannot be matched, so the drain treats its client as foreign.
    if (unix) peer.socket.resume()
    await peer.closed
  })
})

describe.each(STREAM_KINDS)('data that a client has not read yet, on $name', ({ start, unix }) => {
  // The two ends of a unix socket cannot be matched, so the drain waits for its client as for a foreign one.
  const options = unix ? { grace: 100 } : LONG
  const expected = [{ outcome: unix ? 'destroyed' : 'closed' }]

  it('can still be read, up to the end, after close() has resolved', async (context) => {
    if (unix) needsHalfOpenPath(context)
    const server = await start((socket) => void socket.write('for later'))
    const peer = await server.dial({ reads: false })
    const report = await server.close(options)
    expect(report.outcomes).toMatchObject(expected)
    let text = ''
    peer.socket.setEncoding('utf8')
    for await (const chunk of peer.socket) text += chunk
    expect(text).toBe('for later')
    expect(peer.errors).toEqual([])
    await peer.closed
    expect(server.errors).toEqual([])
  })

  it('is awaited if it is more than a stream holds, and can be read after the grace', async (context) => {
    if (unix) needsRoomInPath(context)
    // Above the high-water mark of the client's stream, below the receive buffer of its kernel socket.
    const size = 200_000
    const server = await start((socket) => void socket.write(Buffer.alloc(size, 'x')))
    const peer = await server.dial({ reads: false })
    const report = await server.close({ grace: 100 })
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    let bytes = 0
    for await (const chunk of peer.socket) bytes += (chunk as Buffer).length
    expect(bytes).toBe(size)
    expect(peer.errors).toEqual([])
    await peer.closed
    expect(server.errors).toEqual([])
  })
})
