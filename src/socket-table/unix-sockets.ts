import { realpathSync, statSync } from 'node:fs'
import { basename, isAbsolute } from 'node:path'
import type { SocketEntry } from './socket-entry.js'
import { socketTable } from './socket-table.js'

/**
 * The unix sockets bound to a path, or to an abstract name. The table has each as it was bound: relative to the directory of
 * its process, or by way of a link, so another spelling of the path is told by the file that it leads to.
 */
export function unixSocketsAt(path: string): SocketEntry[] {
  const all = [...socketTable({ protocol: 'unix' })]
  if (/^[\0@]/.test(path)) {
    const name = path.replaceAll('\0', '@')
    // The table has it without the NULs at its end, for it cannot tell them from those of Node 20.
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
    // There is none, or it may not be looked at.
    return undefined
  }
}

function leadsTo({ name, identity }: File, entry: SocketEntry): boolean {
  const { local } = entry
  if (typeof local !== 'string' || basename(local) !== name) return false
  try {
    return identityOf(isAbsolute(local) ? local : `/proc/${entry.pid}/cwd/${local}`) === identity
  } catch {
    // Its file is gone, or its process may not be looked into.
    return false
  }
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path)
  return `${dev}:${ino}`
}
