import { checkFunction, readArgument } from '../argument.js'
import { describeLeaks } from './leak.js'
import type { Owner } from './owner.js'
import type { SocketLeak } from './socket-leak.js'
import { type Tracker, tracker } from './tracker.js'

/** The sockets that this process has opened since the first `trackSockets()`. */
export interface SocketTracking {
  /** How many sockets are open now. */
  readonly size: number
  /** Lists the sockets that are open now, whether they are leaks or not. */
  sockets(): SocketLeak[]
  /**
   * Runs a function as a test and returns its result. Sockets that the function opens, now or later, belong to that test. For a test runner
   * that portside has no entry for.
   */
  run<T>(test: { readonly name: string; readonly file?: string }, action: () => T): T
}

/**
 * Tracks every socket that this process opens from now on, in any library: TCP, TLS, HTTP, unix and UDP sockets, listeners, accepted
 * connections, and pipes to child processes.
 *
 * Tracking begins once per process and never ends; calling it again is safe. `portside/register` calls it when the process starts.
 *
 * @example
 * ```ts
 * import { findLeaks, listenTcp, snapshotSockets, trackSockets } from 'portside'
 * import { expect } from 'vitest'
 *
 * const since = snapshotSockets()
 * await using server = await trackSockets().run({ name: 'listens' }, () => listenTcp())
 * const leaks = await findLeaks(since)
 * expect(leaks.map(({ test }) => test)).toEqual(['listens'])
 * ```
 * @see `docs/leaks.md#by-hand`
 */
export function trackSockets(): SocketTracking {
  const state = tracker()
  return {
    get size() {
      return [...state.open()].length
    },
    sockets: () => describeLeaks([...state.open()], state).map(({ leak }) => leak),
    run(test, action) {
      const { name, file } = readArgument('test', 'an object with a name, and a file if it has one', test, () => {
        const { name, file } = test
        return typeof name === 'string' && (file === undefined || typeof file === 'string') ? { name, file } : undefined
      })
      checkFunction('action', action)
      return state.run(makeOwner(state, 'test', name, file), action)
    },
  }
}

export function makeOwner(
  state: Pick<Tracker, 'activity'>,
  kind: 'test' | 'file',
  name: string,
  file: string | undefined,
): Owner {
  return { kind, name, file, begun: state.activity, ended: false, ignored: [] }
}
