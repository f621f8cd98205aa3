import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { Duplex } from 'node:stream'
import tls from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen, listenHttp2, listenHttps, listenTls } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { get, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { type AnyServer, type Running, run } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

const SERVERS: Array<{ name: string; http: boolean; start: () => Promise<unknown> }> = [
  { name: 'listenTls()', http: false, start: () => listenTls() },
  {
    name: 'listen(tls.createServer())',
    http: false,
    start: async () => listen(tls.createServer(await processCertificate())),
  },
  { name: 'listenHttps()', http: true, start: () => listenHttps((_request, response) => response.end('secret')) },
  {
    name: 'listen(https.createServer())',
    http: true,
    start: async () =>
      listen(https.createServer(await processCertificate(), (_request, response) => response.end('secret'))),
  },
  {
    name: 'a secure listenHttp2()',
    http: true,
    start: () => listenHttp2((_request, response) => response.end('secret'), { secure: true }),
  },
  {
    name: 'listen(http2.createSecureServer())',
    http: false,
    start: async () => listen(http2.createSecureServer(await processCertificate())),
  },
]

async function dialRaw({ listener }: Running) {
  const accepted = once(listener.server, 'connection')
  const peer = watch(net.connect({ host: listener.address, port: listener.port }))
  await peer.connected
  return Object.assign(peer, { accepted: (await accepted)[0] as net.Socket })
}

/** A transport whose bytes are held back until it is opened. */
class Gated extends Duplex {
  readonly #socket: net.Socket
  readonly #held: Array<() => void> = []
  #budget: number

  constructor(socket: net.Socket, budget: number) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    this.#budget = budget
    socket.on('data', (chunk) => this.push(chunk)).on('end', () => this.push(null))
    socket.on('close', () => this.destroy())
  }

  open(): void {
    this.#budget = Number.POSITIVE_INFINITY
    for (const write of this.#held.splice(0)) write()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const now = chunk.subarray(0, this.#budget)
    const later = chunk.subarray(now.length)
    this.#budget -= now.length
    this.#socket.write(now)
    if (later.length === 0) done()
    else this.#held.push(() => this.#socket.write(later, done))
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(_error: unknown, done: () => void): void {
    this.#socket.destroy()
    done()
  }

  override _read(): void {}
}

describe.each(SERVERS)('a TLS handshake, on $name', ({ start, http }) => {
  it('does not delay the drain if it never began', async () => {
    const server = run((await start()) as AnyServer)
    const left = watchPort(server.listener.port)
    const peer = await dialRaw(server)
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(left()).toEqual([])
  })

  it('is cut at the end of the grace if it never began and its client ignores the end', async () => {
    const server = run((await start()) as AnyServer)
    const accepted = once(server.listener.server, 'connection')
    const { address: host, port } = server.listener
    const peer = watch(net.connect({ host, port, allowHalfOpen: true }))
    await accepted
    const report = await server.close({ grace: 100 })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('is cut at the end of the grace if it stopped half-way', async () => {
    const server = run((await start()) as AnyServer)
    const peer = await dialRaw(server)
    // The header of a record that carries a ClientHello of 512 bytes, and its first byte (RFC 8446 §5.1).
    peer.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    await until(() => peer.accepted.bytesRead > 0)
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'destroyed', bytesRead: 6 }])
    expect(peer.errors).toEqual([])
  })

  it('completes during the drain if it is half-way', async () => {
    const server = run((await start()) as AnyServer)
    const left = watchPort(server.listener.port)
    const accepted = once(server.listener.server, 'connection')
    const raw = net.connect({ host: server.listener.address, port: server.listener.port })
    onTestFinished(() => void raw.destroy())
    const gated = new Gated(raw, 100)
    const { ca } = await processCertificate()
    const peer = watch(tls.connect({ socket: gated, ca, servername: 'localhost' }))
    const [socket] = (await accepted) as [net.Socket]
    await until(() => socket.bytesRead === 100)
    const secured = once(server.listener.server, 'secureConnection')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    gated.open()
    await secured
    const report = await closing
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'closed' }])
    expect(peer.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it.runIf(http)('completes if it is half-way, and the request behind it is answered', async () => {
    const server = run((await start()) as AnyServer)
    const left = watchPort(server.listener.port)
    const accepted = once(server.listener.server, 'connection')
    const { address: host, port } = server.listener
    const peer = watch(tls.connect({ host, port, ca: (await processCertificate()).ca, servername: 'localhost' }))
    peer.write(get('/'))
    const [socket] = (await accepted) as [net.Socket]
    await until(() => socket.bytesRead > 0)
    const report = await server.close(LONG)
    await peer.closed
    expect(peer.text()).toMatch(/secret$/)
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(left()).toEqual([])
  })

  it('does not delay the drain if it fails', async () => {
    const server = run((await start()) as AnyServer)
    const peer = await dialRaw(server)
    const failed = once(server.listener.server, 'tlsClientError')
    peer.write('this is not TLS at all, not even remotely')
    await failed
    const report = await server.close(LONG)
    await peer.closed
    expect(report.destroyed + report.reset).toBe(0)
  })
})

describe('the pool of a TLS server', () => {
  it('counts a connection once, before and after its handshake', async () => {
    const server = run(await listenTls())
    const { connections } = server.listener
    const sizes: number[] = []
    server.listener.server.on('connection', () => sizes.push(connections.size))
    server.listener.server.on('secureConnection', () => sizes.push(connections.size))
    const peer = await server.dial()
    expect(sizes).toEqual([1, 1])
    expect([...connections]).toEqual([peer.accepted])
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toHaveLength(1)
    expect(connections.size).toBe(0)
  })

  it('yields the raw socket until the secure socket exists', async () => {
    const server = run(await listenTls())
    const { connections } = server.listener
    const peer = await dialRaw(server)
    expect([...connections]).toEqual([peer.accepted])
    await server.close(LONG)
    await peer.closed
  })
})
