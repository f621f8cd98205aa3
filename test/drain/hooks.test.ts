import type net from 'node:net'
import { describe, expect, it } from 'vitest'
import { createSocketPool, type DrainHook, listenHttp, listenTcp } from '../../src/index.js'
import { gate, get, turn, watch } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { HTTP1_TRANSPORTS, run, STREAM_TRANSPORTS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

describe.each(STREAM_TRANSPORTS)('a drain hook, on $name', ({ start }) => {
  it('gets each socket as its user knows it, and may say goodbye', async () => {
    const server = await start(() => {})
    const seen: net.Socket[] = []
    server.listener.connections.onDrain((socket) => {
      seen.push(socket)
      socket.write('goodbye')
    })
    const peers = [await server.dial(), await server.dial()]
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(new Set(seen)).toEqual(new Set(peers.map(({ accepted }) => accepted)))
    expect(peers.map((peer) => peer.text())).toEqual(['goodbye', 'goodbye'])
    expect(report).toMatchObject({ closed: 2, destroyed: 0 })
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
  })

  it('is awaited before the end is sent', async () => {
    const server = await start(() => {})
    const { opened, open } = gate()
    const { opened: called, open: call } = gate()
    server.listener.connections.onDrain(async () => {
      call()
      await opened
    })
    const peer = await server.dial()
    const closing = server.close(LONG)
    await called
    await turn().then(turn).then(turn).then(turn)
    expect(peer.events).toEqual([])
    open()
    const report = await closing
    await peer.closed
    expect(peer.events).toEqual(['end', 'close'])
    expect(report).toMatchObject({ closed: 1, destroyed: 0 })
  })

  it('is not awaited beyond the grace', async () => {
    const server = await start(() => {})
    server.listener.connections.onDrain(() => new Promise(() => {}))
    const peer = await server.dial()
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report).toMatchObject({ closed: 0, destroyed: 1 })
    expect(peer.errors).toEqual([])
  })

  it.each<[string, DrainHook]>([
    [
      'throws',
      () => {
        throw new Error('the hook is broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the hook is broken'))],
  ])('that %s comes out of close() once everything is closed', async (_how, hook) => {
    const server = await start(() => {})
    server.listener.connections.onDrain(hook)
    const peer = await server.dial()
    await expect(server.close(LONG)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_DRAIN_HOOK',
      cause: expect.objectContaining({ message: 'the hook is broken' }),
      report: { closed: 1, destroyed: 0, reset: 0 },
    })
    await peer.closed
    expect(server.listener.server.listening).toBe(false)
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('is called in the order of registration, even if another hook fails', async () => {
    const server = await start(() => {})
    const calls: string[] = []
    server.listener.connections.onDrain(() => void calls.push('first'))
    server.listener.connections.onDrain(() => Promise.reject(new Error('second')))
    server.listener.connections.onDrain((socket) => {
      calls.push('third')
      socket.write('third')
    })
    const peer = await server.dial()
    await expect(server.close(LONG)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_DRAIN_HOOK' })
    await peer.closed
    expect(calls).toEqual(['first', 'third'])
    expect(peer.text()).toBe('third')
  })
})

describe.each(HTTP1_TRANSPORTS)('a drain hook, on $name', ({ start }) => {
  it('is called only for upgraded sockets', async () => {
    const server = await start((_request, response) => response.end('hello'))
    server.listener.server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching\r\n\r\n'))
    const seen: net.Socket[] = []
    server.listener.connections.onDrain((socket) => void seen.push(socket))
    const [fresh, idle, upgraded] = [await server.dial(), await server.dial(), await server.dial()]
    idle.write(get('/'))
    upgraded.write(get('/', 'Connection: Upgrade', 'Upgrade: chat'))
    await Promise.all([idle.receives('hello'), upgraded.receives('101')])
    const report = await server.close(LONG)
    await Promise.all([fresh.closed, idle.closed, upgraded.closed])
    expect(seen).toEqual([upgraded.accepted])
    expect(report).toMatchObject({ closed: 3 })
  })
})

describe('the hooks of a pool', () => {
  it('are called for its clients, and again in its next drain', async () => {
    const server = run(await listenTcp((socket) => void socket.pipe(socket)))
    const pool = createSocketPool()
    const seen: net.Socket[] = []
    pool.onDrain((socket) => void seen.push(socket))
    const first = watch(await pool.connect(server.listener as never))
    await pool.drain(LONG)
    await first.closed
    const second = watch(await pool.connect(server.listener as never))
    await pool.drain(LONG)
    await second.closed
    expect(seen).toEqual([first.socket, second.socket])
    await server.close(LONG)
  })

  it('fail the drain of the pool', async () => {
    const server = run(await listenTcp((socket) => void socket.pipe(socket)))
    const pool = createSocketPool()
    pool.onDrain(() => Promise.reject(new Error('no')))
    const peer = watch(await pool.connect(server.listener as never))
    await expect(pool.drain(LONG)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_DRAIN_HOOK' })
    await peer.closed
    expect(pool.size).toBe(0)
    await server.close(LONG)
  })

  it.each([undefined, null, 'hook', {}])('are rejected if they are %j', async (hook) => {
    const pool = createSocketPool()
    expect(() => pool.onDrain(hook as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
  })

  it('are not called when there is nothing to drain', async () => {
    const listener = await listenHttp(() => {})
    let calls = 0
    listener.connections.onDrain(() => void calls++)
    await listener.close(LONG)
    expect(calls).toBe(0)
  })
})
