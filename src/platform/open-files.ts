import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { codeOf } from '../errors.js'

/** How many descriptors this process has, and how many it may have; undefined what the system does not tell. */
export interface OpenFiles {
  readonly open: number | undefined
  readonly limit: number | undefined
}

export function openFiles(): OpenFiles {
  const limit = readLimit()
  if (limit !== undefined) return { open: countOpen(), limit }
  const known = isOutOfDescriptors() ? limitWithoutOpening() : undefined
  return { open: countOpen() ?? (known && countWithoutOpening(known)), limit: known }
}

/** The same where no descriptor is left to read /proc with: nothing is opened for it. */
function limitWithoutOpening(): number | undefined {
  const { report } = process
  // Otherwise it looks up the names of all peers: https://nodejs.org/api/process.html#processreportexcludenetwork
  const options = report as unknown as { excludeNetwork?: boolean }
  const { excludeNetwork } = options
  options.excludeNetwork = true
  try {
    const { userLimits } = report.getReport() as unknown as { userLimits?: { open_files?: { soft?: unknown } } }
    const soft = Number(userLimits?.open_files?.soft)
    return Number.isInteger(soft) ? soft : undefined
  } catch {
    // Windows has no such limit.
    return undefined
  } finally {
    options.excludeNetwork = excludeNetwork ?? false
  }
}

/** Asks each number below the limit whether it is open. */
function countWithoutOpening(limit: number): number | undefined {
  if (limit > MOST_ASKED) return undefined
  let open = 0
  for (let fd = 0; fd < limit; fd++) if (isOpen(fd)) open++
  return open
}

/** Above that, to ask for each number takes longer than the answer is worth. */
const MOST_ASKED = 65_536

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    // EBADF.
    return false
  }
}

/** Whether this process can open nothing more. */
export function isOutOfDescriptors(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return false
  } catch (error) {
    return codeOf(error) === 'EMFILE' || codeOf(error) === 'ENFILE'
  }
}

function countOpen(): number | undefined {
  try {
    // Less the one by which it is read.
    return readdirSync('/dev/fd').length - 1
  } catch {
    // Windows, and a process that has none left to look with.
    return undefined
  }
}

/** `Max open files  1024  4096  files` (proc_pid_limits(5)); the first is the one in force. */
function readLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? undefined : Number(limit)
  } catch {
    // Another system.
    return undefined
  }
}
