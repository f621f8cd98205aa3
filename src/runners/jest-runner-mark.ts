import { portsideError } from '../errors.js'
import { processState } from '../process-state.js'

/** Tells the environments of this run, in this process and in its workers, that `portside/jest-runner` runs them. */
export function markRunner(): void {
  process.env[VARIABLE] = 'runs'
}

/** Throws ERR_PORTSIDE_UNSUPPORTED for options of workers that the runner of this project would not look at. */
export function checkHosts(options: object | undefined): void {
  if (options === undefined || !('host' in options) || options.host === undefined || isMarked()) return
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline:
      'Cannot give the workers hosts of their own: testEnvironmentOptions.portside.host needs the runner of portside',
    next: "write runner: 'portside/jest-runner', beside testEnvironment",
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
