import type { Endpoint } from '../loopback/endpoint.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { listenersOn, listenersReachedAt, type SocketOwner } from '../socket-table/owners.js'

/** Why a program that says so could not listen, as far as the system says it. */
export interface TakenPort {
  readonly because: string
  readonly owner: SocketOwner | undefined
  readonly next: string
  /** It is the port that was waited for. */
  readonly isWanted: boolean
}

/**
 * Reads in the output of a program that a port was in use, and looks for the listener there. `endpoints` are those where it was
 * to listen. Undefined if the output says nothing of the kind, or nothing is found out.
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
  // A line may have other numbers, such as the time.
  for (const port of named) {
    const owner = attempt(() => listenersOn(port)[0])
    if (owner === undefined) continue
    const next = wanted === undefined ? END_IT : `make the program listen on the port in PORT, or ${END_IT}`
    return { because: `the program wants port ${port}, which is taken`, owner, next, isWanted: false }
  }
  return undefined
}

/**
 * A listener that is not the program's, on one of its endpoints, or else on another address of the port: one on 127.0.0.1 keeps
 * the program from listening on `::`.
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
  'one of: another program listened on the port and has closed since; the program does not set SO_REUSEADDR, which a port that is reserved for it needs (socket(7)); by descriptor, it does not use descriptor 3'
const ONE_OF = `${RESERVED}; the program wants another port, which is taken`

function attempt<T>(look: () => T | undefined): T | undefined {
  try {
    return look()
  } catch {
    // The system has no table of sockets.
    return undefined
  }
}
