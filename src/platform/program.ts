import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

export interface Program {
  readonly path?: string
  /** ENOENT: there is none of this name. EACCES: there is, and it may not be executed. */
  readonly code?: 'ENOENT' | 'EACCES'
}

/** The code for a directory in which nothing can be run: ENOENT, ENOTDIR, EACCES, ENAMETOOLONG. Undefined for any other. */
export function whyNoDirectory(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : 'ENOTDIR'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'ENOENT'
  }
}

/**
 * The file that `execvp` would run for a command: a path as it is, a bare name from PATH (exec(3)). On Windows the
 * search is left to the system.
 */
export function findProgram(
  command: string,
  { cwd = '.', path = '' },
  platform: NodeJS.Platform = process.platform,
): Program {
  if (platform === 'win32') return { path: command }
  const places = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(delimiter).map((dir) => join(resolve(cwd, dir), command))
  let code: 'ENOENT' | 'EACCES' = 'ENOENT'
  for (const place of places) {
    try {
      if (!statSync(place).isFile()) continue
      code = 'EACCES'
      accessSync(place, constants.X_OK)
      return { path: place }
    } catch {
      // Not this one.
    }
  }
  return { code }
}
