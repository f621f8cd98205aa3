import { isNamedInConfiguration } from './jest-place.js'
import { ENTRIES, isPreloaded, misplaced } from './right-place.js'
import { type RunnerName, runnerProgram, thisRunner } from './this-runner.js'
import { workerState } from './vitest-worker.js'

/**
 * Throws ERR_PORTSIDE_UNSUPPORTED if a setting of a test runner or an option of Node loads `portside` itself. That does not start the leak
 * check, and the run would not say so. A setup file of the user may import it.
 */
export function checkMainPlace(): void {
  const here = thisRunner() ?? runnerProgram()
  if (here === undefined || !isNamed(here)) return
  throw misplaced('', `${here} loads it before the tests, but it does not start the leak check`, ENTRIES[here])
}

function isNamed(runner: RunnerName): boolean {
  if (isPreloaded('')) return true
  if (runner === 'Vitest') return workerState()?.config?.setupFiles?.some((file) => MAIN.test(file)) === true
  if (runner === 'Jest') return isNamedInConfiguration(checkMainPlace)
  return runner === 'Mocha' && isPreloaded('', { execArgv: process.argv, env: {} })
}

const MAIN = /[/\\]portside[/\\]dist[/\\]index\.c?js$/
