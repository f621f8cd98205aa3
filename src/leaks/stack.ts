import { fileURLToPath } from 'node:url'
import { isOwnFile, type Trace, takeTrace as takeFrames, textOf } from '../caller.js'
import { isRunnerOrNode } from './known.js'
import { unbundled } from './source-map.js'
import type { StackFrame } from './stack-frame.js'

/** Deep enough for `fetch`, which opens a connection twenty calls below its caller. */
const FRAMES = 40

/** Notes where the caller of `above` was called from. */
export const takeTrace = (above: (...args: never[]) => unknown): Trace => takeFrames(above, FRAMES)

/**
 * The frames of a trace, innermost first, without those of Node, of portside and of the runner; in the user's sources,
 * where source maps lead there.
 */
export function framesOf(trace: Trace | undefined): StackFrame[] {
  return parsed(trace)
    .filter(({ file }) => !isForeign(file))
    .map(unbundled)
}

/** The same as lines of a stack, as V8 gave them: a runner maps those itself. */
export function linesOf(trace: Trace | undefined): string[] {
  return textOf(trace)
    .split('\n')
    .filter((line) => {
      const frame = parseFrame(line)
      return frame !== undefined && !isForeign(frame.file)
    })
}

function parsed(trace: Trace | undefined): StackFrame[] {
  return textOf(trace)
    .split('\n')
    .flatMap((line) => parseFrame(line) ?? [])
}

/** Where the user is: the innermost frame outside of packages, or else the innermost one at all. */
export function userFrame(frames: readonly StackFrame[]): StackFrame | undefined {
  return frames.find(({ file }) => !file.includes('node_modules')) ?? frames[0]
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

const isForeign = (file: string): boolean => isRunnerOrNode(file) || isOwnFile(file)
