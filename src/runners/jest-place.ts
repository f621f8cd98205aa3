import { fileOf, isOwnFile, linesAbove } from '../caller.js'
import { processState } from '../process-state.js'
import { checkPlace, checkPreloads, misplaced } from './right-place.js'
import { isJestProgram, isJestRealm } from './this-runner.js'

export function checkMatchersPlace(): void {
  checkPlace('jest', 'Jest')
  if (!isJestRealm() && isJestProgram()) {
    throw misplaced('jest', 'Jest loads it outside of the test files', MATCHERS_OR_CHECK)
  }
  if (!isJestRealm() || globals.expect !== undefined) return
  if (!hasFramework()) {
    throw misplaced('jest', 'files of setupFiles run before expect exists', "setupFilesAfterEnv: ['portside/jest']")
  }
  if (isNamedInConfiguration(checkMatchersPlace)) {
    const write =
      'install(expect) of portside/jest, with the expect of @jest/globals, into a file of setupFilesAfterEnv'
    throw misplaced('jest', 'injectGlobals is false, so there is no global expect', write)
  }
}

const MATCHERS_OR_CHECK =
  "setupFilesAfterEnv: ['portside/jest'] for the matchers, or preset: 'portside' for the leak check too"

/** Throws if the environment is loaded as a setup file. A test file may load it, to build on it. */
export function checkEnvironmentPlace(): void {
  if (!isJestRealm()) checkPreloads('jest-environment', 'Jest')
  if (!isJestRealm() || !isSetupFile()) return
  throw misplaced(
    'jest-environment',
    'it is an environment, but Jest requires it as a setup file',
    "testEnvironment: 'portside/jest-environment'",
  )
}

/** Throws if a file of setupFiles or a test file loads an entry that is for the configuration of Jest. */
export function checkConfigurationPlace(entry: string, write: string): void {
  checkPreloads(entry, 'Jest')
  if (isJestRealm()) throw misplaced(entry, 'it is for the configuration of Jest, not for test files', write)
}

/** jest-circus keeps its state under its own symbol in each realm, also if it injects no globals. */
const hasFramework = (): boolean =>
  'jasmine' in globalThis ||
  Object.getOwnPropertySymbols(globalThis).some(({ description }) => description === 'JEST_STATE_SYMBOL')

function isSetupFile(): boolean {
  const { requiring, users } = requirers(checkEnvironmentPlace)
  if (!requiring) return false
  if (users.length === 0 || !(hasFramework() || globals.expect !== undefined)) return true
  const testPath = globals.expect?.getState?.().testPath
  return testPath !== undefined && !users.includes(testPath)
}

/** Whether Jest requires the current module because its configuration names it. */
export function isNamedInConfiguration(above: () => void): boolean {
  const { requiring, users } = requirers(above)
  return requiring && users.length === 0
}

/** Whether Jest requires this module now, and which files of the user require it. An import shows no such file. */
function requirers(above: () => void): { requiring: boolean; users: string[] } {
  const lines = linesAbove(above, FRAMES, () => true)
  const files = lines.map((line) => fileOf(line) ?? 'node:')
  const isIn = (frame: RegExp): boolean => lines.some((line) => frame.test(line))
  return {
    // An import of a CommonJS file is a require too. Its frames are those of Jest, or of an ES module of portside.
    requiring: isIn(/\.requireModule .*[/\\]jest-runtime[/\\]/) && !isIn(/[cC]jsAsEsm\b/) && !files.some(isOwnEsModule),
    users: files.filter((file) => !/^node:|[/\\]node_modules[/\\]/.test(file) && !isOwnFile(file)),
  }
}

const isOwnEsModule = (file: string): boolean => file.endsWith('.js') && isOwnFile(file)

/** Each `require` of Jest takes about six frames. */
const FRAMES = 200

const globals = globalThis as { expect?: { getState?(): { testPath?: string } } }

/** The files of this process that run in another environment. In a run without workers, the main process has them too. */
export const uncheckedFiles = (): { said: boolean; readonly files: Set<string> } =>
  processState('runners.jest-other-environment', () => ({ said: false, files: new Set<string>() }))
