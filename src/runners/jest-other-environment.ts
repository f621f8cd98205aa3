import { processState } from '../process-state.js'
import { isAnnounced, printLine } from './announcement.js'
import { type ExtensibleExpect, installMatchers } from './install-matchers.js'

/** The matchers, and one line in each process that says that the leak check is off. */
export function setUpOtherEnvironment(): void {
  const { expect } = globalThis as { expect?: ExtensibleExpect & { getState?(): { testPath?: string } } }
  if (expect !== undefined) installMatchers(expect)
  const state = uncheckedFiles()
  const file = expect?.getState?.().testPath ?? 'a test file'
  state.files.add(file)
  if (state.said || !isAnnounced(undefined)) return
  state.said = true
  printLine(`portside: leak check off in ${file}: its testEnvironment is not portside/jest-environment`)
}

/** The files of this process that run in another environment. Of a run in one process the main process has them, too. */
export const uncheckedFiles = (): { said: boolean; readonly files: Set<string> } =>
  processState('runners.jest-other-environment', () => ({ said: false, files: new Set<string>() }))
