import { releaseAtExit } from '../platform/run-claim.js'
import { processState } from '../process-state.js'
import { type AliveBefore, aliveBefore } from './alive-before.js'
import { unrefAll } from './close-leaked.js'
import { LeakCheck, type RunnerOptions } from './leak-check.js'
import { printable, report } from './report.js'
import type { SocketLeak } from './socket-leak.js'
import { linesOf } from './stack.js'
import { tracker } from './tracker.js'
import { trackSockets } from './tracking.js'

/** From the first call on, tracks the sockets of the process that runs the workers. */
export function trackMainProcess(): void {
  begun()
}

/**
 * Checks the process that runs the workers for sockets that code of the user has left open: a global set-up, a plugin, a configuration.
 * Ignores sockets of the runner, and of test files in this process that are not checked. Returns the report as an error in mode `fail`,
 * prints it in mode `warn`, and closes what it reports. In mode `warn` it closes nothing, and lets the process exit.
 */
export async function checkMainProcess(
  options: RunnerOptions | undefined,
  runner: string,
  unchecked: ReadonlySet<string> = new Set(),
): Promise<Error | undefined> {
  const leaks = typeof options?.leaks === 'string' ? { mode: options.leaks } : options?.leaks
  // The kernel would list the runner's sockets without an owner.
  const check = new LeakCheck(
    undefined,
    { leaks: { ...leaks, kernel: false } },
    {
      waits: true,
      since: begun().activity,
      aliveBefore: begun().alive,
      place: `the main process of ${runner}`,
      concerns: (leak) => isOfUser(leak) && !leak.openedAt.some(({ file }) => unchecked.has(file)),
    },
  )
  try {
    return await check.endFile()
  } finally {
    await unrefAll(tracker().left?.splice(0) ?? [])
  }
}

/** Maps traces to the user's sources. Only the runner can map what it has compiled, and only until it closes. */
export function mapTraces(): void {
  for (const record of tracker().open({ dialling: true })) record.trace = linesOf(record.trace)
}

/** Lists what is open while a teardown runs, without blame; undefined if nothing is open. */
export function openInMainProcess(): string | undefined {
  const open = trackSockets().sockets().filter(isOfUser)
  return open.length === 0 ? undefined : report(open).split('\n').slice(1).join('\n')
}

/** Sockets of the runner have frames of Node and of packages only. */
const isOfUser = ({ openedAt }: Pick<SocketLeak, 'openedAt'>): boolean =>
  openedAt.some(({ file }) => !/^(?:node|ext):|[/\\]node_modules[/\\]/.test(file))

const begun = (): { activity: number; alive: AliveBefore } =>
  processState('runners.main-process', () => {
    releaseAtExit()
    const state = tracker()
    const { activity, workers } = state
    state.left ??= []
    return { activity, alive: aliveBefore(workers) }
  })

export { printable }
