import { fileOf, isOwnFile, linesAbove } from '../caller.js'
import { processState } from '../process-state.js'
import { checkPlace, checkPreloads, misplaced } from './right-place.js'
import { isJestProgram, isJestRealm } from './this-runner.js'

/** Throws ERR_PORTSIDE_UNSUPPORTED if no test file would get the matchers of `portside/jest`. */
export function checkMatchersPlace(): void {
  checkPlace('jest', 'Jest')
  if (!isJestRealm() && isJestProgram()) {
    throw misplaced('jest', 'Jest loads it outside of the test files', MATCHERS_OR_CHECK)
  }
  if (!isJestRealm() || globals.expect !== undefined) return
  if (!hasFramework()) {
    throw misplaced(
      'jest',
      'a file of setupFiles runs before there is an expect',
      "setupFilesAfterEnv: ['portside/jest']",
    )
  }
  if (isNamedInConfiguration(checkMatchersPlace)) {
    const write =
      'install(expect) of portside/jest, with the expect of @jest/globals, into a file of setupFilesAfterEnv'
    throw misplaced('jest', 'there is no global expect, for injectGlobals is false', write)
  }
}

const MATCHERS_OR_CHECK =
  "setupFilesAfterEnv: ['portside/jest'] for the matchers, or preset: 'portside' for the leak check, too"

/** Throws ERR_PORTSIDE_UNSUPPORTED if the environment is loaded as a setup file. A test file may load it, to build on it. */
export function checkEnvironmentPlace(): void {
  if (!isJestRealm()) checkPreloads('jest-environment', 'Jest')
  if (!isJestRealm() || !isSetupFile()) return
  throw misplaced(
    'jest-environment',
    'Jest requires it as a setup file, and it is an environment',
    "testEnvironment: 'portside/jest-environment'",
  )
}

/** Throws ERR_PORTSIDE_UNSUPPORTED if a file of setupFiles or a test file loads an entry that is for the configuration of Jest. */
export function checkConfigurationPlace(entry: string, write: string): void {
  checkPreloads(entry, 'Jest')
  if (isJestRealm()) throw misplaced(entry, 'it is for the configuration of Jest, and not for its test files', write)
}

/** jest-circus keeps its state under a symbol of its own in each realm, also where it injects no globals. */
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

/** Whether Jest itself requires the module that runs now, because its configuration names it. */
export function isNamedInConfiguration(above: () => void): boolean {
  const { requiring, users } = requirers(above)
  return requiring && users.length === 0
}

/** Whether Jest requires this module now, and which files of the user have asked for it. An import shows none of them. */
function requirers(above: () => void): { requiring: boolean; users: string[] } {
  const lines = linesAbove(above, FRAMES, () => true)
  const files = lines.map((line) => fileOf(line) ?? 'node:')
  const isIn = (frame: RegExp): boolean => lines.some((line) => frame.test(line))
  return {
    // An import of a CommonJS file is a require, too, and its frames are those of Jest, or of an ES module of portside.
    requiring: isIn(/\.requireModule .*[/\\]jest-runtime[/\\]/) && !isIn(/[cC]jsAsEsm\b/) && !files.some(isOwnEsModule),
    users: files.filter((file) => !/^node:|[/\\]node_modules[/\\]/.test(file) && !isOwnFile(file)),
  }
}

const isOwnEsModule = (file: string): boolean => file.endsWith('.js') && isOwnFile(file)

/** Each `require` of Jest takes about six. */
const FRAMES = 200

const globals = globalThis as { expect?: { getState?(): { testPath?: string } } }

/** The files of this process that run in another environment. Of a run in one process the main process has them, too. */
export const uncheckedFiles = (): { said: boolean; readonly files: Set<string> } =>
  processState('runners.jest-other-environment', () => ({ said: false, files: new Set<string>() }))
