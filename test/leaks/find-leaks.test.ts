import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  findLeaks,
  type LeakOptions,
  type SocketLeak,
  snapshotSockets,
  socketDescriptors,
  verifyNoLeaks,
} from '../../src/index.js'
import { connected, KINDS, openShared, type Shared } from './kinds.js'

let shared: Shared
beforeAll(async () => {
  shared = await openShared()
})
afterAll(() => shared.net.close())

describe.each(Object.entries(KINDS))('%s', (_name, { leaks: kinds, open }) => {
  test('is found with its stack while it is open, and not afterwards', async () => {
    const since = snapshotSockets()
    const { close } = await open(shared)
    const found = await findLeaks(since)
    // Accepted sockets come when the listener takes them.
    expect(found.map(({ kind }) => kind).sort()).toEqual([...kinds].sort())
    for (const { openedAt, kind } of found) {
      // The client of an accepted unix socket is not known.
      const place = openedAt.find(({ file }) => !file.includes('node_modules'))
      if (kind !== 'unix' || place !== undefined) expect(place?.file).toMatch(/test.leaks.kinds\.ts$/)
    }
    await close()
    expect(await findLeaks(since)).toEqual([])
  })
})

describe('a leak', () => {
  test('has its descriptor, inode, ends and state from the kernel', async () => {
    const since = snapshotSockets()
    const socket = await dialled()
    const [client, accepted] = await findLeaks(since)
    const entry = socketDescriptors().find(({ fd }) => fd === client?.fd)
    expect(client).toMatchObject({
      kind: 'client',
      inode: entry?.inode,
      state: 'ESTABLISHED',
      howToClose: 'socket.destroy()',
    })
    expect(client?.local).toEqual({ address: '127.0.0.1', family: 'IPv4', port: socket.localPort })
    expect(client?.remote).toEqual({ address: '127.0.0.1', family: 'IPv4', port: shared.port })
    expect(accepted).toMatchObject({ kind: 'accepted', local: client?.remote, remote: client?.local })
    expect(accepted?.acceptedBy).toMatchObject({ local: { port: shared.port } })
    expect(accepted?.openedAt).toEqual(client?.openedAt)
  })

  test('has the function and the line that opened it', async () => {
    const since = snapshotSockets()
    await dialled()
    const [leak] = await findLeaks(since)
    expect(leak?.openedAt[0]).toMatchObject({ function: 'dialled', file: import.meta.filename })
  })

  test('has the call that closes it, also if portside opened it', async () => {
    const since = snapshotSockets()
    const server = await shared.net.listenTcp()
    const reservation = await shared.net.reservePort()
    const udp = await shared.net.reservePort({ protocol: 'udp' })
    const endpoint = await shared.net.refusedEndpoint()
    const closers = (await findLeaks(since)).map(({ howToClose }) => howToClose)
    expect(closers).toContain('close() on the result of listenTcp()')
    expect(closers.filter((closer) => closer.includes('result of reservePort()'))).toHaveLength(2)
    expect(closers).toContain('close() on the result of refusedEndpoint()')
    await Promise.all([server.close(), reservation.release(), udp.release(), endpoint.close()])
    expect(await findLeaks(since)).toEqual([])
  })
})

describe('a client that is about to connect', () => {
  test('is found although the test has not awaited it', async () => {
    const since = snapshotSockets()
    const socket = net.connect(shared.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    expect((await findLeaks(since)).map(({ kind }) => kind)).toEqual(['client', 'accepted'])
  })

  test.each<[string, () => net.Socket]>([
    ['waits for a name', () => net.connect({ host: 'nobody.test', port: 9, lookup: () => {} })],
    [
      'has thrown',
      () => {
        const socket = new net.Socket()
        expect(() => socket.connect(70_000)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }))
        return socket
      },
    ],
  ])('is not reported if it %s, because the kernel has no socket', async (_name, dial) => {
    const since = snapshotSockets()
    const socket = dial()
    expect(socket.connecting).toBe(true)
    expect(await findLeaks(since)).toEqual([])
    socket.destroy()
  })
})

describe('a listener that has just called listen()', () => {
  test('is found although Node opens it in the next tick', async () => {
    const since = snapshotSockets()
    const server = net.createServer().listen(0, '127.0.0.1')
    const [found] = await findLeaks(since, { close: true })
    expect(found).toMatchObject({ kind: 'listener', howToClose: 'server.close()' })
    expect(server.listening).toBe(false)
  })
})

describe('a socket from before', () => {
  test('is not a leak, and neither are the sockets that it accepts', async () => {
    const socket = await dialled()
    const since = snapshotSockets()
    socket.write('more')
    expect(await findLeaks(since)).toEqual([])
  })

  test('is a leak if it was closed and opened again', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    await new Promise((resolve) => server.close(resolve))
    const since = snapshotSockets()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    expect((await findLeaks(since)).map(({ kind }) => kind)).toEqual(['listener'])
  })
})

describe('the grace', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['end()', async () => (await dialled()).end()],
    ['destroySoon()', async () => (await dialled()).destroySoon()],
    [
      'a destroy() five turns later',
      async () => {
        const socket = await dialled()
        const later = (turns: number): void => {
          if (turns === 0) socket.destroy()
          else setImmediate(later, turns - 1)
        }
        later(5)
      },
    ],
    [
      'a destroy() after some milliseconds',
      async () => {
        const socket = await dialled()
        setTimeout(() => socket.destroy(), 20)
      },
    ],
  ])('is long enough for %s', async (_name, action) => {
    const since = snapshotSockets()
    await action()
    expect(await findLeaks(since)).toEqual([])
  })

  test('passes under fake timers', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const since = snapshotSockets()
    const socket = await dialled()
    expect(await findLeaks(since)).toHaveLength(2)
    socket.destroy()
    expect(await findLeaks(since)).toEqual([])
  })

  test('ends when its signal is aborted', async () => {
    const since = snapshotSockets()
    const socket = await dialled()
    let turned = false
    setImmediate(() => {
      turned = true
    })
    const found = await findLeaks(since, { signal: AbortSignal.abort() })
    expect(turned).toBe(false)
    expect(found.length).toBeGreaterThan(0)
    socket.destroy()
  })
})

describe('verifyNoLeaks', () => {
  test('throws an error with a code, the leaks and the next step, once for all checks', async () => {
    const since = snapshotSockets()
    await dialled()
    const error = await verifyNoLeaks(since).catch((thrown) => thrown)
    expect(error).toMatchObject({ name: 'LeakError', code: 'ERR_PORTSIDE_LEAK', next: 'call socket.destroy()' })
    expect(error.leaks.map(({ kind }: SocketLeak) => kind)).toEqual(['client', 'accepted'])
    expect(error.stack).toContain('find-leaks.test.ts')
  })

  test('passes if nothing is left open', async () => {
    const since = snapshotSockets()
    const socket = await dialled()
    socket.destroy()
    await verifyNoLeaks(since)
  })

  test('prints with mode warn, and does nothing with off', async () => {
    const since = snapshotSockets()
    await dialled()
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => void warn.mockRestore())
    await verifyNoLeaks(since, { mode: 'off' })
    expect(warn).not.toHaveBeenCalled()
    await verifyNoLeaks(since, { mode: 'warn' })
    expect(warn.mock.calls[0]?.[0]).toMatch(/^portside: 2 sockets left open/)
  })

  test('closes what it finds with close: true', async () => {
    const since = snapshotSockets()
    const socket = await dialled()
    await expect(verifyNoLeaks(since, { close: true })).rejects.toMatchObject({ code: 'ERR_PORTSIDE_LEAK' })
    expect(socket.destroyed).toBe(true)
    await verifyNoLeaks(since)
  })
})

describe('invalid input', () => {
  test.each<[unknown, string]>([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [new Date(), 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %j as a snapshot', async (since, code) => {
    await expect(findLeaks(since as never)).rejects.toMatchObject({ code })
  })

  test.each<[unknown, string, string]>([
    [null, 'ERR_INVALID_ARG_TYPE', 'options'],
    [{ mode: 'loud' }, 'ERR_INVALID_ARG_VALUE', "'fail', 'warn' or 'off'"],
    [{ idlePools: true }, 'ERR_INVALID_ARG_VALUE', "'ignore', 'report' or 'close'"],
    [{ kernel: 'yes' }, 'ERR_INVALID_ARG_TYPE', 'true or false'],
    [{ close: 1 }, 'ERR_INVALID_ARG_TYPE', 'true or false'],
    [{ ignore: 'pg' }, 'ERR_INVALID_ARG_TYPE', 'an array of rules'],
    [{ ignore: ['pg'] }, 'ERR_INVALID_ARG_TYPE', 'a rule with'],
    [{ ignore: [{}] }, 'ERR_INVALID_ARG_VALUE', 'a rule with'],
    [{ ignore: [{ because: 'I say so' }] }, 'ERR_INVALID_ARG_VALUE', 'a rule with'],
    [{ ignore: [{ packages: 'pg' }] }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'did you mean "package"?'],
    [{ ignore: [{ kind: 'tcp' }] }, 'ERR_INVALID_ARG_VALUE', 'a kind of leak'],
    [{ ignore: [{ package: '' }] }, 'ERR_INVALID_ARG_VALUE', 'the name of a package'],
    [{ ignore: [{ endpoint: {} }] }, 'ERR_INVALID_ARG_VALUE', 'address, port or path'],
    [{ ignore: [{ endpoint: { prt: 1 } }] }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'did you mean "port"?'],
    [{ ignore: [{ endpoint: { port: '3000' } }] }, 'ERR_SOCKET_BAD_PORT', "got '3000'"],
    [{ ignored: [] }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'did you mean "ignore"?'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE', 'an AbortSignal'],
  ])('refuses the options %j', async (options, code, expected) => {
    const since = snapshotSockets()
    for (const check of [findLeaks, verifyNoLeaks]) {
      const error = await check(since, options as LeakOptions).catch((thrown) => thrown)
      expect(error).toMatchObject({ code, message: expect.stringContaining(expected) })
    }
  })
})

async function dialled(): Promise<net.Socket> {
  const socket = await connected(net.connect(shared.port, '127.0.0.1'))
  onTestFinished(() => void socket.destroy())
  return socket
}
