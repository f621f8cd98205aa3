import type { Endpoint } from '../loopback/endpoint.js'
import type { SocketOwner } from '../socket-table/owners.js'
import type { Answer } from './ask.js'

/** Where a program listens. */
export interface Found {
  /** Each as a client connects to it. The conditions are checked at the first. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]]
  /** True: the listener belongs to the program or to a process that it started. Undefined: the system does not say. */
  readonly owned: true | undefined
}

/** Looks for the listeners of a program. */
export interface Finder {
  /** The line `expected`: `a listener on 127.0.0.1:3000`. */
  readonly expected: string
  /** Whether it needs all endpoints, one endpoint, or a connection that the program accepts. */
  readonly needs: 'all' | 'one' | 'an accept'
  /** Looks once. */
  find(giveUp: AbortSignal): Promise<Found | undefined>
  /** Whether the found listeners are still there. */
  holds(found: Found): boolean
  /** The answers and the other program of the last look. */
  seen(): { readonly answers: readonly Answer[]; readonly stranger: SocketOwner | undefined }
}
