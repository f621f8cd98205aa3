import { win32 } from 'node:path'
import { codeOf, portsideError } from '../errors.js'
import { outputOf } from '../platform/output-of.js'
import { socketAddress, splitEnd } from './socket-address.js'
import { fits, type SocketAddress, type SocketEntry, type SocketFilter, type SocketState } from './socket-entry.js'

/**
 * The TCP and UDP sockets of all processes from `netstat`, and the names of those processes from `tasklist`. There are no unix
 * sockets, named pipes, users or queues. If the language of Windows is not English, some states have localized names. These are
 * `UNKNOWN`, except that of a listener, which has no peer, and TIME_WAIT, which has a peer and no process.
 */
export function readSocketTableWindows(filter: SocketFilter = {}): SocketEntry[] {
  const entries = parseNetstat(run('netstat', ['-ano'])).filter((entry) => fits(entry, filter))
  if (!entries.some(({ pid }) => pid !== undefined)) return entries
  const programs = parseTasklist(listProcesses())
  return entries.map((entry) => ({ ...entry, program: entry.pid === undefined ? undefined : programs.get(entry.pid) }))
}

/**
 * Reads the socket lines of `netstat -ano`, and omits other and incomplete lines. It recognizes them by their shape, because headings
 * and states are in the language of the system and the code page of its console.
 */
export function parseNetstat(output: string): SocketEntry[] {
  return wholeLines(output).flatMap((line) => parseSocket(line) ?? [])
}

/** Reads the lines of `tasklist /FO CSV /NH`: the name of each process, by its pid. */
export function parseTasklist(output: string): Map<number, string> {
  const programs = new Map<number, string>()
  for (const line of wholeLines(output)) {
    const [, name = '', digits = ''] = /^"((?:[^"]|"")+)","(\d{1,10})",/.exec(line) ?? []
    if (name !== '') programs.set(Number(digits), name.replaceAll('""', '"'))
  }
  return programs
}

function listProcesses(): string {
  try {
    return run('tasklist', ['/FO', 'CSV', '/NH'])
  } catch {
    // The sockets are listed without the names.
    return ''
  }
}

function run(name: string, args: readonly string[]): string {
  const { SystemRoot } = process.env
  // The full path, because Windows looks for a bare name in the current directory too:
  // https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw
  const program = SystemRoot ? win32.join(SystemRoot, 'System32', `${name}.exe`) : name
  try {
    return outputOf(program, args, { encoding: 'utf8' })
  } catch (error) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot read the socket table',
      because: codeOf(error) === 'ENOENT' ? `there is no program ${program}` : (error as Error).message,
      next: `make sure that ${name} runs`,
      cause: error,
    })
  }
}

/** The text after the last line end is incomplete. */
const wholeLines = (output: string): string[] => output.split(/\r?\n/).slice(0, -1)

/** `Proto  Local Address  Foreign Address  State  PID`, where UDP has no state. */
const SOCKET = /^ *(TCP|UDP) +(\S+) +(\S+) +(?:(\S.*?) +)?(\d{1,10}) *$/

function parseSocket(line: string): SocketEntry | undefined {
  const [, type, here = '', there = '', word = '', digits] = SOCKET.exec(line) ?? []
  const local = parseEnd(here)
  const remote = NOBODY.has(there) ? undefined : parseEnd(there)
  if (local === undefined || (remote === undefined && !NOBODY.has(there))) return undefined
  const pid = Number(digits)
  const tcp = type === 'TCP'
  // A connection that no process has is in TIME_WAIT, in any language.
  const unnamed = remote === undefined ? 'LISTEN' : pid === 0 ? 'TIME_WAIT' : 'UNKNOWN'
  const state = tcp ? (STATES.get(word) ?? unnamed) : remote ? 'ESTABLISHED' : 'UNCONN'
  return {
    protocol: tcp ? 'tcp' : 'udp',
    state,
    local,
    remote,
    // Pid 0 is the System Idle Process, which has no sockets.
    ...(pid === 0 ? { hidden: state === 'TIME_WAIT' ? `${GONE}: the kernel keeps it in TIME_WAIT` : GONE } : { pid }),
  }
}

const NOBODY: ReadonlySet<string> = new Set(['*:*', '0.0.0.0:0', '[::]:0'])
const GONE = 'no process has it any more'

/** The states of MIB_TCPROW (https://learn.microsoft.com/en-us/windows/win32/api/tcpmib/ns-tcpmib-mib_tcprow_lh). */
const STATES: ReadonlyMap<string, SocketState> = new Map([
  ['BOUND', 'CLOSE'],
  ['CLOSED', 'CLOSE'],
  ['LISTENING', 'LISTEN'],
  ['SYN_SENT', 'SYN_SENT'],
  ['SYN_RECEIVED', 'SYN_RECV'],
  ['ESTABLISHED', 'ESTABLISHED'],
  ['FIN_WAIT_1', 'FIN_WAIT1'],
  ['FIN_WAIT_2', 'FIN_WAIT2'],
  ['CLOSE_WAIT', 'CLOSE_WAIT'],
  ['CLOSING', 'CLOSING'],
  ['LAST_ACK', 'LAST_ACK'],
  ['TIME_WAIT', 'TIME_WAIT'],
])

function parseEnd(text: string): SocketAddress | undefined {
  const end = splitEnd(text)
  return end && socketAddress(end.host, end.port)
}
