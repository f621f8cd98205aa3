import { ownFile } from '../caller.js'
import { readLeakOptions } from '../leaks/leak-check.js'
import { trackMainProcess } from '../leaks/main-process.js'
import { checkConfigurationPlace } from './jest-place.js'

// What `preset: 'portside'` sets in the configuration of Jest. A configuration with another preset can spread it. Named by their files,
// because a configuration of several packages may stand where `portside` cannot be resolved. Jest requires all of them.

/** The environment with the matchers and the leak check: `portside/jest-environment`. */
export const testEnvironment: string = ownFile('jest-environment.cjs')
/** Adds the matchers in test files with another environment, and says that the leak check is off there. */
export const setupFilesAfterEnv: string[] = [ownFile('jest-setup.cjs')]
/** Checks the main process of Jest after its global teardown. */
export const testResultsProcessor: string = ownFile('jest-results.cjs')

checkConfigurationPlace('jest-preset', "preset: 'portside'")

// Jest reads the preset in its own process, before any global set-up. An invalid PORTSIDE_LEAKS fails the run here instead of each file.
if (readLeakOptions(undefined, 'preset').mode !== 'off') trackMainProcess()
