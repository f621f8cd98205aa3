import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { endsOf } from './leak.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'

/**
 * Makes the test whether a tracked socket has the addresses of a descriptor. Some runtimes do not show the descriptor of a handle, and then
 * only the addresses show that both are one socket: Deno has it for pipes only.
 */
export function sameAddress(tracked: Iterable<TrackedSocket>): (descriptor: SocketDescriptor) => boolean {
  const known = new Set<string>()
  for (const record of tracked) {
    if (!handlesOf(record).some(({ fd }) => fd === undefined)) continue
    const { local, remote } = endsOf(record)
    if (local !== '') known.add(nameOf(record.kind === 'udp', local, remote))
  }
  return ({ kind, local, remote }) => local !== undefined && known.has(nameOf(kind === 'udp', local, remote))
}

type End = SocketDescriptor['local']

const nameOf = (isUdp: boolean, ...ends: End[]): string =>
  [isUdp, ...ends.map((end) => (typeof end === 'object' ? `${end.address} ${end.port}` : end))].join(' ')
