import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import type { RunnerOptions } from '../leaks/leak-check.js'

/** The options that the plugin provides. With the plugin, the main process announces the check. */
export interface ProvidedOptions extends RunnerOptions {
  readonly plugin?: boolean
}

/** The part of Vitest's state of a worker that is read here. New for each task of a worker. */
export interface WorkerState {
  readonly filepath?: string
  readonly config?: {
    readonly setupFiles?: readonly string[]
    readonly sequence?: { readonly hooks?: string }
  }
}

export const workerState = (): WorkerState | undefined =>
  (globalThis as { __vitest_worker__?: WorkerState }).__vitest_worker__

/** Whether the configuration names a module as a setup file. */
export function isSetupFile(url: string): boolean {
  const { setupFiles = [] } = workerState()?.config ?? {}
  return url.startsWith('file:') && setupFiles.some((file) => real(file) === real(fileURLToPath(url)))
}

/** A package may be a link, as with pnpm. */
function real(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file
  }
}

/** The pid of the process that runs the workers, which are its threads or children. */
export const mainProcess = (): number => (isMainThread ? process.ppid : process.pid)
