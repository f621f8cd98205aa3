import { processState } from '../process-state.js'

/**
 * Marks a resource that portside opens for itself: the sink of its anchors, their locks, the watchdog of its programs. Only portside
 * can close it, so the leak check does not report it.
 */
export function infrastructure<T extends object>(resource: T): T {
  marks().infrastructure.add(resource)
  return resource
}

/** Records the call that closes a resource, for leak reports. Undefined: portside closes the resource itself. */
export function closedBy<T extends object>(resource: T, howToClose: string | undefined): T {
  if (howToClose === undefined) return infrastructure(resource)
  marks().howToClose.set(resource, howToClose)
  return resource
}

export const isInfrastructure = (resource: object | undefined): boolean =>
  resource !== undefined && marks().infrastructure.has(resource)

export const howToCloseOf = (resource: object): string | undefined => marks().howToClose.get(resource)

interface Marks {
  readonly infrastructure: WeakSet<object>
  readonly howToClose: WeakMap<object, string>
}

const marks = (): Marks =>
  processState('sockets.infrastructure', () => ({ infrastructure: new WeakSet(), howToClose: new WeakMap() }))
