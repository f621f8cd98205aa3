import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { hasEnded, markOf } from './process-mark.js'

/**
 * Whether this is the first call for a run, which is identified by the process of its workers. Workers cannot share memory or a changed
 * environment, but they share a temporary directory. The first that creates a file there has the claim, and leaves a note for the main
 * process. True if that cannot be determined.
 */
export function claimRun(main: number, note: string, folder: string = tmpdir()): boolean {
  const mark = process.env[RUN_VARIABLE] ?? markOf(main)
  if (mark === undefined) return true
  const file = join(folder, nameOf(mark))
  // For all workers after the first: the check is cheaper than the error of an existing file.
  if (existsSync(file)) return false
  try {
    writeFileSync(file, `${mark}\n${note}`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EEXIST'
  }
  removeEnded(folder)
  if (main === process.pid && isMainThread) releaseAtExit(folder)
  return true
}

/** For the process that runs the workers: if it has code of portside, the run leaves no file. */
export function releaseAtExit(folder: string = tmpdir()): void {
  const mark = markOf(process.pid)
  if (mark !== undefined) process.once('exit', () => tryTo(() => unlinkSync(join(folder, nameOf(mark)))))
}

/** The note of the first worker, for the process that runs the workers. */
export function noteOfRun(folder: string = tmpdir()): string | undefined {
  const mark = markOf(process.pid)
  try {
    return mark && readFileSync(join(folder, nameOf(mark)), 'utf8').slice(mark.length + 1)
  } catch {
    return undefined
  }
}

/** For the process that runs the workers, at the end of the run: whether no worker has claimed it. Each worker with a leak check does. */
export const isUnclaimed = (folder: string = tmpdir()): boolean =>
  noteOfRun(folder) === undefined && claimRun(process.pid, '', folder) && noteOfRun(folder) !== undefined

/** For workers that cannot see the process that started them, such as a worker in its own PID namespace. */
export function runEnvironment(): Record<string, string> {
  const mark = markOf(process.pid)
  return mark === undefined ? {} : { [RUN_VARIABLE]: mark }
}

const RUN_VARIABLE = 'PORTSIDE_RUN'

const prefix = (): string => `portside-run-${process.getuid?.() ?? -1}-`

const nameOf = (mark: string): string => prefix() + mark.replace(/\W+/g, '-')

/** A later run removes the file if the process of the run has no code of portside to do it. */
function removeEnded(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix())) continue
      const path = join(folder, name)
      tryTo(() => hasEnded(readFileSync(path, 'utf8').split('\n')[0] ?? '') && unlinkSync(path))
    }
  } catch {
    // This process may not list the directory, or no descriptor is left.
  }
}

function tryTo(action: () => void): void {
  try {
    action()
  } catch {
    // Another run has removed it, or no worker has created it.
  }
}
