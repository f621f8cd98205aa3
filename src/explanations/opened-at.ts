import type { Endpoint } from '../loopback/endpoint.js'
import { processState } from '../process-state.js'

/** Returns the place that opened the socket at an address, such as `test/a.test.ts:14:22, by 'serves'`. */
export type OpenedAt = (local: Endpoint | string) => string | undefined

/** Registers the lookup. The leak tracker has the answer, and its layer is above this one. */
export function provideOpenedAt(find: OpenedAt): void {
  provider().find = find
}

/** Undefined if this process does not track its sockets, or opened the socket before it began to. */
export const openedAt: OpenedAt = (local) => provider().find?.(local)

const provider = (): { find?: OpenedAt } => processState('explanations.opened-at', () => ({}))
