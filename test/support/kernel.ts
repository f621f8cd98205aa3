import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import timers from 'node:timers'
import { isMainThread } from 'node:worker_threads'
import { afterEach, beforeEach, it, type TestContext } from 'vitest'
import { skipHere } from './skip-here.js'

// Independent of src/, because the package must not check itself. Linux only, without privileges (proc(5)).

/** An open socket of this process. */
export interface OpenSocket {
  readonly fd: number
  readonly inode: number
}

/** A line of /proc/self/net/tcp or tcp6. Sockets without an owner, such as TIME_WAIT, have inode 0. */
export interface TcpEntry {
  readonly state: string
  readonly local: { readonly address: string; readonly port: number }
  readonly remote: { readonly address: string; readonly port: number }
  readonly inode: number
  /** Unread bytes. For a listener, the connections in its accept queue. */
  readonly receiveQueue: number
  /** Unacknowledged bytes. */
  readonly sendQueue: number
}

const FD = '/proc/self/fd'
const missing = whyMissing()

/** Skips the test, with the reason, if the kernel has no /proc. */
export function needsKernel(context: TestContext): void {
  if (missing !== undefined) context.skip(missing)
}

/** The open sockets of this process. */
export function openSockets(): OpenSocket[] {
  return readdirSync(FD).flatMap((name) => {
    const inode = inodeOf(name)
    return inode === undefined ? [] : [{ fd: Number(name), inode }]
  })
}

/** All TCP sockets of this network namespace, or those with this port at either end. */
export function tcpEntries(port?: number): TcpEntry[] {
  const entries = [...tableOf('tcp'), ...tableOf('tcp6')].map(parseTcp)
  return port === undefined
    ? entries
    : entries.filter(({ local, remote }) => local.port === port || remote.port === port)
}

/** The number of completed connections that have not been accepted. */
export function acceptQueueLength(port: number): number {
  const listeners = tcpEntries(port).filter(({ state, local }) => state === 'LISTEN' && local.port === port)
  return listeners.reduce((sum, { receiveQueue }) => sum + receiveQueue, 0)
}

/** The connections with this port, without listeners. */
export function tracesOf(port: number): string[] {
  return tcpEntries(port)
    .filter(({ state }) => state !== 'LISTEN')
    .map(formatEntry)
}

/**
 * Records the sockets of a port. The returned function returns the sockets added since then. Without the tables of the
 * kernel, that function ends the test as skipped. The test has checked everything before it.
 */
export function watchPort(port: number): () => string[] {
  if (missing !== undefined) return () => skipHere(`all before the list of sockets is as expected, but ${missing}`)
  const before = new Set(tracesOf(port))
  return () => tracesOf(port).filter((trace) => !before.has(trace))
}

/**
 * Checks each test of a file: it must not end with more open sockets than it began with. `lingers`: a wait leaves a connection
 * to a program, which has up to a second to close it.
 */
export function leavesNothingOpen({ lingers = false } = {}): void {
  if (missing !== undefined) {
    it('leaves no socket open', (context) => context.skip(missing))
    return
  }
  let before = new Set<number>()
  beforeEach(() => {
    before = new Set(openSockets().map(({ inode }) => inode))
  })
  afterEach(async ({ task }) => {
    // A failed test has not reached its own clean-up.
    if (task.result?.state === 'fail') return
    for (let turns = 0; turns < TURNS; turns++) await turn()
    const leftNow = () => openSockets().filter(({ inode }) => !before.has(inode))
    let left = leftNow()
    for (const limit = now() + LINGERS; lingers && left.length > 0 && now() < limit; left = leftNow()) await turn()
    if (left.length === 0) return
    throw new Error(`${left.length} socket(s) left open by this test:\n${left.map(describe).join('\n')}`)
  })
}

/** A socket leaves the process when libuv has run its close callback. That takes one turn. */
const TURNS = 4
/** Milliseconds, longer than a wait allows a program. */
const LINGERS = 2000
const { setImmediate } = timers
const { bigint: nanoseconds } = process.hrtime
const now = (): number => Number(nanoseconds()) / 1e6
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** include/net/tcp_states.h */
const STATES = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
]

function whyMissing(): string | undefined {
  // A thread shares the descriptors of the whole process, which includes other test files.
  if (!isMainThread) return 'the descriptors of worker threads cannot be distinguished'
  try {
    readdirSync(FD)
    tableOf('tcp')
    return undefined
  } catch (error) {
    return `the kernel's tables cannot be read here: ${(error as Error).message}`
  }
}

function inodeOf(fd: string): number | undefined {
  try {
    const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${FD}/${fd}`))
    return match === null ? undefined : Number(match[1])
  } catch {
    // ENOENT: this was the descriptor of the listed directory, which is closed now.
    return undefined
  }
}

function tableOf(name: 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix'): string[] {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8').trim().split('\n').slice(1)
  } catch (error) {
    // A host without IPv6 has no table for it.
    if (name.endsWith('6') && (error as { code?: string }).code === 'ENOENT') return []
    throw error
  }
}

function parseTcp(line: string): TcpEntry {
  const [, local = '', remote = '', state = '', queues = '', , , , , inode = ''] = line.trim().split(/\s+/)
  const [sendQueue = '', receiveQueue = ''] = queues.split(':')
  return {
    state: STATES[Number.parseInt(state, 16)] ?? state,
    local: parseEndpoint(local),
    remote: parseEndpoint(remote),
    inode: Number(inode),
    receiveQueue: Number.parseInt(receiveQueue, 16),
    sendQueue: Number.parseInt(sendQueue, 16),
  }
}

/** `0100007F:1F90`: 32-bit words in the byte order of the machine, and the port in network byte order. */
function parseEndpoint(text: string): { address: string; port: number } {
  const [words = '', port = ''] = text.split(':')
  const bytes = Buffer.from(words, 'hex')
  if (LITTLE_ENDIAN) bytes.swap32()
  return { address: bytes.length === 4 ? bytes.join('.') : formatIPv6(bytes), port: Number.parseInt(port, 16) }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function formatIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function formatEntry({ state, local, remote }: TcpEntry): string {
  return `${state} ${formatEnd(local)} -> ${formatEnd(remote)}`
}

function formatEnd({ address, port }: { address: string; port: number }): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

function describe({ fd, inode }: OpenSocket): string {
  return `  fd ${fd}, inode ${inode}: ${whatIs(inode)}`
}

function whatIs(inode: number): string {
  const tcp = tcpEntries().find((entry) => entry.inode === inode)
  if (tcp !== undefined) return `tcp ${formatEntry(tcp)}`
  const unix = tableOf('unix').find((line) => line.trim().split(/\s+/)[6] === String(inode))
  if (unix !== undefined) return `unix ${unix.trim().split(/\s+/)[7] ?? '(unnamed)'}`
  const udp = [...tableOf('udp'), ...tableOf('udp6')].map(parseTcp).find((entry) => entry.inode === inode)
  if (udp !== undefined) return `udp ${formatEnd(udp.local)}`
  return 'in no table of the kernel: neither bound nor connected'
}
