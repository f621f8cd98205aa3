import { execFile } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { listenTcp, loopbackFamilies } from '../../src/index.js'
import { get, turn, watch } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { HTTP1_KINDS, run, STREAM_KINDS } from './kinds.js'

// Checks the state at the moment in which close() resolves.

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** Handles of libuv, by kind, without pipes, because the runner has its own. */
const handles = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => /^(TCP|TLS|HTTP2)/i.test(name))
    .sort()

describe.each([...HTTP1_KINDS, ...STREAM_KINDS])('when close() resolves, on $name', ({ start }) => {
  it.each([
    ['by itself', false, LONG],
    ['by force', true, { grace: 50 }],
  ])(
    "every accepted socket has emitted 'close', and the server has, once: %s",
    async (_how, allowHalfOpen, options) => {
      const server = await start(() => {})
      const closed: string[] = []
      const peers = [await server.dial({ allowHalfOpen }), await server.dial({ allowHalfOpen })]
      for (const { accepted } of peers) accepted.on('close', () => closed.push('socket'))
      server.listener.server.on('close', () => closed.push('server'))
      await server.close(options)
      expect([...closed].sort()).toEqual(['server', 'socket', 'socket'])
      expect(peers.map(({ accepted }) => accepted.destroyed)).toEqual([true, true])
      expect(server.listener.server.listening).toBe(false)
      for (const { socket } of peers) socket.destroy()
      await Promise.all(peers.map((peer) => peer.closed))
      expect(closed).toHaveLength(3)
    },
  )

  it.each([
    ['by itself', LONG],
    ['by force', { grace: 0 }],
    ['by a reset', { grace: 0, force: 'reset' as const }],
  ])(
    "the raw sockets have emitted 'close', too, those in the middle of a handshake included: %s",
    async (_how, options) => {
      for (let turns = 0; turns < 12; turns++) {
        const server = await start((_request: unknown, response?: { end(): unknown }) => void response?.end())
        const open = new Set<net.Socket>()
        const track = (socket: net.Socket): void => {
          open.add(socket)
          socket.once('close', () => open.delete(socket))
        }
        server.listener.server.on('connection', track).on('secureConnection', track)
        const dialling = [server.dial(), server.dial(), server.dial()]
        for (let done = 0; done < turns; done++) await turn()
        await server.close(options)
        expect(open.size).toBe(0)
        for (const each of dialling)
          each.then(
            ({ socket }) => socket.destroy(),
            () => {},
          )
      }
    },
  )

  it('Node lists no more handles than before', async () => {
    const before = handles()
    const server = await start((_request: unknown, response?: { end(): unknown }) => void response?.end())
    const peers = [await server.dial(), await server.dial()]
    peers[0]?.write(get('/'))
    expect(handles().length).toBeGreaterThanOrEqual(before.length)
    await server.close(LONG)
    expect(handles().filter((name) => /server/i.test(name))).toEqual(before.filter((name) => /server/i.test(name)))
    await Promise.all(peers.map(({ closed }) => closed))
    expect(handles()).toEqual(before)
  })
})

describe('a server without connections', () => {
  it.each([...HTTP1_KINDS, ...STREAM_KINDS])('is closed immediately: $name', async ({ start }) => {
    const server = await start(() => {})
    const report = await server.close(LONG)
    expect(report).toMatchObject({ outcomes: [], closed: 0, destroyed: 0, reset: 0 })
    expect(server.listener.server.listening).toBe(false)
  })

  it('is closed immediately after its connections have closed', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const peer = await server.dial()
    const gone = once(peer.accepted, 'close')
    peer.socket.end()
    await Promise.all([gone, peer.closed])
    expect(await server.close(LONG)).toMatchObject({ outcomes: [] })
  })
})

describe('a dual server', () => {
  it('closes its clients on both addresses, refuses on both, and leaves no TIME_WAIT', async (context) => {
    if (loopbackFamilies().length < 2) context.skip('this host lacks one of the families')
    const listener = await listenTcp((socket) => void socket.pipe(socket), { family: 'dual' })
    const server = run(listener)
    const left = watchPort(listener.port)
    const accepted = once(listener.server, 'connection')
    const peers = [await server.dial(), watch(net.connect({ host: '::1', port: listener.port }))]
    await accepted
    for (const peer of peers) peer.write('echo')
    await Promise.all(peers.map((peer) => peer.receives('echo')))
    expect(listener.connections.size).toBe(2)
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(report.outcomes.map(({ local }) => (local as { address: string }).address).sort()).toEqual([
      '127.0.0.1',
      '::1',
    ])
    expect(peers.map(({ events }) => events)).toEqual([
      ['end', 'close'],
      ['end', 'close'],
    ])
    expect(left()).toEqual([])
    for (const host of ['127.0.0.1', '::1']) {
      const late = watch(net.connect({ host, port: listener.port }))
      await late.closed
      expect(late.errors).toMatchObject([{ code: 'ECONNREFUSED' }])
    }
  })
})

describe('a drain in a process that nothing else keeps running', () => {
  it('is finished before the process exits', async () => {
    const program = fileURLToPath(new URL('../../fixtures/programs/unref-drain.mjs', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program])
    expect(stdout).toBe('destroyed')
  })
})
