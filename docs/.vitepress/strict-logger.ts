import type { UserConfig } from 'vitepress'

type Logger = NonNullable<NonNullable<UserConfig['vite']>['customLogger']>

const shown = new Set<string>()

/** The logger of a build. It prints warnings and errors, and each makes the program fail when it exits. */
export const strictLogger: Logger = {
  hasWarned: false,
  info() {},
  warn(message) {
    strictLogger.hasWarned = true
    process.exitCode = 1
    console.error(`warning: ${message}`)
  },
  warnOnce(message) {
    if (!shown.has(message)) strictLogger.warn(message)
    shown.add(message)
  },
  error(message) {
    process.exitCode = 1
    console.error(message)
  },
  clearScreen() {},
  hasErrorLogged: () => false,
}
