import { lstatSync, type Stats, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeSocketDirectory, sweepOnce } from './socket-directory.js'

export interface UnixPath {
  readonly path: string
  remove(): Promise<void>
}

/**
 * A unique path: a socket in a new directory of mode 0700, or a named pipe on Windows. Pipes have their own name space and
 * disappear with their last handle.
 * https://nodejs.org/api/net.html#identifying-paths-for-ipc-connections
 */
export async function makeUnixPath(platform: NodeJS.Platform = process.platform): Promise<UnixPath> {
  if (platform === 'win32') return { path: await pipeName(), remove: async () => {} }
  const parent = shortEnough(tmpdir(), platform)
  const { path, remove } = makeSocketDirectory(parent, platform)
  void sweepOnce(parent, platform)
  return { path, remove }
}

/**
 * The longest path that `bind` accepts, in bytes: `sun_path` without its final NUL. `sun_path` has 108 bytes on Linux and 104 on macOS
 * and BSD (unix(7)). Node 20 silently truncates a longer path and binds another name. Undefined if there is no limit.
 */
export function longestUnixPath(platform: NodeJS.Platform = process.platform): number | undefined {
  if (platform === 'win32') return undefined
  return platform === 'linux' ? 107 : 103
}

/**
 * Why the system cannot have a socket of this name; undefined if it can. On Windows a name must lie in the name space of pipes
 * (https://nodejs.org/api/net.html#identifying-paths-for-ipc-connections). Only Linux has abstract names (unix(7)).
 */
export function whyNoSocketName(path: string, platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'win32') {
    if (/^[\\/]{2}[.?][\\/]pipe[\\/]/i.test(path)) return undefined
    return 'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\'
  }
  if (path.startsWith('\0') && platform !== 'linux' && platform !== 'android') {
    return 'only Linux has abstract names, which begin with a null byte'
  }
  return undefined
}

/** Whether there is a file at the path. Abstract names and pipes have no file. */
export async function unixPathExists(path: string, platform: NodeJS.Platform = process.platform): Promise<boolean> {
  if (platform === 'win32' || path.startsWith('\0')) return false
  const { lstat } = await import('node:fs/promises')
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** The kind of file at a path; undefined if the path has no file, or this process may not read it. A dangling link is a file. */
export function kindOfFile(path: string): 'socket' | 'directory' | 'file' | undefined {
  const found = tryStat(statSync, path) ?? tryStat(lstatSync, path)
  if (found === undefined) return undefined
  return found.isSocket() ? 'socket' : found.isDirectory() ? 'directory' : 'file'
}

function tryStat(look: typeof statSync, path: string): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

async function pipeName(): Promise<string> {
  const { randomUUID } = await import('node:crypto')
  return `\\\\.\\pipe\\portside-${randomUUID()}`
}

function shortEnough(directory: string, platform: NodeJS.Platform): string {
  const room = (longestUnixPath(platform) ?? Number.POSITIVE_INFINITY) - '/portside-XXXXXX/s.sock'.length
  return Buffer.byteLength(directory) <= room ? directory : '/tmp'
}
