import { portsideError } from '../errors.js'
import { identified, isRunning } from '../platform/process-tree.js'
import { ProgramFamily } from '../platform/program-family.js'
import { socketsOf } from '../socket-table/sockets-of.js'
import { conditionsOf } from './conditions.js'
import { type Endpoints, endpointsOf } from './endpoints.js'
import { AnywhereFinder } from './find-anywhere.js'
import type { Finder } from './finder.js'
import { notReady } from './not-ready.js'
import { checkReadyOfOthers } from './ready.js'
import { untilReady } from './until-ready.js'
import type { ListeningWaitOptions } from './wait-options.js'

/** Waits until a process, or one that it started, listens on any TCP port. */
export async function waitForProcess(pid: number, options: ListeningWaitOptions): Promise<Endpoints> {
  const { timeout = 10_000, interval, signal } = options
  const asked = `wait until process ${pid} listens`
  const conditions = conditionsOf(checkReadyOfOthers(options.ready), { trust: 'any' })
  const itself = identified(pid)
  const family = new ProgramFamily(pid)
  const finder = new AnywhereFinder(family)
  if (!isRunning(itself)) {
    throw portsideError('ESRCH', {
      headline: `Cannot ${asked}: ESRCH (no such process)`,
      next: 'pass the pid of a process that runs; if it has exited already, see its output',
    })
  }
  if (family.tree().every((one) => socketsOf([one], { state: 'LISTEN' }).unreadable)) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot ${asked}`,
      because: 'this user may not inspect the process (proc_pid_fd(5))',
      next: 'wait for its port, or run this as its user or as root',
    })
  }
  const over = new AbortController()
  const watching: Finder = {
    get expected() {
      return finder.expected
    },
    needs: finder.needs,
    find: (giveUp: AbortSignal) => {
      if (!isRunning(itself)) over.abort()
      return finder.find(giveUp)
    },
    holds: finder.holds.bind(finder),
    seen: finder.seen.bind(finder),
  }
  const result = await untilReady(asked, watching, conditions, { timeout, interval, signal, stop: over.signal })
  if ('ready' in result) return endpointsOf(result.ready.endpoints)
  if (over.signal.aborted || !isRunning(itself)) {
    throw portsideError('ERR_PORTSIDE_CHILD_EXITED', {
      headline: `Cannot ${asked}: the process has exited`,
      next: 'find out why it exited',
    })
  }
  const { unready } = result
  throw notReady({ asked, timeout, finder, unready, family, endpoints: [], code: 'ERR_PORTSIDE_WAIT_TIMEOUT' })
}
