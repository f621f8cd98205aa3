import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'

export interface Program {
  readonly path?: string
  /** ENOENT: there is none of this name. EACCES: there is, and it may not be executed. */
  readonly code?: 'ENOENT' | 'EACCES'
}

/** Why nothing can be run in a directory: it does not exist, or is none; undefined where it is one. */
export function whyNoDirectory(path: string): Promise<'ENOENT' | 'ENOTDIR' | undefined> {
  return stat(path).then(
    (found) => (found.isDirectory() ? undefined : 'ENOTDIR'),
    () => 'ENOENT',
  )
}

/**
 * The file that `execvp` would run for a command: a path as it is, a bare name from PATH (exec(3)). On Windows the
 * search is left to the system.
 */
export async function findProgram(
  command: string,
  { cwd = '.', path = '' },
  platform: NodeJS.Platform = process.platform,
): Promise<Program> {
  if (platform === 'win32') return { path: command }
  const places = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(delimiter).map((dir) => join(resolve(cwd, dir), command))
  let code: 'ENOENT' | 'EACCES' = 'ENOENT'
  for (const place of places) {
    try {
      if (!(await stat(place)).isFile()) continue
      code = 'EACCES'
      await access(place, constants.X_OK)
      return { path: place }
    } catch {
      // Not this one.
    }
  }
  return { code }
}
