import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

export interface Program {
  readonly path?: string
  /** ENOENT: there is no program of this name. EACCES: it may not be executed. */
  readonly code?: 'ENOENT' | 'EACCES'
}

/** The code for an invalid working directory: ENOENT, ENOTDIR, EACCES, ENAMETOOLONG. Undefined for a valid one. */
export function whyNoDirectory(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : 'ENOTDIR'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'ENOENT'
  }
}

/**
 * The file that `execvp` would run for a command: a path directly, a bare name from PATH (exec(3)). On Windows the system does the
 * search.
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
      // Try the next place.
    }
  }
  return { code }
}
