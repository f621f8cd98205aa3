import { matchers } from '../assertions/matchers.js'

/** Adds the matchers to an `expect`; once or many times. */
export function installMatchers(expect: ExtensibleExpect): void {
  expect.extend(matchers)
}

/** The `expect` of Vitest, of Jest, or another that is extended as they are. */
export interface ExtensibleExpect {
  extend(matchers: object): unknown
}
