import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** Where a program runs: on the network of this host, or on its own network with few ports. */
export interface Network {
  readonly name: string
  /** The ports that the kernel picks for port 0 and for outgoing connections. */
  readonly range: readonly [first: number, last: number]
  /** The command that starts a program there. It precedes the program and its arguments. */
  readonly command: readonly string[]
  /** Why it is not possible here. */
  readonly why: string | undefined
}

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range'

export const ownNetwork: Network = { name: 'own ports', range: ownRange(), command: [], why: undefined }

/** A private network in which the kernel has this number of ports to pick from. */
export function privateNetwork(ports: number, { ipv6 = true } = {}): Network {
  const range = [FIRST, FIRST + ports - 1] as const
  const name = `range of ${ports}${ipv6 ? '' : ', no IPv6'}`
  return { name, range, command: enter(range, ipv6), why: whyNoPrivateNetwork }
}

/** Even, as the kernel expects: it treats even and odd ports differently. */
const FIRST = 40_000
const whyNoPrivateNetwork = probe()

function enter([first, last]: Network['range'], ipv6 = true): string[] {
  const without = ipv6 ? '' : 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && '
  const setUp = `ip link set lo up && ${without}echo ${first} ${last} >${RANGE} && exec "$@"`
  return ['unshare', '--user', '--map-root-user', '--net', '--', 'sh', '-c', setUp, 'sh']
}

/** Finds out by making one. */
function probe(): string | undefined {
  const [program = '', ...args] = [...enter([FIRST, FIRST + 999]), 'true']
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined) return `unshare cannot be started: ${error.message}`
  return status === 0 ? undefined : `no private network: ${stderr.trim() || `unshare exited with ${status}`}`
}

function ownRange(): [first: number, last: number] {
  // On other systems it is the range of IANA (RFC 6335 §6).
  if (!existsSync(RANGE)) return [49_152, 65_535]
  return readFileSync(RANGE, 'utf8').trim().split(/\s+/).map(Number) as [number, number]
}
