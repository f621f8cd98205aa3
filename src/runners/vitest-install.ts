import { expect, inject, test } from 'vitest'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { installMatchers } from './install-matchers.js'
import { followFixtures } from './vitest-fixtures.js'
import { checkLeaks, checkNow } from './vitest-leaks.js'

/**
 * Adds the matchers to Vitest's `expect` and the leak check to the tests of the file. Call it in a setup file or a test file; calling it
 * twice is safe.
 *
 * Without options, those of `portside()` or `provide: { portside: ... }` in the configuration apply. Options replace earlier ones for this
 * file.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or `PORTSIDE_LEAKS` has an invalid value
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * import { install } from 'portside/vitest'
 *
 * install({ leaks: { idlePools: 'close' } })
 * ```
 * @see `docs/vitest.md#the-leak-check`
 */
export function install(options?: RunnerOptions): void {
  installMatchers(expect)
  checkLeaks(options, inject('portside'))
}

// Before a file extends it.
followFixtures(test, checkNow)
