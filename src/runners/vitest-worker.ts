import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import type { RunnerOptions } from '../leaks/leak-check.js'

/** What the plugin provides: it announces the check in the main process. */
export interface ProvidedOptions extends RunnerOptions {
  readonly plugin?: boolean
}

/** What Vitest knows of the file that its worker runs, as far as it is read here. One for each task of a worker. */
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

/** The process that runs the workers: they are its threads or its children. */
export const mainProcess = (): number => (isMainThread ? process.ppid : process.pid)
