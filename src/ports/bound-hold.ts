import { codeOf, portsideError } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import type { BoundSocketClass } from '../platform/bound-socket.js'
import { BoundPort, tellBoundPort } from '../sockets/bound-port.js'
import { closedBy } from '../sockets/infrastructure.js'
import { type Anchor, openAnchor } from './anchor.js'

/**
 * Holds the port on an address by a bound socket, which a server of this process can adopt; 0: a port that the kernel picks. For kernels
 * that let nothing listen on the port of an anchor. Throws the system's code: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE.
 */
export function bindPort(
  BoundSocket: BoundSocketClass,
  address: string,
  port: number,
  howToClose: string | undefined,
): BoundPort {
  const bound = closedBy(new BoundPort(new BoundSocket({ host: address, port })), howToClose)
  tellBoundPort(bound)
  return bound
}

/** The bound socket of an address, and the addresses on which it has the port. */
export interface BoundHold {
  readonly address: string
  readonly addresses: readonly string[]
  readonly bound: BoundPort
}

/**
 * Closes the bound sockets, so that a program can listen, and leaves a TIME_WAIT, which keeps the kernel from giving the port away
 * until then. Rejects with EADDRINUSE if another socket takes the port in between.
 */
export async function freeWithBridge(holds: readonly BoundHold[]): Promise<void> {
  const anchors: Anchor[] = []
  try {
    for (const { addresses, bound } of holds) {
      if (!bound.held) continue
      const { port } = bound
      for (const address of addresses) {
        const anchor = await openAnchor(address, port, undefined, () => bound.close()).catch(unbridged(address, port))
        if (anchor !== undefined) anchors.push(anchor)
      }
    }
  } finally {
    for (const { bound } of holds) bound.close()
    await Promise.all(anchors.map((anchor) => anchor.release(true)))
  }
}

/** Without a descriptor for the anchor the program can still listen. */
const unbridged =
  (address: string, port: number) =>
  (error: unknown): undefined => {
    if (codeOf(error) !== 'EADDRINUSE') return
    throw portsideError('EADDRINUSE', {
      headline: `Cannot hand over port ${port}: EADDRINUSE`,
      because: `another socket took ${formatEndpoint({ address, port })} when portside closed its own for the hand-over`,
      next: 'reserve another port',
      cause: error,
    })
  }
