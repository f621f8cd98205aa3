import { fileURLToPath } from 'node:url'
import { processState } from './process-state.js'

/** A stack. V8 writes it as text only when it is read. */
export interface Trace {
  stack?: string
}

/** Notes where the caller of `above` was called from; without `above`, where this function was called from. */
export function takeTrace(above: ((...args: never[]) => unknown) | undefined, frames: number): Trace {
  const trace: Trace = {}
  const limit = Error.stackTraceLimit
  // In a hardened process (SES, --frozen-intrinsics) the limit is read-only, and the trace is shorter.
  const changed = Reflect.set(Error, 'stackTraceLimit', frames)
  Error.captureStackTrace?.(trace, above)
  if (changed) Reflect.set(Error, 'stackTraceLimit', limit)
  return trace
}

/**
 * Where the caller of `above` was called from, as lines of a stack, without unwanted files. Read at once: V8's own record of a stack keeps
 * each `this` on it alive, and with it requests and sockets that closed long ago.
 */
export function linesAbove(
  above: (...args: never[]) => unknown,
  frames: number,
  isWanted: (file: string) => boolean,
): readonly string[] {
  const holder: { stack?: unknown } = {}
  const limit = Error.stackTraceLimit
  const had = Object.hasOwn(Error, 'prepareStackTrace')
  const prepare = Error.prepareStackTrace
  // Both are read-only in a hardened process, as above.
  const changed = Reflect.set(Error, 'stackTraceLimit', frames)
  const prepared = Reflect.set(Error, 'prepareStackTrace', callSites)
  Error.captureStackTrace?.(holder, above)
  const stack = holder.stack
  if (changed) Reflect.set(Error, 'stackTraceLimit', limit)
  if (prepared && had) Reflect.set(Error, 'prepareStackTrace', prepare)
  else if (prepared) Reflect.deleteProperty(Error, 'prepareStackTrace')
  if (Array.isArray(stack)) return linesOf(stack, isWanted)
  return textOf({ stack: stack as string })
    .split('\n')
    .filter((line) => isWanted(fileOf(line) ?? 'node:'))
}

const callSites = (_error: unknown, sites: NodeJS.CallSite[]): NodeJS.CallSite[] => sites

function linesOf(sites: readonly NodeJS.CallSite[], isWanted: (file: string) => boolean): string[] {
  const lines: string[] = []
  for (const site of sites) {
    const file = site.getScriptNameOrSourceURL()
    if (file != null && isWanted(file)) lines.push(`    at ${site}`)
  }
  return lines
}

/** The text of a trace. A `prepareStackTrace` of the user may return anything. */
export function textOf(trace: Trace | undefined): string {
  const stack = trace?.stack as unknown
  return typeof stack === 'string' ? stack : ''
}

/** The file of a line of a stack, or a name such as `node:net`. */
export function fileOf(line: string): string | undefined {
  const [, place] = /^\s+at (?:async )?(?:.+? \()?(.+?):\d+:\d+\)?$/.exec(line) ?? []
  if (place?.startsWith('file:') !== true) return place
  try {
    return fileURLToPath(place)
  } catch {
    return place
  }
}

/**
 * Whether a file of a stack belongs to the runtime: `node:net` in Node, `ext:deno_node/net.ts` in Deno. No file of the user has such
 * a name.
 */
export const isOfRuntime = (file: string): boolean => file.startsWith('node:') || file.startsWith('ext:')

export const isOwnFile = (file: string): boolean =>
  (ownFolder() !== '' && file.startsWith(ownFolder())) || /[/\\]node_modules[/\\]portside[/\\]/.test(file)

/** A file beside this file, or in the folder of the bundle. */
export const ownFile = (name: string): string => `${ownFolder()}${name}`

/**
 * The folder of this copy of portside: of the bundle, or of the sources. From a stack, because the build is CommonJS and has no
 * import.meta.
 */
function ownFolder(): string {
  if (own === undefined) {
    const file = fileOf(textOf(takeTrace(undefined, 1)).split('\n')[1] ?? '')
    own = file === undefined ? '' : folderOf(file)
  }
  return own
}

let own: string | undefined

/** With the separator at its end. On Windows, Vitest names files with slashes, and Node with backslashes. */
export const folderOf = (file: string): string =>
  file.slice(0, Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)

/** Drops the frames of portside from an error of the user. */
export function dropOwnFrames(error: unknown): void {
  const stack: unknown = (error as { stack?: unknown } | null | undefined)?.stack
  if (typeof stack !== 'string') return
  const lines = stack.split('\n')
  const others = lines.filter((line) => !isOwnFile(fileOf(line) ?? ''))
  if (others.length === lines.length) return
  try {
    setStack(error as Error, others.join('\n'))
  } catch {
    // A frozen error keeps its stack.
  }
}

/** Drops the leading frames of an error that are portside's or Node's, if others follow. */
export function beginOutside(error: Error): void {
  const { head, frames } = partsOf(error)
  const outside = frames.findIndex(isOutside)
  if (outside > 0) setStack(error, [head, ...frames.slice(outside)].join('\n'))
}

/**
 * Runs an action for `entry`, a public function. The stack of an error that portside throws then begins at the line that called `entry`. An
 * error that comes through an event has no frame of its caller.
 */
export async function calledBy<T>(entry: (...args: never[]) => unknown, action: () => Promise<T>): Promise<T> {
  const trace = takeTrace(entry, FRAMES)
  const { observe } = observer()
  try {
    return await (observe === undefined ? action() : observe(entry, action))
  } catch (error) {
    beginAtCaller(error, trace)
    throw error
  }
}

const FRAMES = 16

/** Runs the action of a public function. The stack above `entry` is that of its caller. */
export type ObserveCall = <T>(entry: (...args: never[]) => unknown, action: () => Promise<T>) => Promise<T>

/** Runs the calls of all copies of portside in this process. The leak tracker learns from them for which line a socket is opened. */
export function observeCalls(observe: ObserveCall): void {
  observer().observe = observe
}

const observer = (): { observe?: ObserveCall } => processState('caller.observer', () => ({}))

function beginAtCaller(error: unknown, trace: Trace): void {
  if (!isOurs(error)) return
  const { head, frames } = partsOf(error)
  if (frames[0] !== undefined && isOutside(frames[0])) return
  const callers = textOf(trace).split('\n').slice(1)
  const outside = callers.findIndex(isOutside)
  if (outside >= 0) setStack(error, [head, ...callers.slice(outside)].join('\n'))
}

const isOurs = (error: unknown): error is Error =>
  typeof error === 'object' && error !== null && 'headline' in error && 'stack' in error

const isOutside = (line: string): boolean => {
  const file = fileOf(line)
  return file !== undefined && !isOfRuntime(file) && !isOwnFile(file)
}

/** The text above the frames, which is the message, and then the frames. */
function partsOf(error: Error): { head: string; frames: string[] } {
  const text = textOf(error as Trace)
  const end = text.lastIndexOf(error.message)
  const at = text.indexOf('\n', end < 0 ? 0 : end + error.message.length)
  if (at < 0) return { head: text, frames: [] }
  return { head: text.slice(0, at), frames: text.slice(at + 1).split('\n') }
}

function setStack(error: Error, stack: string): void {
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true, enumerable: false })
}
