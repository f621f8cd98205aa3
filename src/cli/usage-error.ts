/** Invalid arguments of the command line: exit code 2, and one line with the usage of the command. */
export class UsageError extends Error {
  readonly code = USAGE
}

export const USAGE = 'ERR_PORTSIDE_USAGE'
