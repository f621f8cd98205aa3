import { ownFile } from '../caller.js'
import { readLeakOptions } from '../leaks/leak-check.js'
import { trackMainProcess } from '../leaks/main-process.js'
import { checkConfigurationPlace } from './jest-place.js'

// What `preset: 'portside'` sets in the configuration of Jest; a configuration that has another preset can spread it. By their files: a
// configuration of several packages may stand where `portside` cannot be resolved. Jest requires all of them.
export const testEnvironment: string = ownFile('jest-environment.cjs')
export const setupFilesAfterEnv: string[] = [ownFile('jest-setup.cjs')]
export const testResultsProcessor: string = ownFile('jest-results.cjs')

checkConfigurationPlace('jest-preset', "preset: 'portside'")

// Jest reads the preset in its own process, before any global set-up runs. A wrong PORTSIDE_LEAKS fails the run here, and not each file.
if (readLeakOptions(undefined, 'preset').mode !== 'off') trackMainProcess()
