import { codeOf, portsideError } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import { ephemeralRange } from '../platform/ephemeral-range.js'
import { describeErrno } from '../platform/errno.js'
import { describeOwner } from '../socket-table/owners.js'
import { list } from './describe.js'
import { explainFailure } from './explain.js'
import { openedAt } from './opened-at.js'
import { failuresIn, type SocketFailure } from './socket-failure.js'

/**
 * The error of portside for an error of the system: it keeps the code and adds the explanation of `explainSocketError()`. It reads
 * the kernel's table at most once, so a loop over candidates calls it for the last failure only. `asked` names the operation:
 * 'listen on 127.0.0.1:3000'.
 */
export function thrown(cause: unknown, asked: string): Error {
  const code = codeOf(cause)
  // An error of portside is already explained.
  if (code === undefined || isExplained(cause)) return cause as Error
  const headline = `Cannot ${asked}: ${code} (${describeErrno(code) ?? (cause as Error).message})`
  const [failure] = failuresIn(cause)
  if (failure === undefined) return portsideError(code, { headline, cause })
  const { kind, cause: reason, owners, hints } = explainFailure(failure)
  const held = kind === 'conflict' && owners.length > 0 ? list(owners.map(describeOwner)) : undefined
  const own = held === undefined ? undefined : owners.find(({ thisProcess }) => thisProcess)
  const error = portsideError(code, {
    headline,
    because: held === undefined ? reason : undefined,
    owner: held,
    openedAt: own && openedAt(own.local),
    next: [own === undefined ? hints[0] : closeFirst(failure), held && againIn(failure)].filter(Boolean).join('; '),
    cause,
  })
  return Object.assign(error, { kind, owners })
}

const closeFirst = ({ path }: SocketFailure): string =>
  `close that socket first and await it, or leave the ${path === undefined ? 'port' : 'path'} out`

/** The kernel may give a fixed port of the ephemeral range to an outgoing connection again. */
function againIn({ port }: SocketFailure): string | undefined {
  const { first, last } = ephemeralRange()
  if (!port || port < first || port > last) return undefined
  return `port ${port} lies in the ephemeral range, ${first} to ${last}: the kernel may give it to any connection, so this can happen again`
}

export const isExplained = (error: unknown): boolean => typeof (error as { headline?: unknown })?.headline === 'string'

/** The same for a bind to an address. */
export function thrownByBind(cause: unknown, address: string, port: number, asked = 'listen on'): Error {
  return thrown(cause, `${asked} ${formatEndpoint({ address, port })}`)
}
