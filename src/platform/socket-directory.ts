import { mkdtempSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.js'
import { processState } from '../process-state.js'
import { hasEnded, markOfThisProcess } from './process-mark.js'

const SOCKET = 's.sock'
const OWNER = 'owner'

/**
 * A new directory of mode 0700 for one unix socket. It goes with `remove()`, or when the process exits. If the process is killed,
 * it stays with a link that says which process had it, for `sweepSocketDirectories()` of a later one.
 */
export function makeSocketDirectory(
  parent: string,
  platform: NodeJS.Platform,
): { path: string; remove(): Promise<void> } {
  const mark = markOfThisProcess(platform)
  // Without a turn of the event loop, in which the process could exit.
  const directory = mkdtempSync(join(parent, 'portside-'))
  const { directories } = openNow()
  directories.add(directory)
  // A link that leads nowhere: it is there whole or not at all, whenever the process is killed, and takes no descriptor.
  if (mark !== undefined) tryTo(() => symlinkSync(mark, join(directory, OWNER)))
  return {
    path: join(directory, SOCKET),
    async remove() {
      // Loaded here, for it would double what it takes to import portside.
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
 * Removes what killed processes have left: directories of this user and of mode 0700, with nothing but a socket and the link of
 * a process that has ended for certain, and empty ones that are a minute old. Those of other users, of other containers and of
 * versions that made no such link stay. Never rejects.
 */
export async function sweepSocketDirectories(
  parent: string,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  try {
    const { readdir, stat } = await import('node:fs/promises')
    // The clock of the file system: fake timers do not move it.
    const { mtimeMs: latest } = await stat(parent)
    const names = (await readdir(parent)).filter((name) => /^portside-\w{6}$/.test(name))
    for (const name of names.slice(0, MOST)) await sweep(join(parent, name), latest, platform)
  } catch {
    // The directory may not be listed, or there is no descriptor left.
  }
}

/** The others are left for the next process. */
const MOST = 1000

async function sweep(directory: string, latest: number, platform: NodeJS.Platform): Promise<void> {
  try {
    const { lstat, readdir, readlink } = await import('node:fs/promises')
    const stat = await lstat(directory)
    // Nobody else can put anything into such a directory, nor another one in its place where the parent is sticky.
    if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o777) !== 0o700) return
    const names = await readdir(directory)
    if (names.length === 0 && latest - stat.mtimeMs > NEW) remove(directory)
    if (!names.includes(OWNER) || names.some((name) => name !== OWNER && name !== SOCKET)) return
    if (hasEnded(await readlink(join(directory, OWNER)), platform)) remove(directory)
  } catch {
    // Another process sweeps it, too, or it is no link.
  }
}

/** Milliseconds in which a directory may yet get its link. */
const NEW = 60_000

/** By name, and not recursively: what somebody else has put there stays, and keeps the directory. */
function remove(directory: string): void {
  // The link last: without it nobody would sweep what is left.
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

/** Those of this process, whichever copy of portside made them: one listener for its exit. */
function openNow(): OpenDirectories {
  return processState('platform.socketDirectories', (): OpenDirectories => {
    const directories = new Set<string>()
    process.on('exit', () => directories.forEach(remove))
    return { directories, swept: false }
  })
}
