import { readFileSync } from 'node:fs'
import { outputOf } from './output-of.js'

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * The ports from which the kernel picks for port 0 and for outgoing connections. Linux has them in `net.ipv4.ip_local_port_range`, for
 * both families and per network namespace (ip(7)); macOS and FreeBSD in `net.inet.ip.portrange` (ip(4)); OpenBSD in `net.inet.ip.portfirst`
 * and `portlast` (sysctl(2)); Windows in its dynamic ports.
 * If they cannot be read, it is the range of IANA, which is the default of macOS and Windows (RFC 6335 §6).
 */
export function ephemeralRange(platform: NodeJS.Platform = process.platform, source = RANGE): PortRange {
  if (platform === 'linux' || platform === 'android') return rangeIn(source)
  if (!(platform in PROGRAMS)) return IANA
  // Once per process, because each answer costs a process.
  const known = answers.get(platform)
  if (known !== undefined) return known
  const answer = askedRange(platform)
  answers.set(platform, answer)
  return answer
}

const answers = new Map<NodeJS.Platform, PortRange>()

/** The range from the program of a system. The range of IANA if the program fails or says something else. */
export function askedRange(
  platform: NodeJS.Platform,
  run: (program: string, args: readonly string[]) => string = start,
): PortRange {
  const [program = '', ...args] = PROGRAMS[platform] ?? []
  try {
    // Two numbers at the ends of lines: the words around them are in the language of the system.
    const [first = 0, second = 0] = Array.from(run(program, args).matchAll(/(\d+)\s*$/gm), ([, number]) =>
      Number(number),
    )
    const last = platform === 'win32' ? first + second - 1 : second
    return first > 0 && last >= first && last <= 65_535 ? { first, last } : IANA
  } catch {
    // There is no such program, or this process may not run it.
    return IANA
  }
}

/** Each prints one number a line: first and last, or first and count. */
const PROGRAMS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['/usr/sbin/sysctl', '-n', 'net.inet.ip.portrange.first', 'net.inet.ip.portrange.last'],
  freebsd: ['/sbin/sysctl', '-n', 'net.inet.ip.portrange.first', 'net.inet.ip.portrange.last'],
  openbsd: ['/sbin/sysctl', '-n', 'net.inet.ip.portfirst', 'net.inet.ip.portlast'],
  win32: ['netsh.exe', 'int', 'ipv4', 'show', 'dynamicport', 'tcp'],
}

/** The setting of the range, as a hint names it. */
export function rangeSetting(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return 'netsh int ipv4 set dynamicport tcp'
  if (platform === 'openbsd') return 'net.inet.ip.portfirst and portlast'
  if (platform === 'darwin' || platform === 'freebsd') return 'net.inet.ip.portrange.first and last'
  return 'net.ipv4.ip_local_port_range'
}

function start(program: string, args: readonly string[]): string {
  const { SystemRoot } = process.env
  // The full path, because Windows looks for a bare name in the current directory too.
  const path = program === 'netsh.exe' && SystemRoot ? `${SystemRoot}\\System32\\${program}` : program
  return outputOf(path, args, { encoding: 'latin1' })
}

function rangeIn(source: string): PortRange {
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
