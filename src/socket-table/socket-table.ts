import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { namesOf, readOptions } from '../options.js'
import { tableSource } from '../platform/table-source.js'
import { linuxSockets, readSocketTableLinux } from './linux.js'
import { readSocketTableMacos } from './macos.js'
import { type SocketEntry, type SocketFilter, STATES } from './socket-entry.js'
import { readSocketTableWindows } from './windows.js'

/**
 * The sockets of this host, as its kernel knows them: TCP, UDP and unix, of all processes. On Linux those of this network
 * namespace, from `/proc/net` (proc_pid_net(5)), with the pid looked up when it is asked for; on macOS what `lsof` shows to
 * this user; on Windows what `netstat -ano` shows, without unix sockets.
 *
 * The filter says what must fit, or is a function that tells. Where no pid is known, `hidden` says why: another user's
 * process cannot be looked into. Rejects with ERR_PORTSIDE_UNSUPPORTED where the system has no such table, or does not tell of
 * the `pid` of the filter, and with
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_SOCKET_BAD_PORT for a bad filter.
 */
export function readSocketTable(filter: SocketFilter | ((entry: SocketEntry) => boolean) = {}): Promise<SocketEntry[]> {
  return calledBy(readSocketTable, () => read(filter))
}

async function read(filter: SocketFilter | ((entry: SocketEntry) => boolean)): Promise<SocketEntry[]> {
  if (typeof filter === 'function') return (await read({})).filter((entry) => verdictOf(filter(entry)))
  const checked = checkFilter(filter)
  const { address } = checked
  const asked = address === undefined ? checked : { ...checked, address: address.replace(/^\0/, '@') }
  return tableSource() === 'proc' ? readSocketTableLinux(asked) : [...socketTable(asked)]
}

/** The same within the call. On Linux lazily, one entry after the other, listeners first. */
export function socketTable(filter: SocketFilter = {}): Iterable<SocketEntry> {
  return READERS[tableSource()](filter)
}

/** A promise is true, whatever it comes to. */
function verdictOf(verdict: unknown): boolean {
  const { then } = (verdict ?? {}) as { then?: unknown }
  if (typeof then !== 'function') return Boolean(verdict)
  Promise.resolve(verdict).catch(() => {})
  throw invalidArgument('ERR_INVALID_ARG_TYPE', 'filter', 'a function that returns true or false', verdict)
}

const SPEC = {
  of: 'readSocketTable()',
  names: namesOf<SocketFilter>()('protocol', 'state', 'address', 'port', 'pid'),
  example: "{ state: 'LISTEN' }",
}

function checkFilter(given: SocketFilter): SocketFilter {
  const filter = readOptions(given, SPEC)
  const { protocol, state, address, port, pid } = filter
  if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'protocol', "'tcp', 'udp' or 'unix'", protocol)
  }
  if (state !== undefined && !STATES.includes(state)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'state', `one of ${STATES.join(', ')}`, state)
  }
  if (address !== undefined && typeof address !== 'string') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'address', 'a string', address)
  }
  for (const [name, value] of Object.entries({ port, pid })) {
    if (value !== undefined && !Number.isInteger(value)) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an integer', value)
    }
  }
  if (pid !== undefined && pid < 1) throw invalidArgument('ERR_INVALID_ARG_VALUE', 'pid', 'a process id from 1', pid)
  if (port !== undefined && (port < 0 || port > 65_535)) {
    throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 0 to 65535', port)
  }
  return filter
}

const PROTOCOLS: ReadonlyArray<SocketEntry['protocol']> = ['tcp', 'udp', 'unix']

const READERS = { proc: linuxSockets, lsof: readSocketTableMacos, netstat: readSocketTableWindows } as const
