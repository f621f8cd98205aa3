import { describe, expect, it } from 'vitest'
import { type ExhaustOptions, exhaustEphemeralPorts } from '../../src/namespaces/exhaustion.js'
import type { HostProfile } from '../../src/namespaces/profile.js'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { onHost } from '../support/private-host.js'

leavesNothingOpen()

/** The common code of the tests on the host. */
const PREPARE = `
  const { assertEphemeralPortsExhausted, ephemeralPorts, exhaustEphemeralPorts } = portside
  const { once } = await import('node:events')
  const { readdirSync } = await import('node:fs')
  const net = (await import('node:net')).default
  const server = net.createServer((socket) => socket.on('error', () => {})).listen(5000)
  await once(server, 'listening')
  /** 'ok', or the failure, and whether the assertion recognizes it as exhaustion. */
  const outcome = (emitter, good) => new Promise((resolve) => {
    emitter.once('error', async (error) => {
      const exhausted = await assertEphemeralPortsExhausted(error).then(() => true, () => false)
      resolve([error.code, error.syscall, exhausted].join(' '))
    })
    emitter.once(good, () => {
      emitter.resetAndDestroy ? emitter.resetAndDestroy() : emitter.close()
      resolve('ok')
    })
  })
  const connect = (host, options) => outcome(net.connect({ port: 5000, host, autoSelectFamily: false, ...options }), 'connect')
  const listen = (host) => outcome(net.createServer().listen(0, host), 'listening')
  const held = async () => ({ ports: await ephemeralPorts(), descriptors: readdirSync('/proc/self/fd').length })
  const say = (what) => { console.log(JSON.stringify(what)); process.exit() }
`

interface Seen {
  before: unknown
  after: unknown
  exhaustion: { by: string; first: number; last: number; size: number; held: number; code: string; exhausted: boolean }
  connects: Record<string, string>
  listens: Record<string, string>
  bound: Record<string, string>
  fetched: boolean
  available: number
  again: Record<string, string>
}

const NO_PORT = 'EADDRNOTAVAIL connect true'
const NO_BIND = 'EADDRINUSE connect true'
const NO_LISTEN = 'EADDRINUSE listen true'

const hosts: ReadonlyArray<{ name: string; profile: HostProfile; addresses: string[]; wildcards: string[] }> = [
  { name: 'both families', profile: {}, addresses: ['127.0.0.1', '::1'], wildcards: ['0.0.0.0', '::'] },
  { name: 'IPv4 only', profile: { ipv6: false }, addresses: ['127.0.0.1'], wildcards: ['0.0.0.0', '::'] },
  { name: 'IPv6 only', profile: { ipv4: false }, addresses: ['::1'], wildcards: ['::'] },
]

describe.skipIf(whyNoNamespace !== undefined)(`exhaustEphemeralPorts (${whyNoNamespace ?? 'possible here'})`, () => {
  describe.each(hosts)('on a host with $name', ({ profile, addresses, wildcards }) => {
    it.each(['connect', 'listen'] as const)(
      'leaves no port for a connect or a listen, and gives all back: by %s',
      async (by) => {
        const seen = await onHost<Seen>(
          { ...profile, ephemeralPorts: 16 },
          `${PREPARE}
        const [addresses, wildcards] = ${JSON.stringify([addresses, wildcards])}
        const table = async (hosts, ask) => Object.fromEntries(await Promise.all(hosts.map(async (host) => [host, await ask(host)])))
        const before = await held()
        const exhaustion = await exhaustEphemeralPorts({ by: '${by}' })
        const { first, last, size, held: count, error } = exhaustion
        const seen = {
          before,
          exhaustion: { by: exhaustion.by, first, last, size, held: count, code: error.code, exhausted: await assertEphemeralPortsExhausted(error).then(() => true) },
          connects: await table([...addresses, 'localhost'], (host) => connect(host)),
          bound: await table(addresses, (host) => connect(host, { localAddress: host })),
          listens: await table([...addresses, 'localhost', ...wildcards], listen),
          fetched: await assertEphemeralPortsExhausted(() => fetch('http://localhost:5000')).then(() => true),
          available: (await ephemeralPorts()).available,
        }
        await Promise.all([exhaustion.release(), exhaustion.release()])
        const after = await held()
        say({ ...seen, after, again: { ...await table(addresses, connect), ...await table(wildcards, listen) } })`,
        )
        const all = (hosts: string[], value: string) => Object.fromEntries(hosts.map((host) => [host, value]))
        expect(seen.exhaustion).toEqual({
          by,
          first: 32_768,
          last: 32_783,
          size: 16,
          held: 16,
          exhausted: true,
          code: by === 'connect' ? 'EADDRNOTAVAIL' : 'EADDRINUSE',
        })
        expect(seen.connects).toEqual(all([...addresses, 'localhost'], NO_PORT))
        expect(seen.bound).toEqual(all(addresses, NO_BIND))
        expect(seen.listens).toEqual(all([...addresses, 'localhost', ...wildcards], NO_LISTEN))
        expect(seen.fetched).toBe(true)
        expect(seen.available).toBe(0)
        expect(seen.after).toEqual(seen.before)
        expect(seen.again).toEqual(all([...addresses, ...wildcards], 'ok'))
      },
    )
  })

  it('leaves ports on other addresses of the loopback network', async () => {
    const seen = await onHost(
      { ephemeralPorts: 16 },
      `${PREPARE}
      await exhaustEphemeralPorts()
      say([await listen('127.0.0.9'), await connect('127.0.0.1', { localAddress: '127.0.0.9' }), await connect('127.0.0.9')])`,
    )
    expect(seen).toEqual(['ok', 'ok', NO_PORT])
  })

  it('takes the free ports, in addition to ports that others hold', async () => {
    const seen = await onHost(
      { ephemeralPorts: 16 },
      `${PREPARE}
      const reservation = await portside.reservePort()
      const listeners = [net.createServer().listen(0, '127.0.0.1'), net.createServer().listen(0, '::')]
      await Promise.all(listeners.map((listener) => once(listener, 'listening')))
      const left = (await ephemeralPorts()).available
      const exhaustion = await exhaustEphemeralPorts({ by: 'listen' })
      const seen = { left, held: exhaustion.held, connect: await connect('127.0.0.1'), here: reservation.held }
      await exhaustion.release()
      say({ ...seen, after: (await ephemeralPorts()).available, still: reservation.held })`,
    )
    // ::1 still has a port for each that is taken only on 127.0.0.1.
    expect(seen).toMatchObject({ left: 12, connect: NO_PORT, here: true, after: 12, still: true })
  })

  it('also takes the port of an earlier connection from connects to other destinations', async () => {
    const seen = await onHost(
      { ephemeralPorts: 16 },
      `${PREPARE}
      const other = net.createServer((socket) => socket.on('error', () => {})).listen(5001, '127.0.0.1')
      await once(other, 'listening')
      const client = net.connect(5001, '127.0.0.1')
      await once(client, 'connect')
      await exhaustEphemeralPorts()
      say([await connect('127.0.0.1', { port: 5001 }), await connect('127.0.0.1')])`,
    )
    expect(seen).toEqual([NO_PORT, NO_PORT])
  })

  it('can be called twice, and the second call takes nothing', async () => {
    const seen = await onHost(
      { ephemeralPorts: 16 },
      `${PREPARE}
      const one = await exhaustEphemeralPorts({ by: 'listen' })
      const two = await exhaustEphemeralPorts({ by: 'listen' })
      await one.release()
      const between = await connect('127.0.0.1')
      await two.release()
      say([one.held, two.held, between])`,
    )
    expect(seen).toEqual([16, 0, 'ok'])
  })

  it('is not needed for TIME_WAIT: closed connections still hold ports', async () => {
    const seen = await onHost(
      { ephemeralPorts: 16 },
      `${PREPARE}
      for (let count = 0; count < 16; count++) {
        const client = net.connect({ port: 5000, host: '127.0.0.1', localAddress: '127.0.0.1' })
        await once(client.on('error', () => {}), 'connect')
        client.end()
        client.resume()
        await once(client, 'close')
      }
      const { inUse, timeWait, available } = await ephemeralPorts()
      const exhaustion = await exhaustEphemeralPorts({ by: 'listen' }).catch((error) => error)
      say({ inUse, timeWait, available, listen: await listen('127.0.0.1') })`,
    )
    expect(seen).toMatchObject({ inUse: 0, timeWait: 16, available: 0, listen: NO_LISTEN })
  })

  it('gives all ports back and rejects with EMFILE if descriptors run out', async () => {
    const seen = await onHost(
      { ephemeralPorts: 500, openFiles: 128 },
      `${PREPARE}
      const before = await held()
      const codes = []
      for (const by of ['connect', 'listen']) codes.push(await exhaustEphemeralPorts({ by }).then(() => 'ok', (error) => error.code))
      say({ codes, same: JSON.stringify(before) === JSON.stringify(await held()) })`,
    )
    expect(seen).toEqual({ codes: ['EMFILE', 'EMFILE'], same: true })
  })

  it('gives all ports back if the signal aborts', async () => {
    const seen = await onHost(
      { ephemeralPorts: 500 },
      `${PREPARE}
      const before = await held()
      const controller = new AbortController()
      const started = exhaustEphemeralPorts({ signal: controller.signal }).then(() => 'ok', (error) => error.code)
      setImmediate(() => controller.abort())
      say({ code: await started, same: JSON.stringify(before) === JSON.stringify(await held()) })`,
    )
    expect(seen).toEqual({ code: 'ABORT_ERR', same: true })
  })

  it('is reported by the leak check if it is not released', async () => {
    const seen = await onHost<string[]>(
      { ephemeralPorts: 4 },
      `
      const since = portside.snapshotSockets()
      await portside.exhaustEphemeralPorts({ by: 'listen' })
      const leaks = await portside.findLeaks(since)
      console.log(JSON.stringify(leaks.map(({ howToClose }) => howToClose)))
      process.exit()`,
    )
    expect(new Set(seen)).toEqual(new Set(['release() on the result of exhaustEphemeralPorts()']))
  })
})

describe('a large range', () => {
  it('is rejected before a socket is opened, with the fix to use a small range', async () => {
    const { first, last } = ephemeralRange()
    const size = last - first + 1
    await expect(exhaustEphemeralPorts({ limit: size - 1 })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_LARGE_RANGE',
      message: expect.stringMatching(
        new RegExp(
          `^Cannot take all ephemeral ports, ${first} to ${last}\\.\n {2}expected {3}a range of at most ${size - 1} ports\n {2}got {8}a range of ${size}\n {2}cause {6}.*\n {2}fix {8}.*ephemeralPorts: 16`,
        ),
      ),
    })
  })
})

describe('options', () => {
  it.each<[unknown, string]>([
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{ by: 'bind' }, 'ERR_INVALID_ARG_VALUE'],
    [{ limit: '16' }, 'ERR_INVALID_ARG_TYPE'],
    [{ limit: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ limit: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ signal: 'now' }, 'ERR_INVALID_ARG_TYPE'],
  ])('%j are rejected with %s', async (options, code) => {
    await expect(exhaustEphemeralPorts(options as ExhaustOptions)).rejects.toMatchObject({ code })
  })
})
