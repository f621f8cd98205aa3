import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type net from 'node:net'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import * as grpc from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createSocketPool,
  formatEndpoint,
  type ListenOptions,
  listen,
  listenHttp,
  listenTcp,
  listenTls,
  type TestServer,
} from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { gate, turn } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const asIs = (bytes: Buffer): Buffer => bytes
const ECHO = {
  path: '/test/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
} as const

type Certificate = Awaited<ReturnType<typeof processCertificate>>
type Unary = grpc.handleUnaryCall<Buffer, Buffer>

/** A gRPC server whose connections portside has accepted. */
async function serve(
  echo: Unary,
  options: ListenOptions = {},
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<TestServer> {
  const server = new grpc.Server()
  server.addService({ Echo: ECHO }, { Echo: echo })
  const injector = server.createConnectionInjector(credentials)
  onTestFinished(() => server.forceShutdown())
  return listenTcp((socket) => injector.injectConnection(socket), options)
}

function connect(server: TestServer, credentials = grpc.credentials.createInsecure()) {
  const client = new grpc.Client(formatEndpoint(server.endpoint), credentials, {
    'grpc.enable_http_proxy': 0,
    'grpc.ssl_target_name_override': 'localhost',
  })
  onTestFinished(() => client.close())
  return (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(ECHO.path, asIs, asIs, Buffer.from(text), (error, value) =>
        error ? reject(error) : resolve(String(value)),
      )
    })
}

describe('a gRPC server on connections that a plain server has accepted', () => {
  it('finishes the call in flight, the first of its connection', async () => {
    const { opened, open } = gate<() => void>()
    const server = await serve((call, done) => open(() => done(null, call.request)))
    const left = watchPort(server.port)
    const call = connect(server)('one')
    const answer = await opened
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    answer()
    expect(await call).toBe('one')
    expect(await closing).toMatchObject({
      destroyed: 0,
      outcomes: [{ state: 'http2', request: 'POST /test/Echo', outcome: 'closed' }],
    })
    expect(left()).toEqual([])
  })

  it('finishes a call on a later connection', async () => {
    const answers: Array<() => void> = []
    const server = await serve((call, done) => {
      const answer = (): void => done(null, call.request)
      if (String(call.request) === 'held') answers.push(answer)
      else answer()
    })
    expect(await connect(server)('one')).toBe('one')
    const held = [connect(server)('held'), connect(server)('held')]
    while (answers.length < 2) await turn()
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    for (const answer of answers) answer()
    expect(await Promise.all(held)).toEqual(['held', 'held'])
    expect(await closing).toMatchObject({ destroyed: 0, reset: 0 })
  })

  it('is cut at the end of the grace if it does not answer', async () => {
    const { opened, open } = gate<void>()
    const server = await serve(() => open())
    const call = connect(server)('one').catch((error: { code?: number }) => error.code)
    await opened
    expect(await server.close({ grace: 20 })).toMatchObject({ outcomes: [{ state: 'http2', outcome: 'destroyed' }] })
    expect(await call).toBe(grpc.status.UNAVAILABLE)
  })

  it('finishes the calls in flight over TLS', async () => {
    const { ca, cert, key } = await processCertificate()
    const secured = grpc.ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
    ])
    const answers: Array<() => void> = []
    const server = await serve((call, done) => void answers.push(() => done(null, call.request)), {}, secured)
    const left = watchPort(server.port)
    const echo = connect(server, grpc.credentials.createSsl(Buffer.from(ca)))
    const calls = [echo('one'), echo('two')]
    while (answers.length < 2) await turn()
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    for (const answer of answers) answer()
    expect(await Promise.all(calls)).toEqual(['one', 'two'])
    expect(await closing).toMatchObject({
      destroyed: 0,
      reset: 0,
      outcomes: [{ state: 'http2', request: 'POST /test/Echo', outcome: 'closed' }],
    })
    expect(left()).toEqual([])
  })
})

/** A server that does not listen, but gets the connections of another. */
type Behind = (handler: http.RequestListener) => Promise<(socket: net.Socket) => void>

const into =
  (make: (certificate: Certificate, handler: http.RequestListener) => net.Server): Behind =>
  async (handler) => {
    const server = make(await processCertificate(), handler)
    return (socket) => void server.emit('connection', socket)
  }

const behind: ReadonlyArray<readonly [name: string, secure: boolean, front: 'tcp' | 'tls', Behind]> = [
  ['an HTTP server', false, 'tcp', into((_certificate, handler) => http.createServer(handler))],
  ['an HTTPS server', true, 'tcp', into((certificate, handler) => https.createServer(certificate, handler))],
  [
    'an HTTP/2 server that also speaks HTTP/1',
    true,
    'tcp',
    into((certificate, handler) => http2.createSecureServer({ ...certificate, allowHTTP1: true }, handler as never)),
  ],
  ['an HTTP server, behind TLS', true, 'tls', into((_certificate, handler) => http.createServer(handler))],
  [
    'an HTTP server, behind a TLSSocket of the handler',
    true,
    'tcp',
    async (handler) => {
      const server = http.createServer(handler)
      const { cert, key } = await processCertificate()
      return (socket) => void server.emit('connection', new tls.TLSSocket(socket, { isServer: true, cert, key }))
    },
  ],
  [
    'an HTTP server, behind a TLS server that does not listen',
    true,
    'tcp',
    async (handler) => {
      const server = http.createServer(handler)
      const secured = tls.createServer(await processCertificate(), (socket) => server.emit('connection', socket))
      return (socket) => void secured.emit('connection', socket)
    },
  ],
]

describe.each(behind)('a connection that is handed over to %s', (_name, secure, front, make) => {
  const start = async (handler: http.RequestListener): Promise<TestServer> => {
    const handOver = await make(handler)
    return front === 'tls' ? listenTls(handOver) : listenTcp(handOver)
  }
  const get = async ({ address, port }: TestServer, path: string, agent: http.Agent | false = false) => {
    const { ca } = await processCertificate()
    const options = { host: address, port, path, agent, ca, servername: 'localhost' }
    const [response] = await once((secure ? https : http).get(options), 'response')
    return text(response)
  }

  it('gets the answer to its request in flight', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const server = await start((_request, response) => open(response))
    const left = watchPort(server.port)
    const answer = get(server, '/slow')
    const response = await opened
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    response.end('done')
    expect(await answer).toBe('done')
    expect(await closing).toMatchObject({
      closed: 1,
      outcomes: [{ state: 'active', request: 'GET /slow', outcome: 'closed' }],
    })
    expect(left()).toEqual([])
  })

  it('is closed while it is kept alive and idle', async () => {
    const server = await start((_request, response) => void response.end('done'))
    const agent = new (secure ? https : http).Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    expect(await get(server, '/', agent)).toBe('done')
    await turn()
    expect(await server.close(LONG)).toMatchObject({ closed: 1, outcomes: [{ state: 'idle' }] })
  })

  it('is cut at the end of the grace', async () => {
    const { opened, open } = gate()
    const server = await start(() => open())
    const answer = get(server, '/never').catch((error: NodeJS.ErrnoException) => error.code)
    await opened
    expect(await server.close({ grace: 20 })).toMatchObject({
      destroyed: 1,
      outcomes: [{ state: 'active', request: 'GET /never', outcome: 'destroyed' }],
    })
    expect(await answer).toBe('ECONNRESET')
  })
})

it('answers the request in a tunnel that a proxy hands over to its own HTTP server', async () => {
  const { opened, open } = gate<http.ServerResponse>()
  const inner = http.createServer((_request, response) => open(response))
  const proxy = await listenHttp()
  proxy.server.on('connect', (_request, socket: net.Socket) => {
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    inner.emit('connection', socket)
  })
  const dialled = http.request({ host: proxy.address, port: proxy.port, method: 'CONNECT', path: 'example:80' }).end()
  const [, tunnel] = await once(dialled, 'connect')
  const asked = http.get({ createConnection: () => tunnel, path: '/inner', host: 'example' })
  const answer = once(asked, 'response').then(([response]) => text(response))
  const response = await opened
  const closing = proxy.close(LONG)
  await turn().then(turn).then(turn)
  response.end('done')
  expect(await answer).toBe('done')
  expect(await closing).toMatchObject({ closed: 1, outcomes: [{ state: 'active', request: 'GET /inner' }] })
})

it('counts only accepted connections for a server that also listens itself', async () => {
  const back = http.createServer((_request, response) => void response.end('done'))
  const front = await listenTcp((socket) => void back.emit('connection', socket))
  const pool = createSocketPool()
  const at = await listen(pool.track(back))
  const agent = new http.Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  for (const { address, port } of [front, at]) {
    const [response] = await once(http.get({ host: address, port, agent }), 'response')
    expect(await text(response)).toBe('done')
  }
  expect(await at.close(LONG)).toMatchObject({ outcomes: [{ state: 'idle' }] })
  expect(await front.close(LONG)).toMatchObject({ outcomes: [{ state: 'idle' }] })
})
