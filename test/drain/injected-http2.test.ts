import * as grpc from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { formatEndpoint, type ListenOptions, listenTcp, type TestServer } from '../../src/index.js'
import { gate, turn } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'

leavesNothingOpen()

/** Far beyond the time-out of a test: what waits for it fails. */
const LONG = { grace: 60_000 }
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

type Unary = grpc.handleUnaryCall<Buffer, Buffer>

/** A gRPC server whose connections portside has accepted. */
async function serve(echo: Unary, options: ListenOptions = {}): Promise<TestServer> {
  const server = new grpc.Server()
  server.addService({ Echo: ECHO }, { Echo: echo })
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  onTestFinished(() => server.forceShutdown())
  return listenTcp((socket) => injector.injectConnection(socket), options)
}

function connect(server: TestServer) {
  const client = new grpc.Client(formatEndpoint(server.endpoint), grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
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

  it('finishes a call on a connection that comes later', async () => {
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

  it('is cut at the end of the grace when it does not answer', async () => {
    const { opened, open } = gate<void>()
    const server = await serve(() => open())
    const call = connect(server)('one').catch((error: { code?: number }) => error.code)
    await opened
    expect(await server.close({ grace: 20 })).toMatchObject({ outcomes: [{ state: 'http2', outcome: 'destroyed' }] })
    expect(await call).toBe(grpc.status.UNAVAILABLE)
  })
})
