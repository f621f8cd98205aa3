import { once } from 'node:events'
import type http from 'node:http'
import { describe, expect, it } from 'vitest'
import { gate, get, targetOf, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { spawnPeer } from './foreign.js'
import { HTTP1_TRANSPORTS, type Running } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
/** More than the kernel's buffers hold. */
const LARGE = 20_000_000

/** A client in another process with a request in flight. It reads only when asked to. */
async function ask(server: Running, secure: boolean) {
  const accepted = once(server.listener.server, secure ? 'secureConnection' : 'connection')
  const requested = once(server.listener.server, 'request')
  const peer = spawnPeer({ target: targetOf(server.listener), secure, reads: 'later', write: get('/first') })
  const [[socket], [, response]] = await Promise.all([accepted, requested])
  return { peer, socket, response: response as http.ServerResponse }
}

describe.each(HTTP1_TRANSPORTS)(
  'a client in another process that has sent more than was answered, on $name',
  ({ start, secure }) => {
    it('gets its complete answer', async () => {
      const paths: string[] = []
      const server = await start((request) => void paths.push(request.url ?? ''))
      const { peer, response } = await ask(server, secure)
      const closing = server.close(LONG)
      await turn().then(turn)
      response.setHeader('content-length', LARGE)
      response.end(Buffer.alloc(LARGE, 'x'))
      // A server that does not read these bytes after its last response would answer them with a reset.
      peer.write(get('/second'))
      peer.read()
      const report = await closing
      await peer.exited
      expect(peer.bytesOf()).toBeGreaterThan(LARGE)
      expect(peer.codes()).toEqual([])
      expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
      expect(paths).toEqual(['/first'])
      expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /first', outcome: 'closed' }])
      expect(server.errors).toEqual([])
    })

    it.each([
      ['half a request', 'GET /second HTTP/1.1\r\nHo'],
      ['bytes that are not a request', 'no request\r\n\r\n'],
      ['an upgrade', get('/second', 'Connection: Upgrade', 'Upgrade: chat')],
      ['a request with a body', 'POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody'],
    ])('gets its complete answer when it has sent %s', async (_what, more) => {
      const paths: string[] = []
      const server = await start((request) => void paths.push(request.url ?? ''))
      server.listener.server.on('upgrade', (_request, socket) => {
        paths.push('upgraded')
        socket.destroy()
      })
      server.listener.server.on('clientError', (_error, socket) => {
        paths.push('clientError')
        socket.destroy()
      })
      const { peer, socket, response } = await ask(server, secure)
      const closing = server.close(LONG)
      await turn().then(turn)
      const read = socket.bytesRead
      response.end('x'.repeat(1000))
      await once(response, 'finish')
      peer.write(more)
      await until(() => socket.bytesRead > read)
      peer.read()
      const report = await closing
      await peer.exited
      expect(peer.bytesOf()).toBeGreaterThan(1000)
      expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
      expect(paths).toEqual(['/first'])
      expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed' }])
    })

    it('is destroyed, and reported as such, if it has not read its answer at the end of the grace', async () => {
      const server = await start(() => {})
      const { peer, response } = await ask(server, secure)
      const closing = server.close(LONG)
      await turn().then(turn)
      response.end('x'.repeat(1000))
      await once(response, 'finish')
      await turn().then(turn)
      void server.close({ grace: 20 })
      const report = await closing
      expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'destroyed' }])
      await peer.kill()
    })
  },
)

describe.each(HTTP1_TRANSPORTS)('an upload that the handler does not read, on $name', ({ start, secure }) => {
  it('does not keep the connection of its answer open', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const server = await start((request, response) => {
      request.once('data', () => {
        request.pause()
        open(response)
      })
    })
    const head = 'POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n'
    const peer = spawnPeer({ target: targetOf(server.listener), secure, write: head })
    await peer.heard('connect')
    peer.write('x'.repeat(400_000))
    const response = await opened
    const closing = server.close(LONG)
    await turn().then(turn)
    response.end('enough')
    const report = await closing
    await peer.exited
    expect(peer.textOf()).toContain('enough')
    expect(peer.codes()).toEqual([])
    expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed' }])
  })
})
