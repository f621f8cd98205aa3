import { checkFunction, readArgument } from '../argument.js'
import { describeLeaks } from './leak.js'
import type { Owner } from './owner.js'
import type { SocketLeak } from './socket-leak.js'
import { type Tracker, tracker } from './tracker.js'

/** The sockets of this process, from the first `trackSockets()` on. */
export interface SocketTracking {
  /** How many are open now. */
  readonly size: number
  /** What is open now, whether it is a leak or not. */
  sockets(): SocketLeak[]
  /**
   * Runs a function as a test: what it opens, and all that it starts, is that test's. For a test runner that portside has
   * no entry for.
   */
  run<T>(test: { readonly name: string; readonly file?: string }, action: () => T): T
}

/**
 * Tracks every socket of this process from here on, of whatever library: TCP, TLS, HTTP, unix and UDP, listeners, what they
 * accept, and pipes to child processes. Once per process, however often it is called. `portside/register` calls it when the
 * process starts, before anything can be open.
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

export function makeOwner(state: Tracker, kind: 'test' | 'file', name: string, file: string | undefined): Owner {
  return { kind, name, file, begun: state.activity, ended: false, ignored: [] }
}
