import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface UnixPath {
  readonly path: string
  remove(): Promise<void>
}

/**
 * A path that nobody else has: a socket in a new directory of mode 0700, or a named pipe on Windows, where pipes have
 * a name space of their own and vanish with their last handle.
 * https://nodejs.org/api/net.html#identifying-paths-for-ipc-connections
 */
export async function makeUnixPath(platform: NodeJS.Platform = process.platform): Promise<UnixPath> {
  const unique = randomBytes(8).toString('hex')
  if (platform === 'win32') return { path: `\\\\.\\pipe\\portside-${process.pid}-${unique}`, remove: async () => {} }
  const directory = await mkdtemp(join(shortTemporaryDirectory(platform), 'portside-'))
  return { path: join(directory, 's.sock'), remove: () => rm(directory, { recursive: true, force: true }) }
}

/**
 * Longest path that `bind` takes, in bytes: `sun_path` less its final NUL, 108 on Linux and 104 on macOS and BSD
 * (unix(7)). Node 20 cuts a longer one off without a word and binds another name. Undefined where there is no limit.
 */
export function longestUnixPath(platform: NodeJS.Platform = process.platform): number | undefined {
  if (platform === 'win32') return undefined
  return platform === 'linux' ? 107 : 103
}

/** Whether the path names a file that a socket would have to share; abstract and pipe names do not. */
export function unixPathExists(path: string, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== 'win32' && !path.startsWith('\0') && existsSync(path)
}

function shortTemporaryDirectory(platform: NodeJS.Platform): string {
  const room = (longestUnixPath(platform) ?? Number.POSITIVE_INFINITY) - '/portside-XXXXXX/s.sock'.length
  const preferred = tmpdir()
  return Buffer.byteLength(preferred) <= room ? preferred : '/tmp'
}
