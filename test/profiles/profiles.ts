import type { HostProfile } from 'portside'

/** Hosts like the CI machines of users, and some worse ones. */
export const PROFILES: Readonly<Record<string, HostProfile>> = {
  'dual-stack': {},
  'IPv4-only': { ipv6: false },
  'IPv6-only': { ipv4: false },
  'tiny-range': { ephemeralPorts: 1000 },
  'few-files': { openFiles: 128 },
}
