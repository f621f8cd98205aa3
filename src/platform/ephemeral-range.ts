import { readFileSync } from 'node:fs'

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * The ports among which the kernel picks for port 0 and for outgoing connections. Linux says it in
 * `net.ipv4.ip_local_port_range`, for both families and each network namespace (ip(7)); elsewhere, and where it cannot be
 * read, it is the range that IANA gives to such ports, which is the default of macOS and Windows (RFC 6335 §6).
 */
export function ephemeralRange(platform: NodeJS.Platform = process.platform, source = RANGE): PortRange {
  if (platform !== 'linux' && platform !== 'android') return IANA
  try {
    const [first, last] = readFileSync(source, 'utf8').trim().split(/\s+/).map(Number)
    return Number.isInteger(first) && Number.isInteger(last) ? ({ first, last } as PortRange) : IANA
  } catch {
    // No /proc: a sandbox. The kernel's choice is still its own.
    return IANA
  }
}

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range'
const IANA: PortRange = { first: 49_152, last: 65_535 }
