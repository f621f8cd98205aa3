import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { checkPlace } from './right-place.js'
import { install } from './vitest-install.js'

// As in vitest.ts.
declare module 'vitest' {
  interface Matchers extends NetMatchers {}
  interface AsymmetricMatchersContaining extends NetAsymmetricMatchers {}
  interface ProvidedContext {
    portside?: RunnerOptions
  }
}

// TypeScript augments a module only where something imports it, and tsup drops an import of nothing.
export type { Matchers } from 'vitest'
export type { Match } from '../assertions/matcher-types.js'

checkPlace('vitest/setup', 'Vitest')
install()
