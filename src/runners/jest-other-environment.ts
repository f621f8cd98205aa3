import { isAnnounced, printLine } from './announcement.js'
import { type ExtensibleExpect, installMatchers } from './install-matchers.js'
import { uncheckedFiles } from './jest-place.js'

/** Adds the matchers, and prints one line in each process that says that the leak check is off. */
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
