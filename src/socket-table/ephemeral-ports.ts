import { readFileSync } from 'node:fs'
import { ephemeralRange } from '../platform/ephemeral-range.js'
import type { SocketEntry } from './socket-entry.js'
import { readSocketTable } from './socket-table.js'

/**
 * The usage of the ephemeral range of this host.
 * @see `docs/socket-table.md#ephemeralports`
 */
export interface EphemeralPorts {
  /** The first port of the range. */
  readonly first: number
  /** The last port of the range. */
  readonly last: number
  /** The number of ports in the range. */
  readonly size: number
  /** TCP ports of the range that a socket has, on any address. TIME_WAIT does not count. */
  readonly inUse: number
  /** Ports that only the kernel has, in TIME_WAIT. */
  readonly timeWait: number
  /** Ports that are not in use and not reserved by the system. */
  readonly available: number
}

/**
 * Counts the TCP ports of the ephemeral range that are in use, of this host or network namespace.
 *
 * `available` is the number that is certainly left: each local address has its own ports, and a connect may share a port with a
 * connection to another peer (ip(7), ip_local_port_range). Sockets that are bound, but neither listen nor are connected, are in no
 * table and do not count. The kernel never picks ports of `net.ipv4.ip_local_reserved_ports`.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if the system has no table of sockets
 * @example
 * ```ts
 * import { ephemeralPorts, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const { first, last } = await ephemeralPorts()
 * expect(server.port).toBeGreaterThanOrEqual(first)
 * expect(server.port).toBeLessThanOrEqual(last)
 * ```
 * @see `docs/socket-table.md#ephemeralports`
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
