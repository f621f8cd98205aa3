import { portsideError } from '../errors.js'
import { processState } from '../process-state.js'

/** Marks this process and its workers, so the environments know that `portside/jest-runner` runs them. */
export function markRunner(): void {
  process.env[VARIABLE] = 'runs'
}

/** Throws ERR_PORTSIDE_UNSUPPORTED if `host` is set and the project has another runner, which would ignore it. */
export function checkHosts(options: object | undefined): void {
  if (options === undefined || !('host' in options) || options.host === undefined || isMarked()) return
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline:
      'Cannot give the workers hosts of their own: testEnvironmentOptions.portside.host needs portside/jest-runner',
    next: "write runner: 'portside/jest-runner' next to testEnvironmentOptions",
  })
}

/** A program that a test starts, such as another Jest, does not get the variable. */
function isMarked(): boolean {
  const state = processState('runners.jest-runner', () => ({ marked: false }))
  if (process.env[VARIABLE] !== undefined) state.marked = true
  delete process.env[VARIABLE]
  return state.marked
}

const VARIABLE = 'PORTSIDE_JEST_RUNNER'
