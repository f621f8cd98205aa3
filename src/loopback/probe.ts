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
  const { reasons } = families()
  return FAMILIES.filter((family) => reasons[family] === undefined)
}

/** Why this host lacks a family, as its kernel said it; undefined where it has it. */
export function whyFamilyIsMissing(family: Family): string | undefined {
  return families().reasons[family]
}

/**
 * What this host's loopback can do, found out by binding. Asked once per process and remembered; every call gets the
 * same answer. To learn whether `::` takes IPv4 it listens on the wildcard for a moment and lets only its own
 * connection in.
 */
export function probeLoopback(): Promise<LoopbackSupport> {
  return processState('loopback.support', async () => {
    const { reasons } = families()
    const found = loopbackFamilies()
    const [dualStackWildcard, localhost] = await Promise.all([wildcardTakesIPv4(found), lookUpLocalhost()])
    return {
      ipv4: reasons.IPv4 === undefined,
      ipv6: reasons.IPv6 === undefined,
      families: found,
      dualStackWildcard,
      localhost,
      reasons: {
        ...(reasons.IPv4 === undefined ? {} : { ipv4: reasons.IPv4 }),
        ...(reasons.IPv6 === undefined ? {} : { ipv6: reasons.IPv6 }),
      },
    }
  })
}

const FAMILIES: readonly Family[] = ['IPv4', 'IPv6']

interface Families {
  readonly reasons: Partial<Record<Family, string>>
}

function families(): Families {
  const known = processState('loopback.families', () => ({}) as { reasons?: Families['reasons'] })
  if (known.reasons !== undefined) return { reasons: known.reasons }
  const reasons: Families['reasons'] = {}
  let conclusive = true
  for (const family of FAMILIES) {
    const error = bindOnce(family)
    if (error === undefined) continue
    const code = codeOf(error) ?? 'unknown error'
    if (SHORTAGES.has(code)) conclusive = false
    else reasons[family] = `binding ${LOOPBACK[family]} failed with ${code} (${describeErrno(code) ?? String(error)})`
  }
  if (conclusive) known.reasons = reasons
  return { reasons }
}

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
