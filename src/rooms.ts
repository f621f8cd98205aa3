import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import vm from 'node:vm'

/** The export of a built file of a room. It fills `room.exports`, and gets other rooms through `use`. */
export type Factory = (use: Use, room: Room) => void

export interface Use {
  // biome-ignore lint/suspicious/noExplicitAny: the sources know the exports of a room, and are checked.
  (name: string): any
  /**
   * Reads the files of all rooms that may be needed when no descriptor is left to read them. With `early`, only if a test runner may refuse
   * to read them later.
   */
  readAhead(options?: { readonly early?: boolean }): void
}

interface Room {
  readonly exports: object
}

interface RoomFile {
  /** Requires the file by a path that bundlers see. */
  readonly load: () => Factory
  /** Whether it may be needed when no descriptor is left to read it. */
  readonly ahead?: boolean
}

/**
 * The rooms of the built package: groups of modules in one file each, evaluated at first use. Each copy of portside has its own rooms, so a
 * test runner that resets its module registry cannot mix two copies.
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
        // No descriptor is left, or the file is missing. The first use of the room throws.
      }
    }
  }

  /** Reads the text, which takes a tenth of the time of `require`. */
  function readRoom(name: string): string | Factory {
    try {
      const text = isMainContext ? readFileSync(pathOf(name), 'utf8') : undefined
      if (text?.startsWith(markOf(name)) === true) return text
    } catch {
      // The file does not exist.
    }
    // A bundle contains the room. A file with this name beside the bundle is not portside's.
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

/** The first characters of the file of a room. */
export const markOf = (name: string): string => `/*portside:${name}*/`

/** A function that is compiled here belongs to the main context. In another context, such as a test file of Jest, use `require` instead. */
const isMainContext = vm.compileFunction instanceof Function
