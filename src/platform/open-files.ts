import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { codeOf } from '../errors.js'

/** How many descriptors this process has, and how many it may have; undefined what the system does not tell. */
export interface OpenFiles {
  readonly open: number | undefined
  readonly limit: number | undefined
}

export function openFiles(): OpenFiles {
  return { open: countOpen(), limit: readLimit() }
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
