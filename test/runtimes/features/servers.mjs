import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { answerTo, echoed } from './talk.mjs'

export const servers = {
  async listenTcp({ listenTcp }) {
    const server = await listenTcp()
    assert.equal(await echoed(await server.connect()), 'ping')
    await server.close()
  },
  async listenTls({ listenTls }) {
    const server = await listenTls()
    assert.equal(server.url.protocol, 'tls:')
    assert.equal(await echoed(await server.connect()), 'ping')
    await server.close()
  },
  async listenHttp({ listenHttp }) {
    const server = await listenHttp((_request, response) => response.end('hello'))
    assert.equal(await (await fetch(server.url)).text(), 'hello')
    await server.close()
  },
  async listenHttps({ listenHttps }) {
    const server = await listenHttps((_request, response) => response.end('hello'))
    assert.equal(server.url.protocol, 'https:')
    assert.equal(await answerTo(https.request(server.url, { ca: server.ca, agent: false })), 'hello')
    await server.close()
  },
  async listenHttp2({ listenHttp2 }) {
    const server = await listenHttp2((_request, response) => response.end('hello'))
    const session = http2.connect(server.url)
    const request = session.request({ ':path': '/' })
    request.setEncoding('utf8')
    let text = ''
    request.on('data', (chunk) => (text += chunk))
    request.end()
    await once(request, 'end')
    assert.equal(text, 'hello')
    session.close()
    await server.close()
  },
  async listenUdp({ listenUdp }) {
    const server = await listenUdp()
    const client = await server.connect()
    client.send('ping')
    assert.equal(String((await once(client, 'message'))[0]), 'ping')
    await server.close()
  },
  async 'listenUnix, or a pipe'({ listenUnix }) {
    const server = await listenUnix()
    assert.equal(await echoed(await server.connect()), 'ping')
    await server.close()
  },
  async 'listen with an http.Server'({ listen }) {
    const server = await listen(http.createServer((_request, response) => response.end('hello')))
    assert.equal(server.url.protocol, 'http:')
    assert.equal(await (await fetch(server.url)).text(), 'hello')
    await server.close()
  },
  async 'listen with an https.Server'({ listen }) {
    const server = await listen(https.createServer())
    assert.equal(server.url.protocol, 'https:')
    await server.close()
  },
  async 'listen with a net.Server'({ listen }) {
    const server = await listen(net.createServer((socket) => socket.pipe(socket)))
    assert.equal(await echoed(await server.connect()), 'ping')
    await server.close()
  },
  async 'a dual server: one port on 127.0.0.1 and ::1'({ listenTcp }) {
    const server = await listenTcp(undefined, { family: 'dual' })
    assert.deepEqual(
      server.endpoints.map(({ address }) => address),
      ['127.0.0.1', '::1'],
    )
    for (const { address, port } of server.endpoints) assert.equal(await echoed(net.connect(port, address)), 'ping')
    await server.close()
  },
  async 'loopback families and the order of localhost'({ probeLoopback, loopbackFamilies }) {
    const probe = await probeLoopback()
    assert.deepEqual(probe.families, loopbackFamilies())
    assert.ok(probe.localhost.length > 0, 'localhost does not resolve')
  },
}
