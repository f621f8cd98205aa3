import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isOwnFile, linesAbove } from '../caller.js'
import { isRunnerOrNode } from './known.js'
import { mapped } from './mapped.js'
import { isUsers } from './package-frame.js'
import { unbundled } from './source-map.js'
import type { StackFrame } from './stack-frame.js'

/** Deep enough for `fetch`, which opens a connection twenty calls below its caller. */
const FRAMES = 40

/** Lines of a stack as V8 gave them, innermost first, without those of Node, of portside and of the runner. */
export type Trace = readonly string[]

/** Notes where the caller of `above` was called from. */
export const takeTrace = (above: (...args: never[]) => unknown): Trace => linesAbove(above, FRAMES, isWanted)

/** The frames of a trace; in the user's sources, where source maps lead there. */
export function framesOf(trace: Trace | undefined): StackFrame[] {
  return linesOf(trace)
    .flatMap((line) => parseFrame(line) ?? [])
    .map((frame) => {
      const source = unbundled(frame)
      return isUsers(frame) || (!isUsers(source) && existsSync(source.file)) ? source : frame
    })
}

/** The same as lines of a stack, as the runner would show them. */
export const linesOf = (trace: Trace | undefined): string[] =>
  (trace ?? []).map((line) => {
    const source = mapped(line)
    // The source map of a package may name sources that it was published without. Outside of its folder they look as the user's.
    return line.includes('node_modules') && !source.includes('node_modules') ? line : source
  })

/** Where the user is: the innermost frame outside of packages, or else the innermost one at all. */
export function userFrame(frames: readonly StackFrame[]): StackFrame | undefined {
  return frames.find(isUsers) ?? frames[0]
}

function parseFrame(line: string): StackFrame | undefined {
  const [, name, place] = /^\s+at (?:async )?(?:(.+?) \()?(.+?)\)?$/.exec(line) ?? []
  const [, file, row, column] = /^(.*):(\d+):(\d+)$/.exec(place ?? '') ?? []
  if (file === undefined) return undefined
  return {
    function: name?.replace(/^(?:new |Object\.)/, '').replace(/ \[as .*\]$/, ''),
    file: file.startsWith('file:') ? pathOf(file) : file,
    line: Number(row),
    column: Number(column),
  }
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}

/** Asked for each frame of each connection, and there are few files. */
export function isWanted(file: string): boolean {
  if (file.startsWith('node:')) return false
  let wanted = WANTED.get(file)
  if (wanted === undefined) {
    const path = file.startsWith('file:') ? pathOf(file) : file
    wanted = !isRunnerOrNode(path) && !isOwnFile(path)
    WANTED.set(file, wanted)
  }
  return wanted
}

const WANTED = new Map<string, boolean>()
