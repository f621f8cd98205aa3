import { existsSync } from 'node:fs'
import { portsideError } from '../errors.js'
import { ProcTable } from './proc-table.js'
import { fits, type SocketAddress, type SocketEntry, type SocketFilter, type SocketState } from './socket-entry.js'
import { SocketHolders } from './socket-holders.js'

/**
 * The sockets of this network namespace, from `/proc/net` (proc_pid_net(5)). Lazy: stopping early avoids reading the rest of the
 * table. Listeners come first. Unreadable lines are omitted. The holder of a socket is looked up on access. Throws
 * ERR_PORTSIDE_UNSUPPORTED if there is no such table, or this process may not inspect the process of the filter, and EMFILE if
 * no descriptor is left.
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

/** All sockets. It reads two tables at once, because the kernel's walk of its hash of connections takes most of the time. */
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
    // Not during a read.
    await Promise.all(ahead)
    for (const [, table] of opened) table.close()
  }
}

const open = ({ file }: Table, proc: string): ProcTable => new ProcTable(`${proc}/self/net/${file}`)

function noTable(proc: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot read the socket table',
    because: `${proc}/self/net has no table that this process may read: a sandbox, or a kernel without it`,
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
 * Linux lists listeners first (tcp_get_idx in net/ipv4/tcp_ipv4.c). gVisor lists sockets in no order, and does not have this file
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
  // A socket that moves within the kernel's table during the read may be listed twice.
  const seen = new Set<number>()
  for (const piece of table.pieces()) {
    let end = -1
    for (let start = 0; start < piece.length; start = end + 1) {
      end = piece.indexOf(LINE_END, start)
      const entry = parse(piece, start, end)
      if (entry === undefined) continue
      // With few connections, the kernel needs milliseconds to walk its whole hash to the next one.
      if (listenersFirst && protocol === 'tcp' && rest.state === 'LISTEN' && entry.state !== 'LISTEN') return
      if (!fits(entry, rest)) continue
      const { inode } = entry
      if (inodes !== undefined && !(inode !== undefined && inodes.has(inode))) continue
      if (inode !== undefined && seen.has(inode)) continue
      if (inode !== undefined) seen.add(inode)
      yield entry
    }
  }
}

/** Reads the line from `start` up to its line end. */
type Parse = (bytes: Buffer, start: number, end: number) => SocketEntry | undefined

/** A socket of the kernel. Its holder is a getter: the table has none, and the lookup costs more with each process of the host. */
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
 * `sl: local:port remote:port st tx_queue:rx_queue tr:when retrnsmt uid timeout inode`. An address is `0100007F`: 32-bit words in
 * the byte order of the machine. A port has the byte order of the network (Documentation/networking/proc_net_tcp.rst).
 *
 * The columns up to the queues have a fixed width, so each is read at its offset: a regular expression takes three times as long.
 */
function internetParser(protocol: 'tcp' | 'udp', holders: SocketHolders): Parse {
  const addresses = new Map<number | string, Omit<SocketAddress, 'port'>>()
  const end = (bytes: Buffer, at: number, width: number, port: number): SocketAddress | undefined => {
    const words = width === 8 ? hex(bytes, at, 8) : bytes.toString('latin1', at, at + width)
    let known = addresses.get(words)
    if (known === undefined) {
      const address = parseAddress(bytes.toString('latin1', at, at + width))
      if (address === undefined) return undefined
      known = { address, family: address.includes(':') ? 'IPv6' : 'IPv4' }
      addresses.set(words, known)
    }
    return { address: known.address, port, family: known.family }
  }
  return (bytes, start) => {
    const slotAt = skipBlanks(bytes, start)
    const slot = decimal(bytes, slotAt, COLON)
    const localAt = nextField(bytes, slotAt)
    const localWidth = widthOf(bytes, localAt)
    const remoteAt = localAt + localWidth + 6
    const remoteWidth = widthOf(bytes, remoteAt)
    const stateAt = remoteAt + remoteWidth + 6
    const peerPort = hex(bytes, remoteAt + remoteWidth + 1, 4)
    const state = hex(bytes, stateAt, 2)
    const sendQueue = hex(bytes, stateAt + 3, 8)
    const receiveQueue = hex(bytes, stateAt + 12, 8)
    const uidAt = nextField(bytes, nextField(bytes, stateAt + 21))
    const uid = decimal(bytes, uidAt)
    const inode = decimal(bytes, nextField(bytes, nextField(bytes, uidAt)))
    const local = end(bytes, localAt, localWidth, hex(bytes, localAt + localWidth + 1, 4))
    const remote = peerPort === 0 ? undefined : end(bytes, remoteAt, remoteWidth, peerPort)
    if (local === undefined || (remote === undefined && peerPort !== 0)) return undefined
    // NaN: one of them is not a number.
    if (Number.isNaN(slot + local.port + peerPort + state + sendQueue + receiveQueue + uid + inode)) return undefined
    return new KernelSocket(
      protocol,
      protocol === 'udp' && state === 7 ? 'UNCONN' : (STATES[state] ?? 'UNKNOWN'),
      local,
      remote,
      inode || undefined,
      // The kernel shows 0 for a socket without a process.
      inode === 0 ? undefined : uid,
      receiveQueue,
      sendQueue,
      holders,
    )
  }
}

const LINE_END = 0x0a
const BLANK = 0x20
const ZERO = 0x30
const COLON = 0x3a

/** The value of each digit, by its character code. */
const DIGITS = new Uint8Array(256).fill(255)
for (const [value, digit] of [...'0123456789ABCDEF'].entries()) DIGITS[digit.charCodeAt(0)] = value

/** The number of digits of an address: 8 for IPv4, 32 for IPv6. */
const widthOf = (bytes: Buffer, at: number): number => (bytes[at + 8] === COLON ? 8 : 32)

/** A number with this many hexadecimal digits; NaN if it contains another character. */
function hex(bytes: Buffer, at: number, digits: number): number {
  let value = 0
  for (let index = at; index < at + digits; index++) {
    const digit = DIGITS[bytes[index] as number] as number
    if (!(digit < 16)) return Number.NaN
    value = value * 16 + digit
  }
  return value
}

/** A decimal number that ends at the character `last`; NaN for anything else. */
function decimal(bytes: Buffer, at: number, last = BLANK): number {
  let index = at
  let value = 0
  for (;;) {
    const digit = (bytes[index] as number) - ZERO
    if (!(digit >= 0 && digit < 10)) break
    value = value * 10 + digit
    index++
  }
  return index > at && bytes[index] === last ? value : Number.NaN
}

/** The start of the next field. The line end is neither a blank nor part of a field. */
function nextField(bytes: Buffer, at: number): number {
  let index = at
  while ((bytes[index] as number) > BLANK) index++
  return skipBlanks(bytes, index)
}

function skipBlanks(bytes: Buffer, at: number): number {
  let index = at
  while (bytes[index] === BLANK) index++
  return index
}

/** include/net/tcp_states.h. Recent kernels use NEW_SYN_RECV (0C) internally for SYN_RECV. */
const STATES: Readonly<Record<number, SocketState>> = {
  1: 'ESTABLISHED',
  2: 'SYN_SENT',
  3: 'SYN_RECV',
  4: 'FIN_WAIT1',
  5: 'FIN_WAIT2',
  6: 'TIME_WAIT',
  7: 'CLOSE',
  8: 'CLOSE_WAIT',
  9: 'LAST_ACK',
  10: 'LISTEN',
  11: 'CLOSING',
  12: 'SYN_RECV',
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Undefined if it is not an address. */
function parseAddress(words: string): string | undefined {
  if (!/^[0-9A-F]+$/.test(words) || words.length % 8 > 0) return undefined
  const bytes = Buffer.from(words, 'hex')
  if (LITTLE_ENDIAN) bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  // ::ffff:0:0/96 is an IPv4 address of a dual-stack socket (ipv6(7)).
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
  return (bytes, start, end) => {
    const found = UNIX.exec(bytes.toString('latin1', start, end))
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

/** An abstract name as the user passed it: Node 20 pads it with NULs, and the kernel shows each as @ (unix(7)). */
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
