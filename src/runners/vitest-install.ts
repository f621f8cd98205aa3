import { expect, inject } from 'vitest'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { installMatchers } from './install-matchers.js'
import { checkLeaks } from './vitest-leaks.js'

/**
 * Adds the matchers to Vitest's `expect` and the leak check to the tests of the file, from a setup file or a test file;
 * once or many times. Options that are not given come from `portside()` or `provide: { portside: ... }` in the configuration of
 * Vitest; those that are given replace the ones before, for this file.
 */
export function install(options?: RunnerOptions): void {
  installMatchers(expect)
  checkLeaks(options, inject('portside'))
}
