import type { Endpoint } from '../loopback/endpoint.js'
import type { SocketOwner } from '../socket-table/owners.js'
import type { Answer } from './ask.js'

/** Where a program listens. */
export interface Found {
  /** Each as a client dials it. The first is the one that the conditions are asked at. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]]
  /** The listener belongs to the program or to a process that it started; undefined if the system does not say. */
  readonly owned: true | undefined
}

/** Looks for the listeners of a program, once a call. */
export interface Finder {
  /** What it looks for: `a listener on 127.0.0.1:3000`. */
  readonly expected: string
  /** Whether all endpoints have to be found, or one; or the program has to accept a connection. */
  readonly needs: 'all' | 'one' | 'an accept'
  find(giveUp: AbortSignal): Promise<Found | undefined>
  /** Whether what was found is still there. */
  holds(found: Found): boolean
  /** What the last look saw instead. */
  seen(): { readonly answers: readonly Answer[]; readonly stranger: SocketOwner | undefined }
}
