import { mkdtempSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.js'
import { processState } from '../process-state.js'
import { hasEnded, markOfThisProcess } from './process-mark.js'

const SOCKET = 's.sock'
const OWNER = 'owner'

/**
 * A new directory of mode 0700 for one unix socket. `remove()` removes it, or the exit of the process. If the process is killed, the
 * directory stays with a link that names the process, for `sweepSocketDirectories()` of a later one.
 */
export function makeSocketDirectory(
  parent: string,
  platform: NodeJS.Platform,
): { path: string; remove(): Promise<void> } {
  const mark = markOfThisProcess(platform)
  // Synchronous, because the process could exit during a turn of the event loop.
  const directory = mkdtempSync(join(parent, 'portside-'))
  const { directories } = openNow()
  directories.add(directory)
  // A dangling link: it is created atomically even if the process is killed, and needs no descriptor.
  if (mark !== undefined) tryTo(() => symlinkSync(mark, join(directory, OWNER)))
  return {
    path: join(directory, SOCKET),
    async remove() {
      // Loaded here, because it would double the import time of portside.
      const { rm } = await import('node:fs/promises')
      await rm(directory, { recursive: true, force: true })
      directories.delete(directory)
    },
  }
}

/** Sweeps at the first call in this process. Never rejects. */
export async function sweepOnce(parent: string, platform: NodeJS.Platform): Promise<void> {
  const state = openNow()
  if (state.swept) return
  state.swept = true
  await sweepSocketDirectories(parent, platform)
}

/**
 * Removes the directories of killed processes. A directory must belong to this user, have mode 0700, and contain only a socket and the
 * link of a process that has certainly exited, or be empty for a minute. Directories of other users, other containers and versions
 * without such links stay. Never rejects.
 */
export async function sweepSocketDirectories(
  parent: string,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  try {
    const { readdir, stat } = await import('node:fs/promises')
    // The clock of the file system, because fake timers do not change it.
    const { mtimeMs: latest } = await stat(parent)
    const names = (await readdir(parent)).filter((name) => /^portside-\w{6}$/.test(name))
    for (const name of names.slice(0, MOST)) await sweep(join(parent, name), latest, platform)
  } catch {
    // This process may not list the directory, or no descriptor is left.
  }
}

/** The next process sweeps the others. */
const MOST = 1000

async function sweep(directory: string, latest: number, platform: NodeJS.Platform): Promise<void> {
  try {
    const { lstat, readdir, readlink } = await import('node:fs/promises')
    const stat = await lstat(directory)
    // No other user can create files in such a directory, or replace it if the parent is sticky.
    if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o777) !== 0o700) return
    const names = await readdir(directory)
    if (names.length === 0 && latest - stat.mtimeMs > NEW) remove(directory)
    if (!names.includes(OWNER) || names.some((name) => name !== OWNER && name !== SOCKET)) return
    if (hasEnded(await readlink(join(directory, OWNER)), platform)) remove(directory)
  } catch {
    // Another process has swept it, or it is not a link.
  }
}

/** Milliseconds within which a new directory may still get its link. */
const NEW = 60_000

/** By name, not recursively: files of other programs stay, and keep the directory. */
function remove(directory: string): void {
  // The link last: without it no process would sweep the rest.
  for (const name of [SOCKET, OWNER]) tryTo(() => unlinkSync(join(directory, name)))
  tryTo(() => rmdirSync(directory))
}

function tryTo(action: () => void): void {
  try {
    action()
  } catch (error) {
    if (codeOf(error) === undefined) throw error
  }
}

interface OpenDirectories {
  readonly directories: Set<string>
  swept: boolean
}

/** The directories of this process, of all copies of portside, so that its exit needs one listener. */
function openNow(): OpenDirectories {
  return processState('platform.socketDirectories', (): OpenDirectories => {
    const directories = new Set<string>()
    process.on('exit', () => directories.forEach(remove))
    return { directories, swept: false }
  })
}
