import { releaseAtExit } from '../platform/run-claim.js'
import { processState } from '../process-state.js'
import { type AliveBefore, aliveBefore } from './alive-before.js'
import { LeakCheck, type RunnerOptions } from './leak-check.js'
import { printable, report } from './report.js'
import type { SocketLeak } from './socket-leak.js'
import { linesOf } from './stack.js'
import { tracker } from './tracker.js'
import { trackSockets } from './tracking.js'

/** Tracks the sockets of the process that runs the workers, from the first call on. */
export function trackMainProcess(): void {
  begun()
}

/**
 * What code of the user has left open in the process that runs the workers: a global set-up, a plugin, a configuration. What the runner
 * itself opens is not looked at, nor what files do that are not checked and run in this process. Gives the report as an error in mode `fail`, prints it in mode `warn`, and closes what it reports.
 */
export async function checkMainProcess(
  options: RunnerOptions | undefined,
  runner: string,
  unchecked: ReadonlySet<string> = new Set(),
): Promise<Error | undefined> {
  const leaks = typeof options?.leaks === 'string' ? { mode: options.leaks } : options?.leaks
  // The kernel would list the runner's own sockets, and nothing says whose they are.
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
  return check.endFile()
}

/** Leads traces to the sources of the user, as long as the runner can do it: it maps what it has compiled until it closes. */
export function mapTraces(): void {
  for (const record of tracker().open({ dialling: true })) record.trace = linesOf(record.trace)
}

/** The same without a word of blame, while a teardown runs; undefined if nothing is open. */
export function openInMainProcess(): string | undefined {
  const open = trackSockets().sockets().filter(isOfUser)
  return open.length === 0 ? undefined : report(open).split('\n').slice(1).join('\n')
}

/** What the runner opens for itself has no frame but those of Node and of packages. */
const isOfUser = ({ openedAt }: Pick<SocketLeak, 'openedAt'>): boolean =>
  openedAt.some(({ file }) => !/^node:|[/\\]node_modules[/\\]/.test(file))

const begun = (): { activity: number; alive: AliveBefore } =>
  processState('runners.main-process', () => {
    releaseAtExit()
    const { activity, workers } = tracker()
    return { activity, alive: aliveBefore(workers) }
  })

export { printable }
