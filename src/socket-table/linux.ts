import { existsSync } from 'node:fs'
import { portsideError } from '../errors.js'
import { ProcTable } from './proc-table.js'
import { fits, type SocketAddress, type SocketEntry, type SocketFilter, type SocketState } from './socket-entry.js'
import { SocketHolders } from './socket-holders.js'

/**
 * The sockets of this network namespace, from `/proc/net` (proc_pid_net(5)), one by one: who stops early has read no more than
 * it needed. Listeners come first. Lines that cannot be read are left out. The holder of a socket is looked up when it is
 * asked for. Throws ERR_PORTSIDE_UNSUPPORTED where there is no such table, or the process
 * of the filter may not be looked into, and EMFILE where no descriptor is left.
 */
export function* linuxSockets(filter: SocketFilter = {}, proc = '/proc'): Generator<SocketEntry, void, void> {
  const holders = new SocketHolders(proc, filter.pid)
  const first = hasListenersFirst(proc)
  let found = false
  for (const table of tablesOf(filter)) {
    const lines = open(table, proc)
    found ||= lines.exists
    yield* socketsIn(table, lines, holders, filter, first)
  }
  if (!found) throw noTable(proc)
}

/** All of them, with two tables read at once: to look through the kernel's hash of connections takes most of the time. */
export async function readSocketTableLinux(filter: SocketFilter = {}, proc = '/proc'): Promise<SocketEntry[]> {
  const holders = new SocketHolders(proc, filter.pid)
  const first = hasListenersFirst(proc)
  const opened: Array<readonly [Table, ProcTable]> = []
  const ahead: Array<Promise<void>> = []
  try {
    for (const table of tablesOf(filter)) opened.push([table, open(table, proc)])
    if (!opened.some(([, { exists }]) => exists)) throw noTable(proc)
    for (const [, table] of opened.slice(1)) ahead.push(table.readAhead())
    const entries: SocketEntry[] = []
    for (const [index, [table, lines]] of opened.entries()) {
      if (index > 0) await ahead[index - 1]
      for (const entry of socketsIn(table, lines, holders, filter, first)) entries.push(entry)
    }
    return entries
  } finally {
    // Not while it is read from.
    await Promise.all(ahead)
    for (const [, table] of opened) table.close()
  }
}

const open = ({ file }: Table, proc: string): ProcTable => new ProcTable(`${proc}/self/net/${file}`)

function noTable(proc: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot read the socket table',
    because: `there is none in ${proc}/self/net that may be read: a sandbox, or a kernel without it`,
    next: 'skip the test with this reason',
  })
}

type Table = (typeof TABLES)[number]

const TABLES = [
  { file: 'tcp', protocol: 'tcp' },
  { file: 'tcp6', protocol: 'tcp' },
  { file: 'udp', protocol: 'udp' },
  { file: 'udp6', protocol: 'udp' },
  { file: 'unix', protocol: 'unix' },
] as const

const tablesOf = ({ protocol }: SocketFilter): readonly Table[] =>
  TABLES.filter((table) => protocol === undefined || table.protocol === protocol)

/**
 * Linux lists the listeners first (tcp_get_idx in net/ipv4/tcp_ipv4.c). gVisor lists them in no order, and has no such file
 * (pkg/sentry/fsimpl/proc/task_net.go).
 */
const hasListenersFirst = (proc: string): boolean => existsSync(`${proc}/self/net/sockstat`)

function* socketsIn(
  { protocol }: Table,
  table: ProcTable,
  holders: SocketHolders,
  filter: SocketFilter,
  listenersFirst: boolean,
): Generator<SocketEntry, void, void> {
  const { pid, ...rest } = filter
  const inodes = pid === undefined ? undefined : holders.inodesOfFirst()
  const parse = protocol === 'unix' ? unixParser(holders) : internetParser(protocol, holders)
  // One that moves in the kernel's table while that is read may be there twice.
  const seen = new Set<number>()
  for (const line of table.lines()) {
    const entry = parse(line)
    if (entry === undefined) continue
    // To find the next connection, the kernel looks through all buckets of its hash: milliseconds where there are few.
    if (listenersFirst && protocol === 'tcp' && rest.state === 'LISTEN' && entry.state !== 'LISTEN') return
    if (!fits(entry, rest)) continue
    const { inode } = entry
    if (inodes !== undefined && !(inode !== undefined && inodes.has(inode))) continue
    if (inode !== undefined && seen.has(inode)) continue
    if (inode !== undefined) seen.add(inode)
    yield entry
  }
}

type Parse = (line: string) => SocketEntry | undefined

/** A socket of the kernel. Its holder is not in the table: that costs as much as there are processes, and few ask. */
class KernelSocket implements SocketEntry {
  readonly #holders: SocketHolders
  constructor(
    readonly protocol: SocketEntry['protocol'],
    readonly state: SocketState,
    readonly local: SocketAddress | string,
    readonly remote: SocketAddress | undefined,
    readonly inode: number | undefined,
    readonly uid: number | undefined,
    readonly receiveQueue: number | undefined,
    readonly sendQueue: number | undefined,
    holders: SocketHolders,
  ) {
    this.#holders = holders
  }
  get pid(): number | undefined {
    return this.#holders.holderOf(this).pid
  }
  get program(): string | undefined {
    return this.#holders.holderOf(this).program
  }
  get hidden(): string | undefined {
    return this.#holders.holderOf(this).hidden
  }
  toJSON(): SocketEntry {
    return { ...this, pid: this.pid, program: this.program, hidden: this.hidden }
  }
  [Symbol.for('nodejs.util.inspect.custom')](): SocketEntry {
    return this.toJSON()
  }
}

/**
 * `0100007F:1F90`: 32-bit words in the byte order of the machine, the port in that of the network
 * (Documentation/networking/proc_net_tcp.rst).
 */
const END = '([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4})'
const INTERNET = new RegExp(
  `^ *\\d+: ${END} ${END} ([0-9A-F]{2}) ([0-9A-F]{8}):([0-9A-F]{8}) [0-9A-F:]+ [0-9A-F]+ +(\\d+) +\\d+ (\\d+) `,
)

function internetParser(protocol: 'tcp' | 'udp', holders: SocketHolders): Parse {
  const addresses = new Map<string, Omit<SocketAddress, 'port'>>()
  const end = (words: string, port: string): SocketAddress => {
    let known = addresses.get(words)
    if (known === undefined) {
      const address = parseAddress(words)
      known = { address, family: address.includes(':') ? 'IPv6' : 'IPv4' }
      addresses.set(words, known)
    }
    return { address: known.address, port: Number.parseInt(port, 16), family: known.family }
  }
  return (line) => {
    const found = INTERNET.exec(line) as string[] | null
    if (found === null) return undefined
    const [, address, port, peer, peerPort, state, sendQueue, receiveQueue, uid, inode] = found as [...Ten]
    return new KernelSocket(
      protocol,
      protocol === 'udp' && state === '07' ? 'UNCONN' : (STATES[state] ?? 'UNKNOWN'),
      end(address, port),
      peerPort === '0000' ? undefined : end(peer, peerPort),
      Number(inode) || undefined,
      // Of a socket that no process has the kernel shows 0.
      inode === '0' ? undefined : Number(uid),
      queueOf(receiveQueue),
      queueOf(sendQueue),
      holders,
    )
  }
}

const queueOf = (hex: string): number => (hex === '00000000' ? 0 : Number.parseInt(hex, 16))

type Ten = [string, string, string, string, string, string, string, string, string, string]

/** include/net/tcp_states.h. NEW_SYN_RECV (0C) is how recent kernels hold what is SYN_RECV to everybody else. */
const STATES: Readonly<Record<string, SocketState>> = {
  '01': 'ESTABLISHED',
  '02': 'SYN_SENT',
  '03': 'SYN_RECV',
  '04': 'FIN_WAIT1',
  '05': 'FIN_WAIT2',
  '06': 'TIME_WAIT',
  '07': 'CLOSE',
  '08': 'CLOSE_WAIT',
  '09': 'LAST_ACK',
  '0A': 'LISTEN',
  '0B': 'CLOSING',
  '0C': 'SYN_RECV',
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function parseAddress(words: string): string {
  const bytes = Buffer.from(words, 'hex')
  if (LITTLE_ENDIAN) bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  // ::ffff:0:0/96, an IPv4 peer or address of a dual-stack socket (ipv6(7)).
  if (bytes.readUInt32BE(0) === 0 && bytes.readUInt32BE(4) === 0 && bytes.readUInt32BE(8) === 0xffff) {
    return bytes.subarray(12).join('.')
  }
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** `Num: RefCount Protocol Flags Type St Inode Path` (proc_pid_net(5)). */
const UNIX = /^[0-9a-fA-F]+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) [0-9A-F]{4} ([0-9A-F]{2}) +(\d+)(?: (.*))?$/s
const ACCEPTS = 0x10000

function unixParser(holders: SocketHolders): Parse {
  return (line) => {
    const found = UNIX.exec(line)
    if (found === null) return undefined
    const [, flags = '', state = '', inode = '', path = ''] = found
    const listens = (Number.parseInt(flags, 16) & ACCEPTS) !== 0
    return new KernelSocket(
      'unix',
      listens ? 'LISTEN' : (UNIX_STATES[state] ?? 'UNKNOWN'),
      unfilled(Buffer.from(path, 'latin1').toString()),
      undefined,
      Number(inode) || undefined,
      undefined,
      undefined,
      undefined,
      holders,
    )
  }
}

/** An abstract name as it was given: Node 20 fills it up with NULs, each of which the kernel shows as @ (unix(7)). */
const unfilled = (name: string): string =>
  name.startsWith('@') && Buffer.byteLength(name) === LONGEST_NAME ? name.replace(/@+$/, '') : name

/** `sun_path`, in bytes. */
const LONGEST_NAME = 108

/** include/uapi/linux/net.h */
const UNIX_STATES: Readonly<Record<string, SocketState>> = {
  '01': 'UNCONN',
  '02': 'SYN_SENT',
  '03': 'ESTABLISHED',
  '04': 'CLOSING',
}
