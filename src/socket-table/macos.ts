import { codeOf, portsideError } from '../errors.js'
import { outputOf } from '../platform/output-of.js'
import { socketAddress, splitEnd } from './socket-address.js'
import { fits, type SocketAddress, type SocketEntry, type SocketFilter, type SocketState } from './socket-entry.js'

/**
 * The sockets of the processes that this user may inspect, from lsof(8). Sockets of other users' processes are missing unless root
 * asks. Sockets without a process, such as TIME_WAIT, are always missing. So a port that is missing may still be taken. lsof does
 * not show whether a unix socket with a path listens, so its state is `UNKNOWN`.
 */
export function readSocketTableMacos(filter: SocketFilter = {}, program = 'lsof'): SocketEntry[] {
  return parseLsof(runLsof(program, selectionOf(filter))).filter((entry) => fits(entry, filter))
}

/**
 * Reads the output of `lsof -F` in the C locale, with fields that end with NUL or newline, as latin1. A socket that several
 * descriptors share is listed once; this process comes first. Unreadable or incomplete entries, and sockets without a port, are
 * omitted.
 */
export function parseLsof(output: string, self = process.pid): SocketEntry[] {
  const sockets = new Map<string | symbol, SocketEntry>()
  let holder: Holder | undefined
  for (const fields of setsOf(output)) {
    if (fields.has('p')) holder = holderOf(fields)
    const entry = holder && entryOf(fields, holder)
    if (entry === undefined) continue
    const identity = identityOf(fields)
    if (!sockets.has(identity) || entry.pid === self) sockets.set(identity, entry)
  }
  return [...sockets.values()]
}

/** lsof selects by a port of either end; `fits` then checks the local one. */
function selectionOf({ protocol, port }: SocketFilter): string[] {
  if (protocol === 'unix') return ['-U']
  const service = port !== undefined && isPort(port) ? `:${port}` : ''
  const internet = `-i${protocol?.toUpperCase() ?? ''}${service}`
  return internet === '-i' ? [internet, '-U'] : [internet]
}

/** Numbers instead of names, no warnings, and each set of fields on its own line. */
function runLsof(program: string, selection: readonly string[]): string {
  try {
    const env = { ...process.env, LC_ALL: 'C' }
    return outputOf(program, ['-nPw', ...selection, '-FpcutdPnT0'], { encoding: 'latin1', env })
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number | null; stdout: string | null; stderr: string | null }
    // Status 1 without a message: it has not found everything that it was asked for (lsof(8), DIAGNOSTICS).
    if (status === 1 && (stdout || !stderr)) return stdout ?? ''
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot read the socket table',
      because:
        codeOf(error) === 'ENOENT'
          ? `there is no program ${program} in PATH`
          : `lsof failed: ${(stderr || (error as Error).message).split('\n')[0]}`,
      next: 'make sure that lsof runs: macOS has it in /usr/sbin, which must be in PATH',
      cause: error,
    })
  }
}

interface Holder {
  readonly pid: number
  readonly program: string | undefined
  readonly uid: number | undefined
}

/** The fields of one process or descriptor, by their letter. `T` occurs several times, so its key has its name: `TST`. */
type Fields = ReadonlyMap<string, string>

/**
 * `p` begins a process, `f` one of its descriptors (lsof(8), OUTPUT FOR OTHER PROGRAMS). The text after the last line end is
 * incomplete.
 */
function* setsOf(output: string): Generator<Fields, void, void> {
  const sets = (output.includes('\0') ? output : output.replace(/\n(?=[^pf])/g, '\0')).split('\n')
  sets.pop()
  for (const set of sets) {
    yield new Map(
      set.split('\0').map((field) => {
        const length = field.startsWith('T') ? field.indexOf('=') : 1
        return [field.slice(0, length), field.slice(length).replace(/^=/, '')]
      }),
    )
  }
}

function holderOf(fields: Fields): Holder | undefined {
  const pid = numberOf(fields.get('p'))
  const program = decode(fields.get('c') ?? '')
  if (pid === undefined) return undefined
  return {
    pid,
    program: program === '' || program === '(unknown)' ? undefined : program,
    uid: numberOf(fields.get('u')),
  }
}

/** The address of its control block in the kernel, which is the same for all its descriptors. */
function identityOf(fields: Fields): string | symbol {
  const device = fields.get('d')
  return device === undefined || /^0x0*$/.test(device) ? Symbol() : [device, fields.get('P'), fields.get('n')].join(' ')
}

function entryOf(fields: Fields, holder: Holder): SocketEntry | undefined {
  const type = fields.get('t')
  if (type === 'unix') return unixEntry(fields, holder)
  return type === 'IPv4' || type === 'IPv6' ? internetEntry(fields, type, holder) : undefined
}

function internetEntry(fields: Fields, family: SocketAddress['family'], holder: Holder): SocketEntry | undefined {
  const protocol = PROTOCOLS.get(fields.get('P') ?? '')
  const [here = '', there = NOBODY] = (fields.get('n') ?? '').split('->')
  const local = parseEnd(here, family)
  const remote = there === NOBODY ? undefined : parseEnd(there, family)
  if (protocol === undefined || local === undefined || (remote === undefined && there !== NOBODY)) return undefined
  const state =
    protocol === 'tcp' ? (STATES.get(fields.get('TST') ?? '') ?? 'UNKNOWN') : remote ? 'ESTABLISHED' : 'UNCONN'
  return {
    protocol,
    state,
    local,
    remote,
    uid: holder.uid,
    // lsof counts bytes for a listener too, and not its accept queue.
    receiveQueue: state === 'LISTEN' ? undefined : numberOf(fields.get('TQR')),
    sendQueue: numberOf(fields.get('TQS')),
    pid: holder.pid,
    program: holder.program,
  }
}

/** The name is a path, or the address of the peer's control block if there is no path (lsof's dialects/darwin/dsock.c). */
function unixEntry(fields: Fields, { pid, program, uid }: Holder): SocketEntry | undefined {
  const name = fields.get('n')
  if (name === undefined) return undefined
  const named = !/^(->|no address$|unknown sun_family )/.test(name)
  return {
    protocol: 'unix',
    state: name === '->(none)' ? 'UNCONN' : name.startsWith('->') ? 'ESTABLISHED' : 'UNKNOWN',
    local: named ? decode(name) : '',
    uid,
    pid,
    program,
  }
}

const PROTOCOLS: ReadonlyMap<string, 'tcp' | 'udp'> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
])
const NOBODY = '*:*'

/** The states of xnu (bsd/netinet/tcp_fsm.h). lsof(8) spells SYN_RCVD as SYN_RCDV. */
const STATES: ReadonlyMap<string, SocketState> = new Map([
  ['CLOSED', 'CLOSE'],
  ['LISTEN', 'LISTEN'],
  ['SYN_SENT', 'SYN_SENT'],
  ['SYN_RCVD', 'SYN_RECV'],
  ['SYN_RCDV', 'SYN_RECV'],
  ['ESTABLISHED', 'ESTABLISHED'],
  ['CLOSE_WAIT', 'CLOSE_WAIT'],
  ['FIN_WAIT_1', 'FIN_WAIT1'],
  ['CLOSING', 'CLOSING'],
  ['LAST_ACK', 'LAST_ACK'],
  ['FIN_WAIT_2', 'FIN_WAIT2'],
  ['TIME_WAIT', 'TIME_WAIT'],
])

/** lsof prints `*` for the wildcard of either family. */
function parseEnd(text: string, family: SocketAddress['family']): SocketAddress | undefined {
  const { host, port } = splitEnd(text) ?? {}
  if (host === undefined || port === undefined) return undefined
  if (host === '*') return { address: family === 'IPv6' ? '::' : '0.0.0.0', port, family }
  return socketAddress(zoned(host), port)
}

/**
 * A link-local address with its zone at the end. The kernel keeps the index of the zone in the second group (in6_setscope in
 * xnu's bsd/netinet6/scope6.c), and lsof prints it there.
 */
function zoned(address: string): string {
  return address.replace(
    /^fe80:([0-9a-f]+)(::.+)$/i,
    (_, zone: string, rest: string) => `fe80${rest}%${Number.parseInt(zone, 16)}`,
  )
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536

const numberOf = (text = ''): number | undefined =>
  /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined

/** In the C locale lsof escapes backslashes and everything that is not printable ASCII (safestrprt in its misc.c). */
function decode(text: string): string {
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (escaped, byte?: string, letter?: string) =>
    byte === undefined ? (ESCAPES[letter ?? ''] ?? escaped) : String.fromCharCode(Number.parseInt(byte, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
