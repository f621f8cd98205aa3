import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import { install } from './vitest.js'

// As in vitest.ts.
declare module 'vitest' {
  interface Matchers extends NetMatchers {}
  interface AsymmetricMatchersContaining extends NetAsymmetricMatchers {}
}

// TypeScript augments a module only where something imports it, and tsup drops an import of nothing.
export type { Matchers } from 'vitest'

install()
