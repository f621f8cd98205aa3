import { isIP } from 'node:net'
import { formatEndpoint } from '../loopback/endpoint.js'
import { findOwners, type SocketOwner } from '../socket-table/owners.js'
import { table } from './table.js'
import { UsageError } from './usage-error.js'

/** Prints who holds a port or an endpoint; gives the exit code: 1 where nobody does, as lsof(8) does. */
export async function who(where: string, { json = false }: { json?: boolean }): Promise<number> {
  const owners = await findOwners(placeOf(where))
  if (json) process.stdout.write(`${JSON.stringify(owners.map(fields))}\n`)
  else if (owners.length === 0) process.stdout.write(`nobody has ${where}\n`)
  else process.stdout.write(table([HEADINGS, ...owners.map(row)]))
  return owners.length === 0 ? 1 : 0
}

const HEADINGS = ['PROTOCOL', 'STATE', 'ADDRESS', 'PID', 'PROGRAM', 'UID']

function placeOf(where: string): number | { host: string; port: number } {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(where) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  const wrong =
    digits === '' || port < 1 || port > 65_535 || host === '' || (bracketed !== undefined && isIP(bracketed) !== 6)
  if (wrong) {
    const expected = 'expected a port from 1 to 65535, or ADDR:PORT, with an IPv6 address in brackets'
    throw new UsageError(`portside who: ${expected}, got '${where}'`, 'portside who PORT|ADDR:PORT [--json]')
  }
  return host === undefined ? port : { host, port }
}

const row = ({ protocol, state, local, pid, program, hidden, uid }: SocketOwner): string[] => [
  protocol,
  state,
  typeof local === 'string' ? local : formatEndpoint(local),
  pid === undefined ? '-' : String(pid),
  program ?? (pid === undefined ? (hidden ?? '-') : '-'),
  uid === undefined ? '-' : String(uid),
]

/** Of an owner, without what is about this process: it is nobody whom the user means. */
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
