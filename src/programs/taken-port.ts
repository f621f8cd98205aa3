import type { Endpoint } from '../loopback/endpoint.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { listenersOn, listenersReachedAt, type SocketOwner } from '../socket-table/owners.js'

/** Why a program could not listen, according to its output and the system. */
export interface TakenPort {
  readonly because: string
  readonly owner: SocketOwner | undefined
  readonly next: string
  /** Whether it is the port on which portside waits. */
  readonly isWanted: boolean
}

/**
 * Searches the output of a program for a port that is in use, and looks for the listener there. `endpoints` are the endpoints
 * of the wait. Undefined if the output does not mention such a port, or nothing listens there.
 */
export function takenPort(
  output: string,
  endpoints: readonly Endpoint[],
  family: ProgramFamily | undefined,
): TakenPort | undefined {
  const lines = output.split('\n').filter((line) => IN_USE.test(line))
  if (lines.length === 0) return undefined
  const named = new Set(lines.flatMap((line) => [...line.matchAll(PORT)].map(([, port]) => Number(port))))
  const wanted = endpoints[0]?.port
  if (wanted !== undefined && (named.has(wanted) || named.size === 0)) {
    const owner = strangerNowAt(endpoints, family)
    if (owner !== undefined)
      return { because: 'another program listens on the port', owner, next: END_IT, isWanted: true }
    return { because: named.has(wanted) ? RESERVED : ONE_OF, owner, next: REUSE, isWanted: true }
  }
  // A line may have other numbers, such as a time.
  for (const port of named) {
    const owner = attempt(() => listenersOn(port)[0])
    if (owner === undefined) continue
    const next = wanted === undefined ? END_IT : `make the program listen on the port in PORT, or ${END_IT}`
    return { because: `the program wants port ${port}, which is taken`, owner, next, isWanted: false }
  }
  return undefined
}

/**
 * A listener of another program on one of the endpoints, or on another address of the port: a listener on 127.0.0.1 keeps the
 * program from listening on `::`.
 */
export function strangerNowAt(
  endpoints: readonly Endpoint[],
  family: ProgramFamily | undefined,
): SocketOwner | undefined {
  return attempt(() => {
    const others = [...endpoints.flatMap(listenersReachedAt), ...endpoints.flatMap(({ port }) => listenersOn(port))]
    return others.find(({ pid }) => pid === undefined || family?.has(pid) !== true)
  })
}

const IN_USE = /EADDRINUSE|address already in use|port \d+ (?:is|was) already in use/i
const PORT = /(?::|\bport |', )(\d{1,5})\b/gi

const END_IT = 'end the program that has the port'
const REUSE = 'make the program set SO_REUSEADDR, or by descriptor, use descriptor 3'
const RESERVED =
  'one of: another program listened on the port and has closed since; the program does not set SO_REUSEADDR, which a reserved port needs (socket(7)); by descriptor, it ignores descriptor 3'
const ONE_OF = `${RESERVED}; the program wants another port, which is taken`

function attempt<T>(look: () => T | undefined): T | undefined {
  try {
    return look()
  } catch {
    // The system has no table of sockets.
    return undefined
  }
}
