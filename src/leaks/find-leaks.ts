import type { ChildProcess } from 'node:child_process'
import type net from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { afterGrace } from './grace.js'
import { isIgnored } from './ignore.js'
import { describeLeaks, describeUntracked, traceOf } from './leak.js'
import { leakError, withFields } from './leak-error.js'
import { checkLeakOptions, type LeakOptions } from './options.js'
import { printable } from './report.js'
import type { SocketSnapshot } from './snapshot.js'
import type { SocketLeak } from './socket-leak.js'
import { linesOf } from './stack.js'
import { openPipes, type TrackedSocket } from './tracked-socket.js'
import { tracker } from './tracker.js'
import { untrackedSockets } from './untracked.js'

/**
 * What was opened or sent on since the snapshot, by anybody in this process, and is in use still when the grace is over: 16
 * turns of the event loop, then up to 127 ms. Resolves to an empty array at once where nothing was opened, or with `mode: 'off'`.
 *
 * What a client pool keeps for the next request is no leak unless `idlePools` says so. Rejects with ERR_INVALID_ARG_TYPE
 * or ERR_INVALID_ARG_VALUE for a snapshot or options that are none.
 */
export function findLeaks(since: SocketSnapshot, options: LeakOptions = {}): Promise<SocketLeak[]> {
  return calledBy(findLeaks, async () => (await find(since, checkLeakOptions(options, 'findLeaks()'))).leaks)
}

/**
 * Throws a LeakError (ERR_PORTSIDE_LEAK) that names what `findLeaks` finds, with the source lines that opened it. With
 * `mode: 'warn'` it prints the same and resolves.
 */
export async function verifyNoLeaks(since: SocketSnapshot, given: LeakOptions = {}): Promise<void> {
  const options = checkLeakOptions(given, 'verifyNoLeaks()')
  const found = await find(since, options)
  if (found.leaks.length === 0) return
  const error = errorFor(found)
  if (options.mode !== 'warn') throw withFields(error, found.leaks)
  console.warn(printable(error.message))
}

async function find(since: SocketSnapshot, options: LeakOptions): Promise<Found> {
  if (typeof since?.activity !== 'number') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'since', 'what snapshotSockets() gave', since)
  }
  if (options.mode === 'off') return NOTHING
  const kernel = options.kernel === false ? undefined : since.inodes
  const state = tracker()
  return findOpen((record) => state.lastUse(record) > since.activity, kernel, options)
}

export interface Found {
  readonly leaks: SocketLeak[]
  /** Those of the leaks that were tracked, in their order. */
  readonly records: readonly TrackedSocket[]
  /** What is open, too, and may be. */
  readonly ignored: readonly TrackedSocket[]
}

/**
 * What is open after the grace of what a filter lets through, and of what the kernel knows beyond `baseline` where that is
 * given.
 */
export async function findOpen(
  filter: (record: TrackedSocket) => boolean,
  baseline: ReadonlySet<number> | undefined,
  options: LeakOptions,
  isAllowed: (leak: SocketLeak, record?: TrackedSocket) => boolean = (leak) => isIgnored(leak, options.ignore ?? []),
): Promise<Found> {
  const state = tracker()
  // What is dialled is about to be open; whether it ever will be, a few turns do not tell.
  const look = (dialling: boolean): Suspect[] => [
    ...suspects(filter, dialling, options.idlePools),
    ...(baseline === undefined ? [] : untrackedSockets(baseline, state.all)),
  ]
  if (look(true).length === 0) return NOTHING
  const found = await afterGrace(look, options.signal)
  if (found.length === 0) return NOTHING
  const records = found.filter((suspect): suspect is TrackedSocket => 'sequence' in suspect)
  const untracked = found.flatMap((suspect) => ('sequence' in suspect ? [] : [describeUntracked(suspect)]))
  const described = describeLeaks(records, state)
  // Of two with one descriptor the later one: TLS on a socket that was connected before, and one that was opened again.
  const latest = new Map(described.map(({ leak, record }) => [leak.fd, record]))
  const told = described.filter(
    ({ leak, record }) => (leak.fd === undefined || latest.get(leak.fd) === record) && !isAllowed(leak, record),
  )
  if (options.close === true) for (const { record } of told) closeSocket(record)
  return {
    leaks: [...told.map(({ leak }) => leak), ...untracked.filter((leak) => !isAllowed(leak))],
    records: told.map(({ record }) => record),
    ignored: described.filter((each) => !told.includes(each)).map(({ record }) => record),
  }
}

/** The error for what was found, once: none of it is told of again. */
export function errorFor({ leaks, records }: Found): Error {
  const state = tracker()
  state.settle(records)
  return leakError(leaks, records[0] === undefined ? [] : linesOf(traceOf(records[0], state)))
}

type Suspect = TrackedSocket | Parameters<typeof describeUntracked>[0]

const NOTHING: Found = { leaks: [], records: [], ignored: [] }

/** Whether this is the one thread of a process that has no worker threads by its runner: the kernel does not tell them apart. */
export const isOnlyThread: boolean = isMainThread

function suspects(
  filter: (record: TrackedSocket) => boolean,
  dialling: boolean,
  idlePools: LeakOptions['idlePools'],
): TrackedSocket[] {
  const state = tracker()
  const found: TrackedSocket[] = []
  for (const record of state.open({ dialling })) {
    if (!filter(record)) continue
    if (idlePools === 'report' || !state.isIdle(record)) found.push(record)
    else if (idlePools === 'close') closeSocket(record)
  }
  return found
}

/** Closes one that leaked. Nobody awaits it: its user has let go of it. */
export function closeSocket(record: TrackedSocket): void {
  const { kind, socket } = record
  if (!record.open) return
  try {
    if (kind === 'listener' || kind === 'udp') (socket as net.Server).close()
    else if (kind === 'child') endChild(socket as ChildProcess)
    else (socket as net.Socket).destroy()
    // Its handle was taken away from it.
    if (record.handle !== undefined && record.open) record.handle?.close?.()
  } catch {
    // Closed meanwhile, or closed by a method that its user has replaced: it was told of, and more cannot be done.
  }
}

function endChild(child: ChildProcess): void {
  child.kill()
  // Somebody below it may hold the pipes open.
  if (openPipes(child).length > 0) for (const stream of child.stdio) stream?.destroy()
}
