import type { HostProfile } from 'portside'

/** Hosts that CI machines of users are like, and some that are worse. */
export const PROFILES: Readonly<Record<string, HostProfile>> = {
  'dual-stack': {},
  'IPv4-only': { ipv6: false },
  'IPv6-only': { ipv4: false },
  'tiny-range': { ephemeralPorts: 1000 },
  'few-files': { openFiles: 128 },
}
