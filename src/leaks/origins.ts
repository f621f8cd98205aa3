import type { NativeOrigin } from './natives.js'
import type { Owner } from './owner.js'
import type { Sending } from './sending.js'
import type { TrackedSocket } from './tracked-socket.js'

/** The owners of tracked sockets, and the requests they carry. */
export interface Origins {
  ownerOf(record: TrackedSocket): Owner | undefined
  sendingOn(record: TrackedSocket): Sending | undefined
  /** The call that opened the client of an accepted socket, if the client is not a socket of Node's modules. */
  nativeClientOf(record: TrackedSocket): Pick<NativeOrigin, 'trace' | 'late'> | undefined
  /** Whether a client pool keeps it for the next request. */
  isIdle(record: TrackedSocket): boolean
  /** The call that ends the request that the socket is used for. */
  howToEnd(record: TrackedSocket): string | undefined
}
