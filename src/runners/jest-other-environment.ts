import { processState } from '../process-state.js'
import { isAnnounced, printLine } from './announcement.js'
import { type ExtensibleExpect, installMatchers } from './install-matchers.js'

/** The matchers, and one line in each process that says that the leak check is off. */
export function setUpOtherEnvironment(): void {
  const { expect } = globalThis as { expect?: ExtensibleExpect & { getState?(): { testPath?: string } } }
  if (expect !== undefined) installMatchers(expect)
  const state = processState('runners.jest-other-environment', () => ({ said: false }))
  if (state.said || !isAnnounced(undefined)) return
  state.said = true
  const file = expect?.getState?.().testPath ?? 'a test file'
  printLine(`portside: leak check off in ${file}: its testEnvironment is not portside/jest-environment`)
}
