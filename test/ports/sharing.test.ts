import net from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Family, listenTcp, loopbackFamilies, type PortReservation, reservePort } from '../../src/index.js'
import { LOOPBACK } from '../../src/loopback/endpoint.js'
import { listensWhileHeld } from '../../src/platform/port-hold.js'
import { reserve, wantOf } from '../../src/ports/reserve-port.js'
import { PortSharing, portSharing, probeSharing } from '../../src/ports/sharing.js'
import { HERE, HERE_FAMILY } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets, watchPort } from '../support/kernel.js'

leavesNothingOpen()

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

type Answer = boolean | undefined

/** A kernel whose answers the test chooses, one for each question. Counts the questions. */
function kernel(expected: boolean, ...answers: Answer[]): { sharing: PortSharing; asked: Family[] } {
  const asked: Family[] = []
  const sharing = new PortSharing(expected, new Map(), async (family) => {
    asked.push(family)
    await new Promise((resolve) => setImmediate(resolve))
    return answers[asked.length - 1]
  })
  return { sharing, asked }
}

/** The first listeners with a port by its number fail with EADDRINUSE. */
function refuseListening(count: number): void {
  const { listen } = net.Server.prototype
  let refused = 0
  vi.spyOn(net.Server.prototype, 'listen').mockImplementation(function (this: net.Server, ...args: unknown[]) {
    if ((args[0] as net.ListenOptions).port === 0 || refused++ >= count) return Reflect.apply(listen, this, args)
    process.nextTick(() => this.emit('error', Object.assign(new Error('in use'), { code: 'EADDRINUSE' })))
    return this
  })
}

const reserveWith = async (sharing: PortSharing): Promise<PortReservation> =>
  reserve({ ...(await wantOf({}, 'release()')), sharing, BoundSocket: undefined })

describe('the kernel', () => {
  it.each(loopbackFamilies())('is asked whether a listener can have a port that a client holds: %s', async (family) => {
    const sink = net.createServer((socket) => socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => sink.listen(0, LOOPBACK[family], resolve))
    const { port } = sink.address() as net.AddressInfo
    const holder = net.connect({ host: LOOPBACK[family], port, localAddress: LOOPBACK[family] })
    await new Promise((resolve) => holder.once('connect', resolve))
    const server = net.createServer()
    const listens = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(holder.localPort, LOOPBACK[family], () => resolve(true))
    })
    expect(await probeSharing(family)).toBe(listens)
    server.close()
    holder.resetAndDestroy()
    await new Promise((resolve) => sink.close(resolve))
  })

  it('is asked without a trace in its table, and nothing stays open', async (context) => {
    needsKernel(context)
    const before = openSockets().length
    const listening = vi.spyOn(net.Server.prototype, 'listen')
    expect(await probeSharing(HERE_FAMILY)).toBe(listensWhileHeld())
    expect(openSockets()).toHaveLength(before)
    const ports = listening.mock.calls.map(([where]) => (where as unknown as net.ListenOptions).port as number)
    for (const port of ports.filter((port) => port > 0)) expect(watchPort(port)()).toEqual([])
  })

  it('gives no answer when the probe fails', async () => {
    const emfile = Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    vi.spyOn(net.Server.prototype, 'listen').mockImplementation(function (this: net.Server) {
      process.nextTick(() => this.emit('error', emfile))
      return this
    })
    expect(await probeSharing(HERE_FAMILY)).toBeUndefined()
  })

  it('gives no answer when a listener fails also after the port is freed', async () => {
    refuseListening(2)
    expect(await probeSharing(HERE_FAMILY)).toBeUndefined()
  })

  it('says no when a listener fails only while the port is held', async () => {
    refuseListening(1)
    expect(await probeSharing(HERE_FAMILY)).toBe(false)
  })

  it('is asked under fake timers', async () => {
    vi.useFakeTimers()
    expect(await probeSharing(HERE_FAMILY)).toBe(listensWhileHeld())
  })
})

describe('the answer', () => {
  it('is asked for once, also by calls at the same time', async () => {
    const { sharing, asked } = kernel(true, false)
    expect(await Promise.all([sharing.ask(['IPv4']), sharing.ask(['IPv4'])])).toEqual([false, false])
    expect(sharing.ask(['IPv4'])).toBe(false)
    expect(sharing.known(['IPv4'])).toBe(false)
    expect(asked).toEqual(['IPv4'])
  })

  it('belongs to a family, and both must share', async () => {
    const { sharing, asked } = kernel(false, true, false)
    expect(await sharing.ask(['IPv4'])).toBe(true)
    expect(await sharing.ask(['IPv4', 'IPv6'])).toBe(false)
    expect(sharing.ask(['IPv4'])).toBe(true)
    expect(asked).toEqual(['IPv4', 'IPv6'])
  })

  it.each([true, false])(
    'is what the platform is known for when the probe fails, and is not kept: %s',
    async (expected) => {
      const { sharing, asked } = kernel(expected, undefined, !expected)
      expect(await sharing.ask(['IPv4'])).toBe(expected)
      expect(sharing.known(['IPv4'])).toBe(expected)
      expect(await sharing.ask(['IPv4'])).toBe(!expected)
      expect(sharing.ask(['IPv4'])).toBe(!expected)
      expect(asked).toHaveLength(2)
    },
  )

  it('of another platform is what that platform is known for', async () => {
    expect(await portSharing('win32').ask(['IPv4'])).toBe(false)
    expect(await portSharing('linux').ask(['IPv4'])).toBe(true)
  })

  it('is shared by the process', async () => {
    const first = await portSharing().ask([HERE_FAMILY])
    const listening = vi.spyOn(net.Server.prototype, 'listen')
    expect(portSharing().ask([HERE_FAMILY])).toBe(first)
    expect(listening).not.toHaveBeenCalled()
  })
})

describe('a reservation', () => {
  it('asks at its first hand-over where the platform is known to share', async () => {
    const { sharing, asked } = kernel(true, true)
    const reservation = await reserveWith(sharing)
    expect(asked).toEqual([])
    await reservation.handOver(() => {})
    expect(asked).toEqual([HERE_FAMILY])
    await reservation.handOver(() => {})
    expect({ asked: asked.length, held: reservation.held }).toEqual({ asked: 1, held: true })
    await reservation.release()
  })

  it('asks at once elsewhere', async () => {
    const { sharing, asked } = kernel(false, true)
    const reservation = await reserveWith(sharing)
    expect(asked).toEqual([HERE_FAMILY])
    await reservation.release()
  })

  it('of a kernel that shares stays held through hand-overs on any platform, and leaves nothing', async (context) => {
    needsKernel(context)
    const reservation = await reserveWith(kernel(false, true).sharing)
    const server = await listenTcp(undefined, { port: reservation })
    expect(reservation.held).toBe(true)
    await server.close()
    const traces = watchPort(reservation.port)
    await reservation.release()
    expect(traces()).toEqual([])
  })

  it('of a kernel that does not share is closed before bind on any platform', async () => {
    const reservation = await reserveWith(kernel(true, false).sharing)
    expect(await reservation.handOver(() => reservation.held)).toBe(false)
    const server = await listenTcp(undefined, { port: reservation })
    expect(server.port).toBe(reservation.port)
    await server.close()
    await reservation.release()
  })

  it('is not handed over when it is released while the kernel is asked', async () => {
    const reservation = await reserveWith(kernel(true, true).sharing)
    const handing = reservation.handOver(() => expect.unreachable())
    const released = reservation.release()
    await expect(handing).rejects.toMatchObject({ code: 'ERR_PORTSIDE_RESERVATION_RELEASED' })
    await released
  })

  it('of this kernel is handed over as ever', async () => {
    await using reservation = await reservePort()
    expect(await reservation.handOver(() => 'bound')).toBe('bound')
    expect(reservation.held).toBe(listensWhileHeld() || portSharing().known([HERE_FAMILY]))
    expect(reservation.address).toBe(HERE)
  })
})
