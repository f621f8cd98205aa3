import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen, listenHttp2 } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { freePath } from '../support/abilities.js'
import { gate, targetOf, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { type AnyServer, type Running, run } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

type Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void

interface Http2Kind {
  name: string
  secure: boolean
  unix: boolean
  start(handler: Handler): Promise<Running>
}

const http2Kind = (name: string, start: (handler: Handler) => Promise<unknown>): Http2Kind => ({
  name,
  secure: name.includes('ecure'),
  unix: name.includes('unix'),
  start: async (handler) => run((await start(handler)) as AnyServer),
})

const KINDS: Http2Kind[] = [
  http2Kind('listenHttp2()', (handler) => listenHttp2(handler)),
  http2Kind('listen(http2.createServer())', (handler) => listen(http2.createServer(handler))),
  http2Kind('an http2 server on a unix socket', (handler) => listen(http2.createServer(handler), { path: freePath() })),
  http2Kind('a secure listenHttp2()', (handler) => listenHttp2(handler, { secure: true })),
  http2Kind('listen(http2.createSecureServer())', async (handler) =>
    listen(http2.createSecureServer(await processCertificate(), handler)),
  ),
]

/** A client session, with every 'error' of it and its streams. */
async function open(server: Running) {
  const client = dial(server, await processCertificate())
  // The settings of the other side have arrived, so both ends have sent theirs.
  await once(client.session, 'remoteSettings')
  return client
}

/** The same, before either end has sent its settings. */
function dial({ listener }: Running, { ca }: { ca: string }) {
  const secure = 'setSecureContext' in listener.server
  const target = targetOf(listener)
  const session =
    'path' in target
      ? http2.connect('http://localhost', { createConnection: () => net.connect(target) })
      : http2.connect(`${secure ? 'https' : 'http'}://localhost:${target.port}`, {
          ca,
          host: target.host,
        } as http2.SecureClientSessionOptions)
  onTestFinished(() => session.destroy())
  const errors: Error[] = []
  session.on('error', (error) => errors.push(error))
  const closed = gate()
  session.once('close', () => closed.open())
  const request = (path: string, options: http2.ClientSessionRequestOptions = { endStream: true }, method = 'GET') => {
    const stream = session.request({ ':path': path, ':method': method }, options)
    stream.on('error', (error) => errors.push(error))
    return stream
  }
  return { session, errors, closed: closed.opened, request }
}

async function textOf(stream: http2.ClientHttp2Stream): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) text += chunk
  return text
}

describe.each(KINDS)('a session, on $name', ({ start, unix, secure }) => {
  it('is closed immediately without streams', async () => {
    const server = await start(() => {})
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    const goaways: number[] = []
    client.session.on('goaway', (code) => goaways.push(code))
    const report = await server.close(LONG)
    await client.closed
    expect(new Set(goaways)).toEqual(new Set([http2.constants.NGHTTP2_NO_ERROR]))
    expect(report.outcomes).toMatchObject([{ state: 'http2', outcome: 'closed' }])
    expect(report.outcomes[0]).not.toHaveProperty('request')
    expect(client.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('is closed immediately after it has served streams', async () => {
    const server = await start((request, response) => response.end(request.url))
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    expect(await textOf(client.request('/1'))).toBe('/1')
    expect(await textOf(client.request('/2'))).toBe('/2')
    const report = await server.close(LONG)
    await client.closed
    expect(report.outcomes).toMatchObject([{ state: 'http2', outcome: 'closed' }])
    expect(client.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  // Node 24 closes the sessions of a server that closes.
  it('is closed after a PING', async () => {
    const server = await start(() => {})
    const calls: string[] = []
    server.listener.server.once('session', (session: http2.ServerHttp2Session) => {
      const { ping, close } = session
      session.ping = (...args: unknown[]) => {
        calls.push('ping')
        return Reflect.apply(ping, session, args)
      }
      session.close = (...args: unknown[]) => {
        calls.push('close')
        return Reflect.apply(close, session, args)
      }
    })
    const client = await open(server)
    await server.close(LONG)
    await client.closed
    expect(calls).toEqual(['ping', 'close'])
    expect(client.errors).toEqual([])
  })

  it('finishes requests that its client sent before the server had sent anything', async () => {
    const server = await start((request, response) => void turn().then(() => response.end(request.url)))
    const left = unix ? () => [] : watchPort(server.listener.port)
    const accepted = once(server.listener.server, 'connection')
    const client = dial(server, await processCertificate())
    const texts = ['/1', '/2'].map((path) => textOf(client.request(path)))
    await accepted
    const report = await server.close(LONG)
    expect(await Promise.all(texts)).toEqual(['/1', '/2'])
    await client.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(client.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('delivers a written response completely to a client that reads slowly', async () => {
    const size = 1_000_000
    const server = await start((_request, response) => void response.end(Buffer.alloc(size)))
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    const received = [0, 0, 0]
    const read = received.map(async (_bytes, index) => {
      for await (const chunk of client.request('/')) {
        received[index] += chunk.length
        for (let turns = 0; turns < 40; turns++) await turn()
      }
    })
    await until(() => received.every((bytes) => bytes > 100_000))
    const report = await server.close(LONG)
    await Promise.all(read)
    expect(received).toEqual([size, size, size])
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    await client.closed
    expect(client.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('finishes its streams in flight', async () => {
    const responses: http2.Http2ServerResponse[] = []
    const server = await start((_request, response) => void responses.push(response))
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    const answers = Promise.all([textOf(client.request('/1')), textOf(client.request('/2'))])
    await until(() => responses.length === 2)
    responses[1]?.write('headers are sent')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    responses[0]?.end('first')
    await turn()
    responses[1]?.end(', second')
    const report = await closing
    await client.closed
    expect(await answers).toEqual(['first', 'headers are sent, second'])
    expect(report.outcomes).toMatchObject([{ state: 'http2', request: 'GET /1', outcome: 'closed' }])
    expect(client.errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('finishes a stream that begins in the turn in which close() is called', async () => {
    const server = await start((_request, response) => response.end('just in time'))
    const client = await open(server)
    const answer = textOf(client.request('/'))
    await turn()
    await server.close(LONG)
    await client.closed
    expect(await answer).toBe('just in time')
    expect(client.errors).toEqual([])
  })

  it('delivers a long answer completely', async () => {
    const body = Buffer.alloc(8_000_000, 'x')
    const server = await start((_request, response) => response.end(body))
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    const stream = client.request('/long')
    let bytes = 0
    await once(stream, 'response')
    const closing = server.close(LONG)
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    await once(stream, 'end')
    const report = await closing
    await client.closed
    expect(bytes).toBe(body.length)
    expect(report.outcomes).toMatchObject([{ request: 'GET /long', outcome: 'closed' }])
    expect(client.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('receives a long upload completely', async () => {
    const server = await start((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      request.on('end', () => response.end(`got ${bytes}`))
    })
    const client = await open(server)
    const stream = client.request('/upload', { endStream: false }, 'POST')
    stream.write(Buffer.alloc(1_000_000))
    const begun = once(server.listener.server, 'stream')
    await begun
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    stream.end(Buffer.alloc(1_000_000))
    expect(await textOf(stream)).toBe('got 2000000')
    const report = await closing
    await client.closed
    expect(report.outcomes).toMatchObject([{ request: 'POST /upload', outcome: 'closed' }])
    expect(client.errors).toEqual([])
  })

  it('is cut at the end of the grace if a stream is never answered', async () => {
    const server = await start(() => {})
    const left = unix ? () => [] : watchPort(server.listener.port)
    const client = await open(server)
    const begun = once(server.listener.server, 'stream')
    client.request('/never')
    await begun
    const report = await server.close({ grace: 100 })
    await client.closed
    expect(report).toMatchObject({ closed: 0, destroyed: 1 })
    expect(report.outcomes).toMatchObject([{ state: 'http2', request: 'GET /never', outcome: 'destroyed' }])
    expect(left()).toEqual([])
  })

  it('is not awaited if its client has already closed', async () => {
    const server = await start(() => {})
    const client = await open(server)
    const begun = once(server.listener.server, 'stream')
    client.request('/gone')
    await begun
    const closing = server.close(LONG)
    await turn()
    client.session.destroy()
    const report = await closing
    expect(report.outcomes).toMatchObject([{ request: 'GET /gone', outcome: 'closed' }])
  })

  it.skipIf(secure)('is closed immediately if its client never began it', async () => {
    const server = await start(() => {})
    const accepted = once(server.listener.server, 'connection')
    const peer = watch(net.connect(targetOf(server.listener)))
    await Promise.all([accepted, peer.connected])
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'http2', outcome: 'closed' }])
    expect(peer.errors).toEqual([])
  })
})

describe("a server with a 'stream' listener of its own", () => {
  it('names the request of the oldest stream', async () => {
    const raw = http2.createServer()
    raw.on('stream', (stream, headers) => {
      if (headers[':path'] === '/answered') stream.respond({}, { endStream: true })
    })
    const server = run((await listen(raw)) as unknown as AnyServer)
    const client = await open(server)
    await textOf(client.request('/answered'))
    const begun = once(raw, 'stream')
    client.request('/first')
    await begun
    const second = once(raw, 'stream')
    client.request('/second')
    await second
    const report = await server.close({ grace: 50 })
    await client.closed
    expect(report.outcomes).toMatchObject([{ request: 'GET /first', outcome: 'destroyed' }])
  })
})

describe('a client that begins a request after its answer to the PING', () => {
  const SETTINGS = 4
  const PING = 6
  const RST_STREAM = 3
  const HEADERS = 1
  const ACK = 1
  const END = 0b101

  function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(stream, 5)
    return Buffer.concat([head, payload])
  }

  /** The frames of a text that holds complete frames. */
  function* framesOf(bytes: Buffer) {
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      const payload = bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3))
      yield {
        type: bytes.readUInt8(at + 3),
        flags: bytes.readUInt8(at + 4),
        stream: bytes.readUInt32BE(at + 5),
        payload,
      }
    }
  }

  it('gets its answer if both arrive in one read', async () => {
    const server = run((await listenHttp2((_request, response) => response.end('hello'))) as unknown as AnyServer)
    const peer = watch(net.connect(targetOf(server.listener)))
    const received: Buffer[] = []
    peer.socket.on('data', (chunk) => received.push(chunk))
    const frames = () => [...framesOf(Buffer.concat(received))]
    peer.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    peer.socket.write(Buffer.concat([frame(SETTINGS, 0, 0), frame(SETTINGS, ACK, 0)]))
    await until(() => frames().some(({ type, flags }) => type === SETTINGS && flags === ACK))
    const closing = server.close(LONG)
    await until(() => frames().some(({ type }) => type === PING))
    const ping = frames().find(({ type }) => type === PING)
    const getRoot = Buffer.from([0x82, 0x86, 0x84, 0x01, 0x01, 0x78])
    peer.socket.write(Buffer.concat([frame(PING, ACK, 0, ping?.payload), frame(HEADERS, END, 1, getRoot)]))
    await until(() => frames().some(({ stream }) => stream === 1))
    expect(frames().filter(({ stream, type }) => stream === 1 && type === RST_STREAM)).toEqual([])
    peer.socket.end()
    expect((await closing).outcomes).toMatchObject([{ state: 'http2', outcome: 'closed' }])
  })
})
