import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { namesOf, readOptions } from '../options.js'
import { tableSource } from '../platform/table-source.js'
import { linuxSockets, readSocketTableLinux } from './linux.js'
import { readSocketTableMacos } from './macos.js'
import { type SocketEntry, type SocketFilter, STATES } from './socket-entry.js'
import { readSocketTableWindows } from './windows.js'

/**
 * Reads the TCP, UDP and unix sockets of this host, of all processes and in every state.
 *
 * On Linux it reads `/proc/net` of this network namespace (proc_pid_net(5)), and finds the pid of an entry when you read it. On
 * macOS it reads the output of `lsof` for this user, on Windows the output of `netstat -ano`, which has no unix sockets. The filter
 * is an object whose fields must all match, or a function that returns true for entries to keep. If no pid is known, `hidden`
 * says why.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if the system has no such table, or this process may not inspect the `pid` of the filter
 * @throws ERR_INVALID_ARG_TYPE if the filter or one of its fields has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `protocol` or `state` is unknown, or `pid` is below 1
 * @throws ERR_SOCKET_BAD_PORT if `port` is not from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if the filter has an unknown field
 * @example
 * ```ts
 * import { listenTcp, readSocketTable } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const listeners = await readSocketTable({ state: 'LISTEN', port: server.port })
 * expect(listeners.map(({ local }) => local)).toEqual([server.endpoint])
 * ```
 * @see `docs/socket-table.md#readsockettable`
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

/** The same, synchronously. On Linux it yields entries lazily, listeners first. */
export function socketTable(filter: SocketFilter = {}): Iterable<SocketEntry> {
  return READERS[tableSource()](filter)
}

/** A promise is always truthy, so a filter that returns one is a mistake. */
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
