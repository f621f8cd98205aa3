import type http from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  createSocketPool,
  type DrainOptions,
  listenHttp,
  listenHttp2,
  listenTcp,
  listenTls,
  listenUnix,
} from '../../src/index.js'
import { get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { run, TRANSPORTS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** A server and a client that ignores the end of its stream. Only the deadline closes it. */
async function withStubbornPeer(start: (typeof TRANSPORTS)[number]['start'], options?: { grace: number }) {
  const server = await start(() => {}, options)
  const peer = await server.dial({ allowHalfOpen: true })
  return { server, peer }
}

/** The other end of a unix socket is unknown, so such a client closes alone. */
async function gone(peer: { socket: { destroy(): unknown }; closed: Promise<void> }, unix: boolean): Promise<void> {
  if (unix) peer.socket.destroy()
  await peer.closed
}

describe.each(TRANSPORTS)('close(), on $name', ({ start, unix }) => {
  it('gives concurrent calls one report', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const [first, second] = await Promise.all([server.close(LONG), server.close(LONG)])
    await peer.closed
    expect(first).toBe(second)
    expect(first.outcomes).toHaveLength(1)
  })

  it('gives a later call the same report', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const first = await server.close(LONG)
    const second = await server.close(LONG)
    await peer.closed
    expect(second).toBe(first)
    await server.listener[Symbol.asyncDispose]()
  })

  it('has its deadline shortened by a later call', async () => {
    const { server, peer } = await withStubbornPeer(start)
    const first = server.close(LONG)
    await peer.ended
    const second = server.close({ grace: 20 })
    const report = await first
    await gone(peer, unix)
    expect(await second).toBe(report)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('does not have its deadline extended by a later call', async () => {
    const { server, peer } = await withStubbornPeer(start)
    const first = server.close({ grace: 50 })
    const second = server.close(LONG)
    const report = await first
    await gone(peer, unix)
    expect(await second).toBe(report)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
  })

  it("uses the grace of the server's options", async () => {
    const { server, peer } = await withStubbornPeer(start, { grace: 20 })
    const report = await server.close()
    await gone(peer, unix)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
  })

  it('uses force immediately with a grace of 0', async () => {
    const { server, peer } = await withStubbornPeer(start, LONG)
    const report = await server.close({ grace: 0 })
    await gone(peer, unix)
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    expect(peer.errors).toEqual([])
  })

  it.skipIf(unix)(
    'resets immediately, with a grace of 0, a connection that would have closed without force',
    async () => {
      const server = await start(() => {})
      const peer = await server.dial()
      const report = await server.close({ grace: 0, force: 'reset' })
      await peer.closed
      expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 1 })
      expect(peer.errors).toMatchObject([{ code: 'ECONNRESET' }])
      expect(peer.events).toEqual(['error', 'close'])
    },
  )

  it('reaches its deadline when its signal is aborted', async () => {
    const { server, peer } = await withStubbornPeer(start)
    const controller = new AbortController()
    const closing = server.close({ ...LONG, signal: controller.signal })
    await peer.ended
    controller.abort()
    const report = await closing
    await gone(peer, unix)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('starts at its deadline if its signal is already aborted', async () => {
    const { server, peer } = await withStubbornPeer(start)
    const report = await server.close({ ...LONG, signal: AbortSignal.abort() })
    await gone(peer, unix)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
  })

  it('reaches its deadline when the signal of a later call is aborted', async () => {
    const { server, peer } = await withStubbornPeer(start)
    const controller = new AbortController()
    const first = server.close(LONG)
    const second = server.close({ ...LONG, signal: controller.signal })
    await peer.ended
    controller.abort()
    expect(await first).toBe(await second)
    await gone(peer, unix)
  })

  it('works under fake timers', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { server, peer } = await withStubbornPeer(start)
    const report = await server.close({ grace: 50 })
    await gone(peer, unix)
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    expect(report.duration).toBeGreaterThan(0)
  })

  it('works when timers become fake while it runs', async () => {
    const server = await start(() => {})
    const peer = await server.dial({ allowHalfOpen: true })
    const closing = server.close({ grace: 50 })
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const report = await closing
    await gone(peer, unix)
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
  })

  it.each([
    [-1, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    [Number.POSITIVE_INFINITY, 'ERR_OUT_OF_RANGE'],
    [2 ** 31, 'ERR_OUT_OF_RANGE'],
    ['100', 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
  ])('rejects a grace of %s with %s, and does nothing', async (grace, code) => {
    const server = await start(() => {})
    const peer = await server.dial()
    await expect(server.close({ grace } as DrainOptions)).rejects.toMatchObject({ code })
    expect(server.listener.server.listening).toBe(true)
    expect(peer.events).toEqual([])
    await server.close(LONG)
    await peer.closed
  })

  it.each(['gently', '', 1, null])('rejects the force %j, and does nothing', async (force) => {
    const server = await start(() => {})
    const peer = await server.dial()
    await expect(server.close({ force } as unknown as DrainOptions)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    })
    expect(server.listener.server.listening).toBe(true)
    await server.close(LONG)
    await peer.closed
  })

  it('rejects an invalid grace while it runs, and continues', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const closing = server.close(LONG)
    await expect(server.close({ grace: -1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    const report = await closing
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
  })
})

describe('an invalid grace in the options', () => {
  it.each([
    ['listenTcp()', () => listenTcp(undefined, { grace: -1 })],
    ['listenTls()', () => listenTls(undefined, { grace: -1 })],
    ['listenHttp()', () => listenHttp(undefined, { grace: -1 })],
    ['listenHttp2()', () => listenHttp2(undefined, { grace: -1 })],
    ['listenUnix()', () => listenUnix(undefined, { grace: -1 })],
    ['createSocketPool()', async () => createSocketPool({ grace: -1 })],
  ])('is refused by %s', async (_name, open) => {
    await expect(open()).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  })

  it('is rejected by drain()', async () => {
    const pool = createSocketPool()
    await expect(pool.drain({ grace: Number.NaN })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    await expect(pool.drain({ force: 'sure' as 'reset' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  })
})

describe('the longest grace', () => {
  it('is accepted, and does not keep the report waiting', async () => {
    const listener = await listenTcp()
    const server = run(listener)
    const peer = await server.dial()
    const report = await server.close({ grace: 2 ** 31 - 1 })
    await peer.closed
    expect(report).toMatchObject({ closed: 1 })
  })
})

describe("the signal of listen*()'s options", () => {
  it('closes the server when it is aborted', async () => {
    const controller = new AbortController()
    const server = run(await listenTcp(() => {}, { signal: controller.signal }))
    const peer = await server.dial()
    controller.abort()
    await peer.closed
    expect(peer.events).toEqual(['end', 'close'])
    expect(await server.close(LONG)).toMatchObject({ closed: 1, destroyed: 0 })
  })
})

describe('the drain of server.connections', () => {
  it('closes the connections and leaves the server listening', async () => {
    const held: http.ServerResponse[] = []
    const listener = await listenHttp((request, response) => {
      if (request.url === '/held') held.push(response)
      else response.end('fresh')
    })
    const server = run(listener)
    const busy = await server.dial()
    busy.write(get('/held'))
    await until(() => held.length === 1)
    const idle = await server.dial()
    const draining = listener.connections.drain(LONG)
    await turn().then(turn).then(turn)
    held[0]?.end('held')
    const report = await draining
    await Promise.all([busy.closed, idle.closed])
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(busy.text()).toMatch(/held$/)
    expect(listener.server.listening).toBe(true)
    const later = await server.dial()
    later.write(get('/'))
    await later.receives('fresh')
    expect(listener.connections.size).toBe(1)
    expect(await server.close(LONG)).toMatchObject({ closed: 1 })
    await later.closed
    expect([...busy.errors, ...idle.errors, ...later.errors, ...server.errors]).toEqual([])
  })

  it('may be running when close() is called', async () => {
    const server = run(await listenTcp(() => {}))
    const peer = await server.dial()
    const [drained, closed] = await Promise.all([server.listener.connections.drain(LONG), server.close(LONG)])
    await peer.closed
    expect(drained).toMatchObject({ closed: 1, destroyed: 0 })
    expect(closed).toMatchObject({ closed: 1, destroyed: 0 })
    expect(peer.events).toEqual(['end', 'close'])
  })
})
