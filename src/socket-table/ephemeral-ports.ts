import { readFileSync } from 'node:fs'
import { ephemeralRange } from '../platform/ephemeral-range.js'
import type { SocketEntry } from './socket-entry.js'
import { readSocketTable } from './socket-table.js'

/** How full the ephemeral range of this host is. */
export interface EphemeralPorts {
  readonly first: number
  readonly last: number
  /** How many ports that is. */
  readonly size: number
  /** TCP ports of the range that some socket has, on whichever address, TIME_WAIT not counted. */
  readonly inUse: number
  /** Those that nobody has but the kernel, in TIME_WAIT. */
  readonly timeWait: number
  /** What is left: in no use at all, and not reserved by the system. */
  readonly available: number
}

/**
 * Counts the TCP ports of the ephemeral range, of this host or network namespace. Each local address has its own ports, and
 * a connect may share one with a connection to another peer: so many are available for certain (ip(7),
 * ip_local_port_range). Bound sockets that neither listen nor are connected are in no table, and are not counted. Ports of
 * `net.ipv4.ip_local_reserved_ports` are never picked. Rejects as `readSocketTable()`.
 */
export async function ephemeralPorts(): Promise<EphemeralPorts> {
  return countEphemeralPorts(await readSocketTable({ protocol: 'tcp' }))
}

export function countEphemeralPorts(sockets: Iterable<SocketEntry>): EphemeralPorts {
  const { first, last } = ephemeralRange()
  const size = last - first + 1
  const used = new Set<number>()
  const waiting = new Set<number>()
  for (const { local, state } of sockets) {
    if (typeof local === 'string' || local.port < first || local.port > last) continue
    if (state === 'TIME_WAIT') waiting.add(local.port)
    else used.add(local.port)
  }
  const timeWait = [...waiting].filter((port) => !used.has(port)).length
  const reserved = reservedPorts().filter(
    (port) => port >= first && port <= last && !used.has(port) && !waiting.has(port),
  )
  return { first, last, size, inUse: used.size, timeWait, available: size - used.size - timeWait - reserved.length }
}

/** `8080,9100-9103` (Documentation/networking/ip-sysctl.rst). */
export function reservedPorts(source = '/proc/sys/net/ipv4/ip_local_reserved_ports'): number[] {
  try {
    const ranges = readFileSync(source, 'utf8').trim().split(',').filter(Boolean)
    return ranges.flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
  } catch {
    // Another system, or a kernel before 2.6.35.
    return []
  }
}
