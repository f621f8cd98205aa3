import { unmapped } from '../loopback/endpoint.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { endsOf } from './leak.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'

/**
 * Makes the test whether a tracked socket has the addresses of a descriptor. Where a runtime does not show the descriptor of a socket, only
 * the addresses show that both are one. Deno shows it for pipes only, and Bun not for http.Server and its connections.
 */
export function sameAddress(tracked: Iterable<TrackedSocket>): (descriptor: SocketDescriptor) => boolean {
  const known = new Set<string>()
  for (const record of tracked) {
    const handles = handlesOf(record)
    if (!record.open || (handles.length > 0 && handles.every(({ fd }) => fd !== undefined))) continue
    const { local, remote } = endsOf(record)
    if (local !== '') known.add(nameOf(record.kind === 'udp', local, remote))
  }
  return ({ kind, local, remote }) => local !== undefined && known.has(nameOf(kind === 'udp', local, remote))
}

type End = SocketDescriptor['local']

const nameOf = (isUdp: boolean, ...ends: End[]): string =>
  [isUdp, ...ends.map((end) => (typeof end === 'object' ? `${unmapped(end.address)} ${end.port}` : end))].join(' ')
