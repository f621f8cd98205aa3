import type { Endpoint } from '../loopback/endpoint.js'
import { endsOf, traceOf } from './leak.js'
import type { Origins } from './origins.js'
import { placeOf } from './source-place.js'
import { framesOf } from './stack.js'
import type { TrackedSocket } from './tracked-socket.js'

/**
 * The place where this process opened the listener or the datagram socket that is bound to this endpoint, and the test that did. Undefined
 * if the sockets of this process are not tracked, or the socket was opened before tracking began.
 */
export function whereOpened(
  tracker: Origins & { open(): Iterable<TrackedSocket> },
  local: Endpoint | string,
): string | undefined {
  const bound = [...tracker.open()].find(
    (record) => (record.kind === 'listener' || record.kind === 'udp') && isSame(endsOf(record).local, local),
  )
  const place = bound && placeOf(framesOf(traceOf(bound, tracker)))
  if (bound === undefined || place === undefined) return undefined
  const owner = tracker.ownerOf(bound)
  return owner?.kind === 'test' ? `${place}, by '${owner.name}'` : place
}

function isSame(one: Endpoint | string | undefined, other: Endpoint | string): boolean {
  if (typeof one !== 'object' || typeof other !== 'object') return one === other
  return one.address === other.address && one.port === other.port
}
