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

const START = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
