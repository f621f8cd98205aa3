import { readArgument } from '../argument.js'
import { matchers } from '../assertions/matchers.js'

/** Adds the matchers to an `expect`. Calling it twice is safe. Throws ERR_INVALID_ARG_TYPE if it has no `extend()`. */
export function installMatchers(expect: ExtensibleExpect): void {
  readArgument('expect', 'an expect with extend()', expect, () => {
    expect.extend(matchers)
    return true
  })
}

/** The `expect` of Vitest, of Jest, or another with the same `extend()`. */
export interface ExtensibleExpect {
  extend(matchers: object): unknown
}
