import { codeOf } from '../errors.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { turn } from '../timers.js'
import { closeLeaked } from './close-leaked.js'
import type { FailedDial } from './dials.js'
import { findRedials, type Redial } from './find-redials.js'
import { afterGrace, TURNS } from './grace.js'
import { isIdleInPool } from './known.js'
import { type DescribedLeak, describeLeaks, describeUntracked, traceOf } from './leak.js'
import { leakError } from './leak-error.js'
import { nativeSuspects } from './native-sockets.js'
import type { NativeSocket } from './natives.js'
import { type LeakOptions, REDIAL_WAIT } from './options.js'
import type { Owner } from './owner.js'
import type { ReportOptions } from './report.js'
import type { SocketLeak } from './socket-leak.js'
import { linesOf } from './stack.js'
import type { TrackedSocket } from './tracked-socket.js'
import { type Tracker, tracker } from './tracker.js'
import { untrackedSockets } from './untracked.js'

export interface Search {
  /** Whether a tracked socket is in question, such as the sockets of one test. */
  readonly isSuspect: (record: TrackedSocket) => boolean
  /** Whether the sockets of an owner are in question, for a socket that no object of Node explains. */
  readonly isMine: (owner: Owner | undefined) => boolean
  /** Inodes of sockets to ignore when the kernel is asked. If undefined, the kernel is not asked. */
  readonly baseline: ReadonlySet<number> | undefined
  /** Whether an open socket of an owner may stay open. */
  readonly mayStay: (leak: SocketLeak, owner: Owner | undefined) => boolean
  /** Whether there are rules for the sockets of an owner at all. Cheap: it needs no description of a socket. */
  readonly hasRules: (owner: Owner | undefined) => boolean
  readonly options: Pick<LeakOptions, 'idlePools' | 'close' | 'signal'>
}

export interface Found {
  readonly leaks: SocketLeak[]
  /** The tracked sockets among the leaks, in the same order. */
  readonly records: readonly TrackedSocket[]
  /** Open sockets that may stay open. */
  readonly ignored: readonly TrackedSocket[]
}

export const NOTHING: Found = { leaks: [], records: [], ignored: [] }

/** Finds what is still open when the grace is over. */
export async function findOpen({ isSuspect, isMine, baseline, mayStay, hasRules, options }: Search): Promise<Found> {
  const state = tracker()
  // A socket that is connecting may be open soon. A few turns do not show whether it ever will be.
  const look = (dialling: boolean): Suspect[] => {
    const tracked = suspects(isSuspect, dialling, options.idlePools)
    if (baseline === undefined) return tracked
    const others = untracked(baseline, state, tracked.length > 0)
    const { natives, all } = state
    if (natives === undefined) return [...tracked, ...others.map((descriptor) => ({ descriptor, origin: undefined }))]
    const found = [...others, ...olderConnections(others, state, natives.waitingFor(isMine))]
    return [...tracked, ...nativeSuspects(found, { natives, all, isMine }, options.idlePools)]
  }
  if (look(true).length === 0) return NOTHING
  // A socket that may stay open does not have to close: nothing waits for it.
  const asked = new Map<Suspect, boolean>()
  const ownerOf = (suspect: Suspect): Owner | undefined =>
    'sequence' in suspect ? state.ownerOf(suspect) : suspect.origin?.owner
  const isAllowed = (suspect: Suspect): boolean => {
    let allowed = asked.get(suspect)
    if (allowed === undefined) {
      const { described, others } = describeAll([suspect], state)
      allowed = [...described, ...others].every(({ leak }) => mayStay(leak, ownerOf(suspect)))
      asked.set(suspect, allowed)
    }
    return allowed
  }
  const isWorthIt = (found: readonly Suspect[]): boolean =>
    found.some((suspect) => !hasRules(ownerOf(suspect))) || !found.every(isAllowed)
  const found = await afterGrace(look, isWorthIt, options.signal)
  if (found.length === 0) return NOTHING
  const { described, others } = describeAll(found, state)
  // Two records may share a descriptor: TLS on a connected socket, or a socket that was opened again. The later record counts.
  const latest = new Map(described.map(({ leak, record }) => [leak.fd, record]))
  const told = described.filter(
    ({ leak, record }) => (leak.fd === undefined || latest.get(leak.fd) === record) && !mayStay(leak, ownerOf(record)),
  )
  const reported = new Set(told)
  const toldOthers = others.filter(({ leak, native }) => !mayStay(leak, native.origin?.owner))
  for (const { native } of toldOthers) if (native.origin !== undefined) state.natives?.settle(native.origin)
  if (options.close === true) for (const { record } of told) closeLeaked(record)
  return {
    leaks: [...told, ...toldOthers].map(({ leak }) => leak),
    records: told.map(({ record }) => record),
    ignored: described.filter((each) => !reported.has(each)).map(({ record }) => record),
  }
}

function describeAll(
  suspects: readonly Suspect[],
  state: Tracker,
): { described: DescribedLeak[]; others: DescribedNative[] } {
  const records = suspects.filter((suspect) => 'sequence' in suspect)
  const others = suspects.flatMap((suspect) =>
    'sequence' in suspect ? [] : [{ native: suspect, leak: describeUntracked(suspect) }],
  )
  return { described: describeLeaks(records, state), others }
}

/** If leaks have taken all descriptors, the kernel cannot be asked. Then only the tracked sockets are reported. */
function untracked(baseline: ReadonlySet<number>, { all }: Tracker, suffices: boolean): SocketDescriptor[] {
  try {
    return untrackedSockets(baseline, all)
  } catch (error) {
    const code = codeOf(error)
    if (suffices && (code === 'EMFILE' || code === 'ENFILE')) return []
    throw error
  }
}

/** The connections to these ports that are not among the others, because they were open before. */
function olderConnections(
  others: readonly SocketDescriptor[],
  state: Tracker,
  ports: ReadonlySet<number>,
): SocketDescriptor[] {
  if (ports.size === 0) return []
  const known = new Set(others.map(({ inode }) => inode))
  return untracked(new Set(), state, true).filter(
    ({ inode, local, remote }) =>
      !known.has(inode) &&
      remote !== undefined &&
      typeof local === 'object' &&
      (ports.has(remote.port) || ports.has(local.port)),
  )
}

/** Finds clients that have no socket, will reconnect and may not stay. Waits only if there can be one. */
export async function lookForRedials(
  isSuspect: (dial: Pick<FailedDial, 'owner' | 'sequence'>) => boolean,
  mayStay: (leak: SocketLeak, owner: Owner | undefined) => boolean,
  { redialWait: wait = REDIAL_WAIT, signal }: Pick<LeakOptions, 'redialWait' | 'signal'>,
): Promise<Redial[]> {
  const { dials } = tracker()
  // A connect that is in progress may be refused soon, and a connection may be cut soon.
  for (let turns = 0; turns < TURNS && !signal?.aborted && isUndecided(isSuspect); turns++) await turn()
  if (![...dials.failed()].some(isSuspect)) return []
  return findRedials(dials, isSuspect, { mayStay, wait, signal })
}

function isUndecided(isSuspect: (record: TrackedSocket) => boolean): boolean {
  const state = tracker()
  return [...state.open({ dialling: true })].some(
    (record) =>
      record.kind === 'client' && isSuspect(record) && !state.isSettled(record) && !isIdleInPool(record, state),
  )
}

/** Makes the error for what was found, and settles the sockets, so no later error reports them. */
export function errorFor(
  { leaks, records }: Found,
  redials: readonly Redial[] = [],
  options: ReportOptions = {},
): Error {
  const state = tracker()
  state.settle(records)
  const trace = records[0] === undefined ? redials[0]?.trace : traceOf(records[0], state)
  const lines = trace === undefined ? framesIn(leaks[0]) : linesOf(trace)
  return leakError([...leaks, ...redials.map(({ leak }) => leak)], lines, options)
}

/** The place of a socket that no object of Node explains, which Bun knows. */
const framesIn = (leak: SocketLeak | undefined): string[] =>
  (leak?.openedAt ?? []).map(({ function: name, file, line, column }) => {
    const place = `${file}:${line}:${column}`
    return `    at ${name === undefined ? place : `${name} (${place})`}`
  })

type Suspect = TrackedSocket | NativeSocket

interface DescribedNative {
  readonly native: NativeSocket
  readonly leak: SocketLeak
}

function suspects(
  isSuspect: Search['isSuspect'],
  dialling: boolean,
  idlePools: LeakOptions['idlePools'],
): TrackedSocket[] {
  const state = tracker()
  const found: TrackedSocket[] = []
  for (const record of state.open({ dialling })) {
    if (!isSuspect(record)) continue
    if (idlePools === 'report' || !isIdleInPool(record, state)) found.push(record)
    else if (idlePools === 'close') closeLeaked(record)
  }
  return found
}
