import { allowWith, flagOfDenial, whyDenied } from '../platform/permissions.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { type Classification, endpointOf, isMulticast } from './classify.js'
import { list } from './describe.js'
import { openedAt } from './opened-at.js'
import type { SocketFailure } from './socket-failure.js'

/** The cause of one failure, and what to do. */
export interface Circumstances {
  readonly cause: string
  readonly owners: SocketOwner[]
  readonly hints: string[]
  /** The facts behind the cause, in addition to those of the classification. */
  readonly evidence?: readonly string[]
}

/** Adds a hint for a socket of this process only: closing another process is up to the user. */
export function heldBy(owners: SocketOwner[], usual: Circumstances): Circumstances {
  const cause = list(owners.map(describeOwner))
  return { cause, owners, hints: [...openedHints(owners), ...usual.hints].slice(0, MOST_HINTS) }
}

const MOST_HINTS = 3

export function openedHints(owners: readonly SocketOwner[]): string[] {
  const own = owners.find(({ thisProcess }) => thisProcess)
  if (own === undefined) return []
  const place = openedAt(own.local)
  const opened = place === undefined ? '' : `; it was opened at ${place}`
  return [
    `close the socket of this process first and await that; assertReleased() checks that the address is free${opened}`,
  ]
}

/** The listeners that a client of the failed address reaches. */
export function listenersAt(failure: SocketFailure, { lookup }: Classification): SocketOwner[] {
  const endpoint = endpointOf(failure)
  return endpoint === undefined || isMulticast(failure) ? [] : (lookup.listeners(endpoint)?.reached ?? [])
}

/** ERR_ACCESS_DENIED names the right that the process lacks. */
export function denied({ code, error }: SocketFailure, usual: Circumstances): Circumstances | undefined {
  if (code !== 'ERR_ACCESS_DENIED') return undefined
  const flag = flagOfDenial(error)
  return flag === undefined ? usual : { ...usual, cause: whyDenied(flag), hints: [allowWith(flag)] }
}
