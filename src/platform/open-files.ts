import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { codeOf } from '../errors.js'
import { isOpenDescriptor } from './descriptor-inode.js'

/** The number of descriptors of this process, and the limit. Undefined if the system does not show it. */
export interface OpenFiles {
  readonly open: number | undefined
  readonly limit: number | undefined
}

/** Whether a process has a limit of open files (getrlimit(2)). Windows has none that it shows. */
export const hasLimitOfFiles = (platform: NodeJS.Platform = process.platform): boolean => platform !== 'win32'

export function openFiles(): OpenFiles {
  const limit = readLimit()
  if (limit !== undefined) return { open: countOpen(), limit }
  const known = isOutOfDescriptors() ? limitWithoutOpening() : undefined
  return { open: countOpen() ?? (known && countWithoutOpening(known)), limit: known }
}

/** The limit without opening a file: it works when no descriptor is left to read /proc with. */
function limitWithoutOpening(): number | undefined {
  const { report } = process
  // Without this it looks up the names of all peers: https://nodejs.org/api/process.html#processreportexcludenetwork
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

/** Checks each number below the limit. */
function countWithoutOpening(limit: number): number | undefined {
  if (limit > MOST_ASKED) return undefined
  let open = 0
  for (let fd = 0; fd < limit; fd++) if (isOpenDescriptor(fd)) open++
  return open
}

/** Above this limit the check of each number takes too long. */
const MOST_ASKED = 65_536

/** Whether this process has no descriptor left. */
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
    // Without the descriptor of this read.
    return readdirSync('/dev/fd').length - 1
  } catch {
    // Windows, or a process without a descriptor left.
    return undefined
  }
}

/** `Max open files  1024  4096  files` (proc_pid_limits(5)). The first is the current limit. */
function readLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? undefined : Number(limit)
  } catch {
    // Another system.
    return undefined
  }
}
