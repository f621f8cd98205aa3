import dgram from 'node:dgram'
import net from 'node:net'
import { codeOf } from '../errors.js'
import { describeErrno, saysNoPortLeft } from '../platform/errno.js'
import { processState } from '../process-state.js'
import { type Family, familyOf, LOOPBACK } from './endpoint.js'
import { ownAddressesOrNone } from './own-addresses.js'

/** The loopback of this host, as `probeLoopback()` found it. */
export interface LoopbackSupport {
  /** Whether 127.0.0.1 can be bound. */
  readonly ipv4: boolean
  /** Whether ::1 can be bound. */
  readonly ipv6: boolean
  /** The families that can be bound, IPv4 first. */
  readonly families: Family[]
  /** Whether a listener on `::` also accepts connections to 127.0.0.1. */
  readonly dualStackWildcard: boolean
  /** The addresses of `localhost`, in the order in which this process tries them. */
  readonly localhost: Array<{ address: string; family: Family }>
  /** Why a family is missing, with the kernel's code. */
  readonly reasons: { ipv4?: string; ipv6?: string }
}

/**
 * Returns the families whose loopback address this host can bind, IPv4 first. It is synchronous, so `describe.each` can use
 * it. portside asks the kernel once per process.
 *
 * @example
 * ```ts
 * import { listenHttp, loopbackFamilies } from 'portside'
 * import { expect } from 'vitest'
 *
 * for (const family of loopbackFamilies()) {
 *   await using server = await listenHttp(undefined, { family })
 *   expect(server.family).toBe(family)
 * }
 * ```
 * @see `docs/loopback.md#loopbackfamilies`
 */
export function loopbackFamilies(): Family[] {
  return FAMILIES.filter((family) => whyFamilyIsMissing(family) === undefined)
}

/** Why this host lacks a family, with the kernel's code. Undefined if it has the family. */
export function whyFamilyIsMissing(family: Family): string | undefined {
  const known = processState('loopback.missing', () => new Map<Family, string | undefined>())
  if (known.has(family)) return known.get(family)
  const error = bindOnce(family)
  const code = error === undefined ? undefined : (codeOf(error) ?? 'unknown error')
  if (code !== undefined && (SHORTAGES.has(code) || isExhausted(code, LOOPBACK[family]))) return undefined
  const reason = code && `binding ${LOOPBACK[family]} failed with ${code} (${describeErrno(code) ?? String(error)})`
  known.set(family, reason)
  return reason
}

/**
 * Finds out what loopback can do on this host, by binding. It asks once per process, and every call gets the same answer.
 *
 * To learn whether `::` accepts IPv4 it listens briefly on the wildcard, and closes every connection immediately.
 *
 * @example
 * ```ts
 * import { loopbackFamilies, probeLoopback } from 'portside'
 * import { expect } from 'vitest'
 *
 * const { families, reasons } = await probeLoopback()
 * expect(families).toEqual(loopbackFamilies())
 * expect(Object.keys(reasons).length + families.length).toBe(2)
 * ```
 * @see `docs/loopback.md#probeloopback`
 */
export function probeLoopback(): Promise<LoopbackSupport> {
  return processState('loopback.support', async () => {
    const found = loopbackFamilies()
    const [ipv4, ipv6] = FAMILIES.map(whyFamilyIsMissing)
    const [dualStackWildcard, localhost] = await Promise.all([wildcardTakesIPv4(found), lookUpLocalhost()])
    return {
      ipv4: ipv4 === undefined,
      ipv6: ipv6 === undefined,
      families: found,
      dualStackWildcard,
      localhost,
      reasons: {
        ...(ipv4 === undefined ? {} : { ipv4 }),
        ...(ipv6 === undefined ? {} : { ipv6 }),
      },
    }
  })
}

const FAMILIES: readonly Family[] = ['IPv4', 'IPv6']

/** Codes of a lack of descriptors, memory or rights. They say nothing about the address, so the answer is not remembered. */
const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ERR_ACCESS_DENIED'])

/** The range of datagram sockets is exhausted, so the kernel has the address. */
const isExhausted = (code: string, address: string): boolean =>
  saysNoPortLeft(code) && (code === 'EADDRINUSE' || ownAddressesOrNone().includes(address))

/**
 * Node binds only a datagram socket synchronously, and only with a synchronous lookup. The kernel checks the address as it
 * does for TCP.
 */
function bindOnce(family: Family): unknown {
  const socket = dgram.createSocket({
    type: family === 'IPv4' ? 'udp4' : 'udp6',
    lookup: (address, _options, answer) => answer(null, address, family === 'IPv4' ? 4 : 6),
  })
  let failure: unknown
  socket.on('error', (error) => {
    failure = error
  })
  try {
    socket.bind({ address: LOOPBACK[family], port: 0, exclusive: true })
  } catch (error) {
    failure = error
  } finally {
    socket.close()
  }
  return failure
}

async function wildcardTakesIPv4(found: Family[]): Promise<boolean> {
  if (!found.includes('IPv4') || !found.includes('IPv6')) return false
  const server = net.createServer((socket) => socket.destroy())
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ host: '::', port: 0, exclusive: true }, resolve)
    })
    const { port } = server.address() as net.AddressInfo
    return await new Promise<boolean>((resolve) => {
      const socket = net.connect({ host: LOOPBACK.IPv4, port })
      // A reset leaves no TIME_WAIT.
      socket.once('connect', () => void socket.resetAndDestroy())
      socket.once('error', () => resolve(false))
      socket.once('close', (failed) => resolve(!failed))
    })
  } catch {
    // `::` cannot be bound, so it accepts nothing.
    return false
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

async function lookUpLocalhost(): Promise<LoopbackSupport['localhost']> {
  try {
    const { lookup } = await import('node:dns/promises')
    const found = await lookup('localhost', { all: true })
    return found.map(({ address }) => ({ address, family: familyOf(address) }))
  } catch {
    // A host without an entry for localhost.
    return []
  }
}
