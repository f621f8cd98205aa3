import type { RunnerOptions } from '../leaks/leak-check.js'
import { checkMainProcess, printable } from '../leaks/main-process.js'
import { isUnclaimed, noteOfRun } from '../platform/run-claim.js'
import { printLine } from './announcement.js'
import { uncheckedFiles } from './jest-place.js'

/** The part of the argument of a `testResultsProcessor` that is read here. */
export interface Results {
  success: boolean
  readonly numTotalTests?: number
}

/**
 * For Jest's `testResultsProcessor`, the only hook that Jest calls and awaits after a global teardown. Fails the run if the main process
 * has left a socket open. The options are those of the first test file, which its worker has noted.
 */
export default async function checkBehindTeardown<T extends Results>(results: T): Promise<T> {
  const error = await checkMainProcess(notedOptions(), 'Jest', uncheckedFiles().files)
  if (results.numTotalTests !== 0 && isUnclaimed()) {
    printLine(
      "portside: leak check off: no test file has the environment of the preset; write preset: 'portside' in each project",
    )
  }
  if (error === undefined) return results
  printLine(printable(error.message))
  results.success = false
  return results
}

function notedOptions(): RunnerOptions {
  const note = noteOfRun()
  return note === undefined || note === '' ? {} : { leaks: JSON.parse(note) as RunnerOptions['leaks'] }
}
