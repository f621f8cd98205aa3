import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it, test } from 'vitest'
import * as guards from '../../src/platform/node-objects.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { HERE, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const SERVERS = ['isServer', 'canListen']

/** Unopened objects of this Node, and the guards that they pass. */
const OBJECTS: ReadonlyArray<readonly [name: string, make: () => Promise<unknown> | unknown, passes: string[]]> = [
  ['a net.Server', () => net.createServer(), SERVERS],
  ['a tls.Server', async () => tls.createServer(await processCertificate()), [...SERVERS, 'isTlsServer']],
  ['an http.Server', () => http.createServer(), [...SERVERS, 'isHttpServer']],
  [
    'an https.Server',
    async () => https.createServer(await processCertificate()),
    [...SERVERS, 'isTlsServer', 'isHttpServer'],
  ],
  [
    'the https.Server of Bun, which has no setSecureContext()',
    async () => Object.assign(http.createServer(), { ALPNCallback: undefined }),
    [...SERVERS, 'isTlsServer', 'isHttpServer'],
  ],
  ['an HTTP/2 server', () => http2.createServer(), [...SERVERS, 'isHttpServer', 'isHttp2Server']],
  [
    'a secure HTTP/2 server',
    async () => http2.createSecureServer(await processCertificate()),
    [...SERVERS, 'isTlsServer', 'isHttpServer', 'isHttp2Server'],
  ],
  ['a net.Socket', () => new net.Socket(), ['isSocket']],
  ['a tls.TLSSocket', () => new tls.TLSSocket(new net.Socket()), ['isSocket', 'isTlsSocket']],
  ['a dgram.Socket', closedDatagramSocket, ['isDatagram']],
  ['an http.Agent', () => new http.Agent(), ['isAgent']],
  ['an https.Agent', () => new https.Agent(), ['isAgent']],
  ['a request', unsentRequest, ['isRequest']],
  ['an object', () => ({}), []],
  ['null', () => null, []],
  ['undefined', () => undefined, []],
  ['a string', () => 'listen', []],
  ['a proxy that throws', throwingProxy, []],
]

/** These guards accept only sockets. */
const { isPipe, ...ofAnything } = guards

describe.each(OBJECTS)('%s', (_name, make, passes) => {
  test.each(Object.entries(ofAnything))('is recognized by the right guards: %s', async (name, guard) => {
    expect(guard(await make())).toBe(passes.includes(name))
  })
})

it('does not recognize the socket of an HTTP/2 session as a socket', async () => {
  const server = http2.createServer()
  await once(server.listen(0, HERE), 'listening')
  const { port } = server.address() as net.AddressInfo
  const client = http2.connect('http://portside.invalid', { createConnection: () => net.connect(port, HERE) })
  await once(client, 'connect')
  expect(guards.isSocket(client.socket)).toBe(false)
  client.close()
  await new Promise((resolve) => void server.close(resolve))
})

it('distinguishes a TCP socket from one that was never opened', async () => {
  const server = net.createServer((socket) => socket.destroy())
  await once(server.listen(0, HERE), 'listening')
  const client = net.connect((server.address() as net.AddressInfo).port, HERE)
  await once(client, 'connect')
  expect([isPipe(client), isPipe(new net.Socket())]).toEqual([false, false])
  client.destroy()
  await once(server.close(), 'close')
})

it('recognizes a pipe', async () => {
  const { listenUnix } = await import('../../src/index.js')
  const server = await listenUnix()
  const client = await server.connect()
  expect(isPipe(client)).toBe(true)
  await server.close()
  expect(isPipe(client)).toBe(false)
})

async function closedDatagramSocket(): Promise<dgram.Socket> {
  const socket = dgram.createSocket(UDP_HERE)
  await new Promise<void>((resolve) => void socket.close(resolve))
  return socket
}

/** Over a socket that never connects: with `agent: false` Node would connect. */
function unsentRequest(): http.ClientRequest {
  return http
    .get({ createConnection: () => new net.Socket() })
    .on('error', () => {})
    .destroy()
}

function throwingProxy(): object {
  const fail = (): never => {
    throw new Error('this proxy throws')
  }
  // A promise that resolves to it asks for `then`.
  return new Proxy({}, { has: fail, get: (_target, name) => (name === 'then' ? undefined : fail()) })
}
