import { codeOf } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import { findOwners, type SocketOwner } from '../socket-table/owners.js'
import type { Command } from './command.js'
import { placeIn } from './place.js'
import { table } from './table.js'
import { UsageError } from './usage-error.js'

export const whoCommand: Command<{ json?: boolean }> = {
  name: 'who',
  summary: 'Show which process holds a TCP or UDP port.',
  operands: {
    usage: 'PORT|ADDR:PORT',
    text: 'A port on any address, or on one: an IPv4 address, an IPv6 address in brackets, or a host name.',
    least: 1,
    most: 1,
  },
  options: [{ flag: 'json', text: 'Print a JSON array.', default: 'a table', key: 'json' }],
  examples: ['npx portside who 5432', 'npx portside who [::1]:3000 --json'],
  run: (options, [where = '']) => who(where, options),
}

/** Prints the sockets that hold a port or an endpoint. Returns 1 if it finds nothing, as lsof(8) does. Throws if the system does not answer. */
async function who(where: string, { json = false }: { json?: boolean }): Promise<number> {
  const place = placeOf(where)
  const owners = await findOwners(place).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOTFOUND' || typeof place === 'number') throw error
    throw new UsageError(`the host name '${place.host}' does not resolve`)
  })
  if (json) process.stdout.write(`${JSON.stringify(owners.map(fields))}\n`)
  else if (owners.length > 0) process.stdout.write(table([HEADINGS, ...owners.map(row)]))
  else process.stdout.write(`Nothing holds ${typeof place === 'number' ? `port ${place}` : where}.\n`)
  return owners.length === 0 ? 1 : 0
}

const HEADINGS = ['PROTOCOL', 'STATE', 'ADDRESS', 'PID', 'PROGRAM', 'UID']

function placeOf(where: string): number | { host: string; port: number } {
  const place = placeIn(where)
  if (place !== undefined) return place
  const expected = 'expected a port from 1 to 65535, or ADDR:PORT, with an IPv6 address in brackets'
  throw new UsageError(`${expected}, got '${where}'`)
}

const row = ({ protocol, state, local, pid, program, hidden, uid }: SocketOwner): string[] => [
  protocol,
  state,
  typeof local === 'string' ? local : formatEndpoint(local),
  pid === undefined ? '-' : String(pid),
  program ?? (pid === undefined ? (hidden ?? '-') : '-'),
  uid === undefined ? '-' : String(uid),
]

/** The fields of an owner, without those about this process: the user does not ask about `portside who`. */
const fields = ({ protocol, state, local, remote, pid, program, hidden, uid }: SocketOwner): object => ({
  protocol,
  state,
  local,
  remote,
  pid,
  program,
  hidden,
  uid,
})
