import net from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { exhaustEphemeralPorts, reservePort } from '../../src/index.js'
import { isExhausted, saysExhausted } from '../../src/ports/exhausted.js'
import getPort from '../../src/ports/get-port.js'
import { ELSEWHERE, HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

afterEach(() => {
  vi.restoreAllMocks()
})

const failure = (code: string, address?: string | null): Error => Object.assign(new Error(code), { code, address })

it.each([
  ['EADDRINUSE', HERE, true],
  ['EADDRNOTAVAIL', HERE, true],
  ['EADDRNOTAVAIL', '0.0.0.0', true],
  ['EADDRNOTAVAIL', '::', true],
  ['EADDRNOTAVAIL', ELSEWHERE, false],
  ['EADDRNOTAVAIL', undefined, false],
  ['EADDRNOTAVAIL', null, false],
  ['EACCES', HERE, false],
])('knows the error of a bind that found no port: %s of %s, %s', (code, address, expected) => {
  expect(saysExhausted(failure(code, address))).toBe(expected)
})

describe('on a kernel that answers EADDRNOTAVAIL when no port is left', () => {
  /** As on macOS, without taking any port: each listener without a port fails. */
  const noPortLeft = (): void => {
    const { listen } = net.Server.prototype
    vi.spyOn(net.Server.prototype, 'listen').mockImplementation(function (this: net.Server, ...args: unknown[]) {
      const { host, port } = args[0] as net.ListenOptions
      if (port !== 0) return Reflect.apply(listen, this, args)
      process.nextTick(() => this.emit('error', Object.assign(failure('EADDRNOTAVAIL', host), { syscall: 'listen' })))
      return this
    })
  }

  it('reservePort() rejects at once, and its error is marked as exhaustion', async () => {
    noPortLeft()
    const error = await reservePort().catch((error) => error)
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', cause: { exhausted: true } })
    expect(isExhausted(error)).toBe(true)
  })

  it('reservePort() of an absent address is not marked', async () => {
    const error = await reservePort({ host: ELSEWHERE }).catch((error) => error)
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' })
    expect(isExhausted(error)).toBe(false)
  })

  it('getPort() rejects as get-port does when no port is free', async () => {
    noPortLeft()
    await expect(getPort({ host: HERE })).rejects.toMatchObject({
      message: 'No available ports found',
      cause: { code: 'EADDRNOTAVAIL' },
    })
  })

  it.each(['connect', 'listen'] as const)('exhaustEphemeralPorts() by %s holds all that it got', async (by) => {
    noPortLeft()
    const exhaustion = await exhaustEphemeralPorts({ by, limit: 65_535 })
    expect(exhaustion).toMatchObject({ by, held: 0, error: { code: 'EADDRNOTAVAIL' } })
    await exhaustion.release()
  })
})
