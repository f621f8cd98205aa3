import { readFileSync } from 'node:fs'

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * The ports from which the kernel picks for port 0 and for outgoing connections. Linux has them in `net.ipv4.ip_local_port_range`, for
 * both families and per network namespace (ip(7)). Elsewhere, and if it cannot be read, it is the range of IANA, which is the default
 * of macOS and Windows (RFC 6335 §6).
 */
export function ephemeralRange(platform: NodeJS.Platform = process.platform, source = RANGE): PortRange {
  if (platform !== 'linux' && platform !== 'android') return IANA
  try {
    const [first, last] = readFileSync(source, 'utf8').trim().split(/\s+/).map(Number)
    return Number.isInteger(first) && Number.isInteger(last) ? ({ first, last } as PortRange) : IANA
  } catch {
    // No /proc, as in a sandbox.
    return IANA
  }
}

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range'
const IANA: PortRange = { first: 49_152, last: 65_535 }
