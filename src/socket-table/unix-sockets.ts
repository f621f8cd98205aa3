import { realpathSync, statSync } from 'node:fs'
import { basename, isAbsolute } from 'node:path'
import type { SocketEntry } from './socket-entry.js'
import { socketTable } from './socket-table.js'

/**
 * The unix sockets bound to a path, or to an abstract name. The table has each path as it was bound: it may be relative to the
 * directory of its process, or lead through a link. So paths with another spelling are compared by their file.
 */
export function unixSocketsAt(path: string): SocketEntry[] {
  const all = [...socketTable({ protocol: 'unix' })]
  if (/^[\0@]/.test(path)) {
    const name = path.replaceAll('\0', '@')
    // The table omits NULs at the end, because Node 20 pads names with NULs.
    const names: readonly unknown[] = [name, name.replace(/@+$/, '')]
    return all.filter(({ local }) => local !== '' && names.includes(local))
  }
  const file = fileAt(path)
  return all.filter((entry) => entry.local === path || (file !== undefined && leadsTo(file, entry)))
}

interface File {
  readonly name: string
  readonly identity: string
}

function fileAt(path: string): File | undefined {
  try {
    return { name: basename(realpathSync(path)), identity: identityOf(path) }
  } catch {
    // There is no file, or this process may not read it.
    return undefined
  }
}

function leadsTo({ name, identity }: File, entry: SocketEntry): boolean {
  const { local } = entry
  if (typeof local !== 'string' || basename(local) !== name) return false
  try {
    return identityOf(isAbsolute(local) ? local : `/proc/${entry.pid}/cwd/${local}`) === identity
  } catch {
    // Its file is gone, or this process may not inspect its process.
    return false
  }
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path)
  return `${dev}:${ino}`
}
