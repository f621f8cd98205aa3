import { readFileSync } from 'node:fs'

/**
 * The first port that every user may bind. Linux has it in `net.ipv4.ip_unprivileged_port_start`, per network namespace (ip(7)); Windows
 * has no privileged ports; elsewhere it is 1024.
 */
export function firstUnprivilegedPort(platform: NodeJS.Platform = process.platform, source = START): number {
  if (platform === 'win32') return 0
  if (platform !== 'linux' && platform !== 'android') return 1024
  try {
    const start = Number(readFileSync(source, 'utf8'))
    return Number.isInteger(start) ? start : 1024
  } catch {
    // Kernels before 4.11 have no such setting.
    return 1024
  }
}

/**
 * Whether every user may bind every port of this address, although it has privileged ports: xnu checks the privilege for a specific
 * address only (`in_pcbbind`, `in6_pcbbind`). Without an address Node binds a wildcard.
 */
export function everyUserMayBind(address: string | undefined, platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'darwin' && (address === undefined || address === '0.0.0.0' || address === '::')
}

const START = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
