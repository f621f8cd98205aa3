import { codeOf } from '../errors.js'
import { endBy } from './signals.js'
import { typedMessage } from './typed.js'

/** The exit codes of timeout(1), docker-run(1) and sh(1). */
const NOT_IN_TIME = 124
const FAILED = 125
const NOT_EXECUTABLE = 126
const NOT_FOUND = 127

/** The text that `Output.describe()` adds. */
const OUTPUT = /(?:^|; and )(?:this output of the program\n[\s\S]*|no output\b[^\n]*)$/

/** Prints why COMMAND was not ready. Returns the exit code. */
export function notStarted(error: unknown): number {
  const { actual, syscall, exitCode, signal } = error as {
    actual?: string
    syscall?: string
    exitCode?: number | null
    signal?: NodeJS.Signals | null
  }
  const code = codeOf(error)
  // The output of the program has been printed already.
  const said = code === 'ERR_PORTSIDE_CHILD_EXITED' ? undefined : actual?.replace(OUTPUT, '')
  process.stderr.write(`portside start: ${typedMessage(error, { actual: said })}\n`)
  if (code === 'ERR_PORTSIDE_NOT_READY') return NOT_IN_TIME
  if (code === 'ERR_PORTSIDE_CHILD_EXITED') {
    if (signal) return endBy(signal)
    // COMMAND succeeded, but TEST has not run.
    return exitCode || FAILED
  }
  if (!syscall?.startsWith('spawn')) return FAILED
  return code === 'ENOENT' ? NOT_FOUND : code === 'EACCES' ? NOT_EXECUTABLE : FAILED
}
