import { readFileSync } from 'node:fs'
import { runtime } from '../platform/runtime.js'
import type { ExtensibleExpect } from './install-matchers.js'
import { checkPlace, ENTRIES, misplaced } from './right-place.js'

/** The part of `bun:test` that is used here (https://bun.com/docs/test/lifecycle). */
export interface BunTest {
  beforeEach(hook: () => void | Promise<void>): void
  afterEach(hook: () => void | Promise<void>): void
  afterAll(hook: () => void | Promise<void>): void
  /** Throws in a concurrent test. */
  onTestFinished(hook: () => void | Promise<void>): void
  readonly expect: ExtensibleExpect
}

/** The functions of `bun:test`. Throws ERR_PORTSIDE_UNSUPPORTED outside of `bun test`. */
export function bunTest(): BunTest {
  checkPlace('bun', 'bun test', true)
  const found = process.getBuiltinModule('bun:test') as unknown as BunTest | undefined
  if (runtime() !== 'Bun' || found === undefined) {
    throw misplaced('bun', `${runtime()} runs this process, but the entry is for bun test`, ENTRIES['bun test'])
  }
  try {
    found.beforeEach(() => {})
  } catch {
    throw misplaced('bun', 'bun test does not run this process', ENTRIES['bun test'])
  }
  return found
}

/**
 * Whether `bun test` may have preloaded this module. Bun does not say, so this looks for a preload in the command and in bunfig.toml. A
 * process of `--parallel` does not show the command.
 */
export function isPreloadedByBun(
  command: string | undefined = read('/proc/self/cmdline'),
  bunfig: string | undefined = read('bunfig.toml'),
  options: string = process.env.BUN_OPTIONS ?? '',
): boolean {
  if (command === undefined) return true
  return PRELOADING.test(command) || PRELOADING.test(` ${options}`) || /^\s*preload\s*=/m.test(bunfig ?? '')
}

const PRELOADING = /[\0 ](?:--preload|--require|--import|-r|--config|-c|--test-worker)(?:[\0 =]|$)/

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
