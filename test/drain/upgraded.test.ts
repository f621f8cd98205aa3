import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { listenHttp, listenHttps, listenTcp } from '../../src/index.js'
import { gate, get, turn } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { HTTP1_KINDS, run } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const UPGRADE = get('/socket', 'Connection: Upgrade', 'Upgrade: chat')
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n'

describe.each(HTTP1_KINDS)('an upgraded connection, on $name', ({ start, unix }) => {
  it('is closed immediately', async () => {
    const server = await start(() => {})
    server.listener.server.on('upgrade', (_request, socket) => socket.write(SWITCHING))
    const peer = await server.dial()
    peer.write(UPGRADE)
    await peer.receives(SWITCHING)
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', request: 'GET /socket', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('delivers the bytes that both ends wrote before', async () => {
    const server = await start(() => {})
    const heard: string[] = []
    server.listener.server.on('upgrade', (_request, socket: net.Socket) => {
      socket.write(SWITCHING)
      socket.on('data', (chunk) => heard.push(chunk.toString()))
    })
    const peer = await server.dial()
    peer.write(UPGRADE)
    await peer.receives(SWITCHING)
    peer.write('from the client')
    peer.accepted.write('from the server')
    await server.close(LONG)
    await peer.closed
    // The two ends of a unix socket cannot be matched, so data on its way goes unnoticed.
    if (!unix) expect(heard.join('')).toBe('from the client')
    expect(peer.text()).toMatch(/from the server$/)
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('is closed immediately although its handler has not answered it', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const upgraded = once(server.listener.server, 'upgrade')
    peer.write(UPGRADE)
    await upgraded
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('is cut at the end of the grace if its client ignores the end', async () => {
    const server = await start(() => {})
    server.listener.server.on('upgrade', (_request, socket) => socket.write(SWITCHING))
    const peer = await server.dial({ allowHalfOpen: true })
    peer.write(UPGRADE)
    await peer.receives(SWITCHING)
    const closing = server.close(LONG)
    await peer.ended
    void server.close({ grace: 20 })
    const report = await closing
    // The two ends of a unix socket cannot be matched, so the drain treats its client as foreign.
    if (unix) peer.socket.destroy()
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('may begin during the drain', async () => {
    const server = await start(() => {})
    server.listener.server.on('upgrade', (_request, socket) => socket.write(SWITCHING))
    const peer = await server.dial()
    const reading = once(peer.accepted, 'data')
    peer.write(UPGRADE.slice(0, 20))
    await Promise.race([reading, turn().then(turn).then(turn)])
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write(UPGRADE.slice(20))
    const report = await closing
    await peer.closed
    expect(peer.text()).toBe(SWITCHING)
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })
})

describe.each(HTTP1_KINDS)('a CONNECT tunnel, on $name', ({ start }) => {
  it('is closed immediately, after delivering what it carried', async () => {
    const server = await start(() => {})
    server.listener.server.on('connect', (_request, socket: net.Socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(socket)
    })
    const peer = await server.dial()
    peer.write('CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\n\r\n')
    await peer.receives('200 OK\r\n\r\n')
    peer.write('through the tunnel')
    await peer.receives('through the tunnel')
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([
      { state: 'upgraded', request: 'CONNECT example.test:80', outcome: 'closed' },
    ])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })
})

describe('a tunnel between two servers', () => {
  it('is closed immediately at all its four ends', async () => {
    const upstream = run(await listenTcp())
    const proxy = run(await listenHttp(() => {}))
    const { opened: dialled, open } = gate<net.Socket>()
    proxy.listener.server.on('connect', (_request, socket: net.Socket) => {
      const onward = net.connect({ host: upstream.listener.address, port: upstream.listener.port }, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(onward).pipe(socket)
        open(onward)
      })
      onward.on('error', (error) => proxy.errors.push(String(error)))
    })
    const peer = await proxy.dial()
    peer.write('CONNECT upstream.test:80 HTTP/1.1\r\nHost: upstream.test:80\r\n\r\n')
    await peer.receives('200 OK\r\n\r\n')
    peer.write('echo')
    await peer.receives('echo')
    const onward = await dialled
    const onwardClosed = once(onward, 'close')
    const [first, second] = await Promise.all([proxy.close(LONG), upstream.close(LONG)])
    await Promise.all([peer.closed, onwardClosed])
    expect(first.outcomes).toMatchObject([{ state: 'upgraded', outcome: 'closed' }])
    expect(second.destroyed + second.reset).toBe(0)
    expect([...peer.errors, ...proxy.errors, ...upstream.errors]).toEqual([])
  })
})

describe.each([
  ['listenHttp()', 'ws', listenHttp],
  ['listenHttps()', 'wss', listenHttps],
] as const)('a WebSocket, on %s', (_name, scheme, listenAny) => {
  async function openWebSocket() {
    const listener = await listenAny(() => {})
    const server = run(listener)
    const webSockets = new WebSocketServer({ server: listener.server as http.Server })
    const ca = 'ca' in listener ? { ca: listener.ca as string } : {}
    const family = listener.family === 'IPv6' ? 6 : 4
    const client = new WebSocket(`${scheme}://localhost:${listener.port}/chat`, {
      ...ca,
      lookup: (_name, _options, callback) => callback(null, [{ address: listener.address, family }] as never, family),
    })
    onTestFinished(() => client.terminate())
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    const serverSide = once(webSockets, 'connection')
    await once(client, 'open')
    const [accepted] = (await serverSide) as [WebSocket]
    accepted.on('error', (error) => errors.push(error))
    return { listener, server, webSockets, client, accepted, errors }
  }

  it('is closed immediately, without an error at either end', async () => {
    const { server, listener, client, accepted, errors } = await openWebSocket()
    const left = watchPort(listener.port)
    const bothClosed = Promise.all([once(client, 'close'), once(accepted, 'close')])
    const report = await server.close(LONG)
    await bothClosed
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', request: 'GET /chat', outcome: 'closed' }])
    expect(errors).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('delivers the messages that were sent before', async () => {
    const { server, client, accepted } = await openWebSocket()
    const messages: string[] = []
    client.on('message', (data) => messages.push(String(data)))
    accepted.on('message', (data) => messages.push(String(data)))
    const bothClosed = Promise.all([once(client, 'close'), once(accepted, 'close')])
    client.send('from the client')
    accepted.send('from the server')
    await server.close(LONG)
    await bothClosed
    expect(messages.sort()).toEqual(['from the client', 'from the server'])
  })

  it('says goodbye through a drain hook', async () => {
    const { server, listener, client, accepted, webSockets, errors } = await openWebSocket()
    const left = watchPort(listener.port)
    listener.connections.onDrain(async (socket) => {
      for (const webSocket of webSockets.clients) {
        if ((webSocket as unknown as { _socket: net.Socket })._socket !== socket) continue
        webSocket.close(1001, 'going away')
        await once(webSocket, 'close')
      }
    })
    const bothClosed = Promise.all([once(client, 'close'), once(accepted, 'close')])
    const report = await server.close(LONG)
    const [[code, reason]] = (await bothClosed) as [[number, Buffer], unknown]
    expect([code, String(reason)]).toEqual([1001, 'going away'])
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', outcome: 'closed' }])
    expect(errors).toEqual([])
    // The frames are exchanged, then ws closes the connection. That TIME_WAIT is not the drain's.
    expect(left().filter((trace) => !trace.startsWith('TIME_WAIT'))).toEqual([])
  })
})

describe('the upgrade of an http.request()', () => {
  it('is closed immediately, without an error at the client', async () => {
    const server = run(await listenHttp(() => {}))
    server.listener.server.on('upgrade', (_request, socket) => socket.write(SWITCHING))
    const request = http.request({
      host: server.listener.address,
      port: server.listener.port,
      headers: { connection: 'Upgrade', upgrade: 'chat' },
    })
    const errors: Error[] = []
    request.on('error', (error) => errors.push(error))
    request.end()
    const [, socket] = (await once(request, 'upgrade')) as [http.IncomingMessage, net.Socket]
    socket.on('error', (error) => errors.push(error))
    const closed = once(socket, 'close')
    socket.resume()
    const report = await server.close(LONG)
    await closed
    expect(report.outcomes).toMatchObject([{ state: 'upgraded', outcome: 'closed' }])
    expect(errors).toEqual([])
  })
})
