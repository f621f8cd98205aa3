import { basename, dirname, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unbundled } from './source-map.js'

/** One place in a stack, in the user's source where a source map leads there. */
export interface StackFrame {
  readonly function?: string | undefined
  /** The path of the file, or a name such as `node:net`. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Where something was opened. V8 makes its text when it is read, which only a leak does. */
export interface Trace {
  stack?: string
}

/** Deep enough for `fetch`, which opens a connection twenty calls below its caller. */
const FRAMES = 40

/** Notes where the caller of `above` was called from. */
export function takeTrace(above: (...args: never[]) => unknown): Trace {
  const trace: Trace = {}
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  Error.captureStackTrace(trace, above)
  Error.stackTraceLimit = stackTraceLimit
  return trace
}

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

/** The names of the functions of portside that were under way, innermost first. */
export function ownFunctions(trace: Trace | undefined): string[] {
  return parsed(trace).flatMap(({ file, function: name }) => (isOwn(file) && name !== undefined ? [name] : []))
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

function textOf(trace: Trace | undefined): string {
  const stack = trace?.stack as unknown
  // A prepareStackTrace of the user's may give anything.
  return typeof stack === 'string' ? stack : ''
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

/** The folder of this copy of portside: of the bundle, or of the sources. Asked of V8, for a CJS build has no import.meta. */
const OWN = ownFolder()

function ownFolder(): string | undefined {
  const file = textOf(takeTrace(ownFolder))
    .split('\n')
    .map(parseFrame)
    .find((frame) => frame !== undefined)?.file
  if (file === undefined) return undefined
  const folder = dirname(file)
  return `${basename(folder) === 'leaks' ? dirname(folder) : folder}${sep}`
}

const isOwn = (file: string): boolean =>
  (OWN !== undefined && file.startsWith(OWN)) || /[/\\]node_modules[/\\]portside[/\\]/.test(file)

const isForeign = (file: string): boolean => file.startsWith('node:') || isOwn(file) || RUNNER.test(file)

const RUNNER =
  /[/\\]node_modules[/\\](?:@vitest|vitest|vite-node|jest-(?:circus|environment-node|jasmine2|runner|runtime|util)|@jest|mocha|tinypool)[/\\]/
