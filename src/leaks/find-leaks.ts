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
 * What was opened or sent on since the snapshot, by anybody in this process, and is in use still when the grace is over: 16
 * turns of the event loop, then up to 127 ms. Resolves to an empty array at once where nothing was opened, or with `mode: 'off'`.
 *
 * What a client pool keeps for the next request is no leak unless `idlePools` says so. Rejects with ERR_INVALID_ARG_TYPE
 * or ERR_INVALID_ARG_VALUE for an invalid snapshot or invalid options.
 */
export function findLeaks(since: SocketSnapshot, options: LeakOptions = {}): Promise<SocketLeak[]> {
  return calledBy(findLeaks, async () => leaksOf(await find(since, checkLeakOptions(options, 'findLeaks()'))))
}

/**
 * Throws a LeakError (ERR_PORTSIDE_LEAK) that names what `findLeaks` finds, with the source lines that opened it. With
 * `mode: 'warn'` it prints the same and resolves.
 */
export async function verifyNoLeaks(since: SocketSnapshot, given: LeakOptions = {}): Promise<void> {
  const options = checkLeakOptions(given, 'verifyNoLeaks()')
  const { found, redials } = await find(since, options)
  const leaks = leaksOf({ found, redials })
  if (leaks.length === 0) return
  const error = errorFor(found, redials)
  if (options.mode !== 'warn') throw withFields(error, leaks)
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
  const redials = await lookForRedials(({ sequence }) => sequence > since.activity, options)
  const found = await findOpen({
    isSuspect: (record) => state.lastUse(record) > since.activity,
    baseline: kernel,
    mayStay,
    options,
  })
  return { found, redials: redials.filter(({ leak }) => !mayStay(leak)) }
}
