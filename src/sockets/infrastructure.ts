import { processState } from '../process-state.js'

/**
 * What portside opens for itself, one for the whole process and not for the test that came first, or beside what its user
 * holds: the sink of its anchors, their locks, the watchdog of its programs. Nobody else can close it, and it is nobody's
 * leak.
 */
export function infrastructure<T extends object>(resource: T): T {
  marks().infrastructure.add(resource)
  return resource
}

/** Whose `close()` is not its user's business: says what is. Undefined: portside closes it by itself. */
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
