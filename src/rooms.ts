import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import vm from 'node:vm'

/** What a built file of a room exports: it fills `room.exports`, and asks for other rooms by `use`. */
export type Factory = (use: Use, room: Room) => void

export interface Use {
  // biome-ignore lint/suspicious/noExplicitAny: what a room exports is known to the sources, and checked there.
  (name: string): any
  /**
   * Reads the files of all rooms that may be asked for when no descriptor is left to read them with. `early`: only where a test runner
   * may refuse to read them later.
   */
  readAhead(options?: { readonly early?: boolean }): void
}

interface Room {
  readonly exports: object
}

interface RoomFile {
  /** A `require` of the file, by a path that bundlers see. */
  readonly load: () => Factory
  /** Whether it may be asked for when no descriptor is left to read it with. */
  readonly ahead?: boolean
}

/**
 * The rooms of the built package: groups of modules that have a file each, evaluated when something of them is first used. Each copy of
 * portside has its own, so that what a test runner does to its registry of modules mixes no two copies.
 */
export function createRooms(files: Readonly<Record<string, RoomFile>>, folder: string, require: NodeJS.Require): Use {
  const rooms = new Map<string, Room>()
  const read = new Map<string, string | Factory>()
  let ahead = false

  const use = Object.assign(
    (name: string): object => {
      const known = rooms.get(name)
      if (known !== undefined) return known.exports
      const found = read.get(name) ?? readRoom(name)
      read.delete(name)
      const fill = typeof found === 'string' ? compile(found, pathOf(name)) : found
      const room = { exports: {} }
      rooms.set(name, room)
      fill(use, room)
      return room.exports
    },
    { readAhead },
  )
  return use

  function readAhead({ early = false } = {}): void {
    if (ahead || (early && isMainContext)) return
    ahead = true
    for (const name in files) {
      if (!files[name]?.ahead || rooms.has(name)) continue
      try {
        read.set(name, readRoom(name))
      } catch {
        // No descriptor is left, or the file is gone. The first use of the room throws.
      }
    }
  }

  /** Its text, which takes a tenth of the time that `require` takes. */
  function readRoom(name: string): string | Factory {
    try {
      const text = isMainContext ? readFileSync(pathOf(name), 'utf8') : undefined
      if (text?.startsWith(markOf(name)) === true) return text
    } catch {
      // There is no such file.
    }
    // A bundle contains the room. A file of this name beside the bundle is not portside's.
    return (files[name] as RoomFile).load()
  }

  function compile(text: string, filename: string): Factory {
    const module = {} as { exports: Factory }
    vm.compileFunction(text, ['module', 'require'], { filename })(module, require)
    return module.exports
  }

  function pathOf(name: string): string {
    return join(folder, `${name}.cjs`)
  }
}

/** How the file of a room begins. */
export const markOf = (name: string): string => `/*portside:${name}*/`

/** A function that is compiled here belongs to the main context: in another one, such as that of a test file of Jest, `require` has to do it. */
const isMainContext = vm.compileFunction instanceof Function
