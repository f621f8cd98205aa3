import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import { listen, listenTcp } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { needsHalfOpenPath } from '../support/abilities.js'
import { gate, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { type AnyServer, run, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

describe.each(STREAM_KINDS)('a connection of plain bytes, on $name', ({ start, unix }) => {
  it('is closed immediately', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const report = await server.close(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'raw', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('gets the answer to bytes that its client wrote before', async () => {
    const server = await start((socket) => void socket.on('data', (chunk) => socket.write(`echo of ${chunk}`)))
    const peer = await server.dial()
    peer.write('ping')
    await until(() => peer.accepted.bytesRead > 0)
    await server.close(LONG)
    await peer.closed
    expect(peer.text()).toBe('echo of ping')
    expect(peer.events).toEqual(['end', 'close'])
  })

  it.skipIf(unix)('gets the answer to bytes that are on the way when close() is called', async () => {
    const server = await start((socket) => void socket.on('data', (chunk) => socket.write(`echo of ${chunk}`)))
    const peer = await server.dial()
    peer.write('ping')
    await server.close(LONG)
    await peer.closed
    expect(peer.text()).toBe('echo of ping')
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('receives what its client writes in answer to the end', async (context) => {
    if (unix) needsHalfOpenPath(context)
    const heard: string[] = []
    const server = await start((socket) => void socket.on('data', (chunk) => heard.push(String(chunk))))
    const peer = await server.dial()
    peer.socket.on('end', () => peer.socket.end('farewell'))
    const report = await server.close(LONG)
    await peer.closed
    expect(heard).toEqual(['farewell'])
    expect(report.outcomes).toMatchObject([{ outcome: 'closed', bytesRead: 8 }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is closed immediately if the server never reads', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    peer.write('unheard')
    await turn().then(turn)
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it.skipIf(unix)('is closed immediately if the server has stopped reading', async () => {
    const server = await start((socket) => void socket.pause())
    const peer = await server.dial()
    peer.write('unheard')
    await turn().then(turn)
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is read to its end by a server that iterates over it', async () => {
    const heard = gate<string>()
    const server = await start(async (socket) => {
      let text = ''
      for await (const chunk of socket) text += chunk
      heard.open(text)
    })
    const peer = await server.dial()
    peer.write('all of it')
    await until(() => peer.accepted.bytesRead > 0)
    const report = await server.close(LONG)
    await peer.closed
    expect(await heard.opened).toBe('all of it')
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is closed immediately if the server has already ended its half', async () => {
    const server = await start((socket) => void socket.end('bye'))
    const peer = await server.dial({ allowHalfOpen: true })
    await peer.ended
    const closing = server.close(LONG)
    await turn()
    peer.socket.end()
    const report = await closing
    await peer.closed
    expect(peer.text()).toBe('bye')
    expect(report.destroyed + report.reset).toBe(0)
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is closed immediately together with fifty others', async () => {
    const server = await start((socket) => void socket.pipe(socket))
    const peers = []
    for (let i = 0; i < 50; i++) peers.push(await server.dial())
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 50, destroyed: 0, reset: 0 })
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(server.errors).toEqual([])
  })

  it('is reported with its ends, its age and its bytes', async () => {
    const server = await start((socket) => void socket.pipe(socket))
    const peer = await server.dial()
    peer.write('12345')
    await peer.receives('12345')
    const { localAddress, localPort } = peer.socket
    const { address, port } = server.listener
    const report = await server.close(LONG)
    await peer.closed
    const [outcome] = report.outcomes
    expect(outcome).toMatchObject({ outcome: 'closed', state: 'raw', bytesRead: 5, bytesWritten: 5, pendingBytes: 0 })
    expect(outcome?.age).toBeGreaterThanOrEqual(0)
    expect(report.duration).toBeGreaterThanOrEqual(0)
    if (unix) expect(outcome).toMatchObject({ local: address })
    else expect(outcome).toMatchObject({ local: { address, port }, remote: { address: localAddress, port: localPort } })
  })
})

describe.each([
  ['a net.Server', async () => listen(net.createServer({ allowHalfOpen: true }))],
  [
    'a tls.Server',
    async () => listen(tls.createServer({ ...(await processCertificate()), allowHalfOpen: true } as tls.TlsOptions)),
  ],
] as const)('%s that allows half-open connections', (_name, start) => {
  it('closes an idle connection immediately', async () => {
    const server = run((await start()) as unknown as AnyServer)
    const left = watchPort(server.listener.port)
    const peer = await server.dial()
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'raw', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('closes a connection immediately if its client has ended its half', async () => {
    const server = run((await start()) as unknown as AnyServer)
    const peer = await server.dial()
    const ended = once(peer.accepted.resume(), 'end')
    peer.socket.end()
    await ended
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('cuts a connection at the end of the grace if both ends keep it half open', async () => {
    const server = run((await start()) as unknown as AnyServer)
    const peer = await server.dial({ allowHalfOpen: true })
    const closing = server.close(LONG)
    await peer.ended
    void server.close({ grace: 20 })
    const report = await closing
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })
})

describe('server.connect()', async () => {
  const { ca } = await processCertificate()

  it.each(STREAM_KINDS)('opens a client that closes with $name', async ({ start }) => {
    const server = await start((socket) => void socket.pipe(socket))
    const peer = watch(await server.listener.connect({ tls: { ca } }))
    peer.write('hello')
    await peer.receives('hello')
    const report = await server.close(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it.each(STREAM_KINDS)('opens a client that is closed by force with $name', async ({ start }) => {
    const server = await start(() => {})
    const peer = watch(await server.listener.connect({ tls: { ca }, allowHalfOpen: true }))
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    expect(peer.errors).toEqual([])
  })

  it('rejects while the server closes and afterwards', async () => {
    const listener = await listenTcp()
    const closing = listener.close(LONG)
    await expect(listener.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    await closing
    await expect(listener.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
  })
})
