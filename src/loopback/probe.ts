import dgram from 'node:dgram'
import net from 'node:net'
import { codeOf } from '../errors.js'
import { describeErrno } from '../platform/errno.js'
import { processState } from '../process-state.js'
import { type Family, familyOf, LOOPBACK } from './endpoint.js'

export interface LoopbackSupport {
  /** Whether 127.0.0.1 can be bound. */
  readonly ipv4: boolean
  /** Whether ::1 can be bound. */
  readonly ipv6: boolean
  /** The families that can be bound, IPv4 first. */
  readonly families: Family[]
  /** Whether a listener on `::` also takes connections to 127.0.0.1. */
  readonly dualStackWildcard: boolean
  /** What `localhost` resolves to, in the order in which this process would try it. */
  readonly localhost: Array<{ address: string; family: Family }>
  /** Why a family is missing. */
  readonly reasons: { ipv4?: string; ipv6?: string }
}

/**
 * The families whose loopback address this host can bind, IPv4 first. Synchronous, so that `describe.each` can use
 * it. The kernel is asked once per process.
 */
export function loopbackFamilies(): Family[] {
  return FAMILIES.filter((family) => whyFamilyIsMissing(family) === undefined)
}

/** Why this host lacks a family, as its kernel said it; undefined where it has it. */
export function whyFamilyIsMissing(family: Family): string | undefined {
  const known = processState('loopback.missing', () => new Map<Family, string | undefined>())
  if (known.has(family)) return known.get(family)
  const error = bindOnce(family)
  const code = error === undefined ? undefined : (codeOf(error) ?? 'unknown error')
  if (code !== undefined && SHORTAGES.has(code)) return undefined
  const reason = code && `binding ${LOOPBACK[family]} failed with ${code} (${describeErrno(code) ?? String(error)})`
  known.set(family, reason)
  return reason
}

/**
 * What this host's loopback can do, found out by binding. Asked once per process and remembered; every call gets the
 * same answer. To learn whether `::` takes IPv4 it listens on the wildcard for a moment and lets only its own
 * connection in.
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

/** Codes of a lack of descriptors or memory. They say nothing about the address, and the next bind gets its own answer. */
const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

/**
 * A datagram socket is the only one that Node binds within the call, given a look-up that answers within the call;
 * the kernel checks the address as it does for TCP.
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
      // A reset, so that the probe leaves no TIME_WAIT behind.
      socket.once('connect', () => void socket.resetAndDestroy())
      socket.once('error', () => resolve(false))
      socket.once('close', (failed) => resolve(!failed))
    })
  } catch {
    // Not even `::` can be bound, so it takes nothing.
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
    // A host without any entry for localhost: it resolves to nothing, and that is the answer.
    return []
  }
}
