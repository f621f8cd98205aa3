import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { errorFor, type Found, findOpen, lookForRedials, NOTHING } from './find-open.js'
import type { Redial } from './find-redials.js'
import { nextListen } from './grace.js'
import { isIgnored } from './ignore.js'
import { withFields } from './leak-error.js'
import { checkLeakOptions, type LeakOptions } from './options.js'
import { printReport } from './report.js'
import type { SocketSnapshot } from './snapshot.js'
import type { SocketLeak } from './socket-leak.js'
import { tracker } from './tracker.js'

/**
 * Finds sockets of this process that were opened or sent on since the snapshot and are still open when the grace is over.
 *
 * The grace is 16 turns of the event loop, then up to 127 ms. If nothing was opened, or with `mode: 'off'`, it resolves to an empty array
 * at once. Connections that a client pool keeps for the next request are not leaks, unless `idlePools` says so.
 *
 * @throws ERR_INVALID_ARG_TYPE if the snapshot or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value
 * @throws ERR_OUT_OF_RANGE if `redialWait` is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { findLeaks, listenTcp, snapshotSockets } from 'portside'
 * import { expect } from 'vitest'
 *
 * const since = snapshotSockets()
 * await using server = await listenTcp()
 * const [leak] = await findLeaks(since)
 * expect(leak).toMatchObject({ kind: 'listener', local: server.endpoint })
 * ```
 * @see `docs/leaks.md#by-hand`
 */
export function findLeaks(since: SocketSnapshot, options: LeakOptions = {}): Promise<SocketLeak[]> {
  return calledBy(findLeaks, async () => leaksOf(await find(since, checkLeakOptions(options, 'findLeaks()'))))
}

/**
 * Rejects with a `LeakError` if `findLeaks()` finds sockets. The message names them, and the source lines that opened them. Each leak is
 * reported once. With `mode: 'warn'`, it prints the message and resolves.
 *
 * @throws ERR_PORTSIDE_LEAK if a socket is left open
 * @throws ERR_INVALID_ARG_TYPE if the snapshot or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value
 * @throws ERR_OUT_OF_RANGE if `redialWait` is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { listenTcp, snapshotSockets, verifyNoLeaks } from 'portside'
 *
 * const since = snapshotSockets()
 * const server = await listenTcp()
 * await server.close()
 * await verifyNoLeaks(since)
 * ```
 * @see `docs/leaks.md#by-hand`
 */
export async function verifyNoLeaks(since: SocketSnapshot, options: LeakOptions = {}): Promise<void> {
  const checked = checkLeakOptions(options, 'verifyNoLeaks()')
  const { found, redials } = await find(since, checked)
  const leaks = leaksOf({ found, redials })
  if (leaks.length === 0) return
  const error = errorFor(found, redials)
  if (checked.mode !== 'warn') throw withFields(error, leaks)
  printReport(error.message)
}

const leaksOf = ({ found, redials }: Leaks): SocketLeak[] => [...found.leaks, ...redials.map(({ leak }) => leak)]

interface Leaks {
  readonly found: Found
  readonly redials: readonly Redial[]
}

async function find(since: SocketSnapshot, options: LeakOptions): Promise<Leaks> {
  readArgument('since', 'what snapshotSockets() gave', since, () =>
    typeof since.activity === 'number' ? since : undefined,
  )
  if (options.mode === 'off') return { found: NOTHING, redials: [] }
  await nextListen()
  const kernel = options.kernel === false ? undefined : since.inodes
  const state = tracker()
  const mayStay = (leak: SocketLeak): boolean => isIgnored(leak, options.ignore ?? [])
  const redials = await lookForRedials(({ sequence }) => sequence > since.activity, mayStay, options)
  const found = await findOpen({
    isSuspect: (record) => state.lastUse(record) > since.activity,
    isMine: () => true,
    baseline: kernel,
    mayStay,
    hasRules: () => options.ignore !== undefined,
    options,
  })
  return { found, redials: redials.filter(({ leak }) => !mayStay(leak)) }
}
