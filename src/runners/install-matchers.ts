import { readArgument } from '../argument.js'
import { matchers } from '../assertions/matchers.js'

/** Adds the matchers to an `expect`; once or many times. Throws ERR_INVALID_ARG_TYPE for anything without `extend()`. */
export function installMatchers(expect: ExtensibleExpect): void {
  readArgument('expect', 'an expect with extend()', expect, () => {
    expect.extend(matchers)
    return true
  })
}

/** The `expect` of Vitest, of Jest, or another that is extended as they are. */
export interface ExtensibleExpect {
  extend(matchers: object): unknown
}
