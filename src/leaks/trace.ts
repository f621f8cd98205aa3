import { createHook, executionAsyncResource } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'
import { isOfRuntime, isOwnFile, linesAbove } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { createSlot } from '../slot.js'
import { isRunnerOrNode } from './known.js'

/** Enough frames for `fetch`, which opens a connection twenty calls below its caller. */
const FRAMES = 40

/** Lines of a stack as V8 wrote them, innermost first, without those of Node, portside and the runner. */
export type Trace = readonly string[]

/**
 * Notes where the caller of `above` was called from. A socket of portside is noted at the call of its function. If no line is the
 * user's, it adds the lines that led to it, if they are known.
 */
export function takeTrace(above: (...args: never[]) => unknown): Trace {
  let first: string | undefined
  const lines = linesAbove(above, FRAMES, (file) => {
    if (!isOfRuntime(file)) first ??= file
    return isWanted(file)
  })
  const call = callNow?.()
  if (call !== undefined && first !== undefined && isOwnFile(pathOf(first))) return call
  if (hasUsersLine(lines)) return lines
  const callers = call ?? callersNow?.()
  return callers === undefined ? lines : [...lines, ...callers]
}

export const hasUsersLine = (lines: Trace): boolean => lines.some(isUsersLine)

/** The lines that led to the call of a function of portside. */
export const linesOfCall = (entry: (...args: never[]) => unknown): Trace => linesAbove(entry, FRAMES, isWanted)

/** From now on `now` returns the lines of the call of portside that is in progress. */
export function followCalls(now: () => Trace | undefined): void {
  callNow = now
}

let callNow: (() => Trace | undefined) | undefined

/** The lines that led to the code that runs now. */
let callersNow: (() => Trace | undefined) | undefined

/**
 * If `PORTSIDE_TRACE` is `on`, every promise, timer and callback from now on inherits the user's lines that made it. A package may
 * connect later, when none of these lines is on the stack. Each promise then costs a stack.
 */
export function followCallers(): void {
  if (!isFollowed() || callersNow !== undefined) return
  const traces = createSlot<Trace>()
  const now = (): Trace | undefined => traces.get(executionAsyncResource())
  const init = (_id: number, _type: string, _trigger: number, resource: object): void => {
    const lines = linesAbove(init, FRAMES, isWanted)
    const trace = hasUsersLine(lines) ? lines : now()
    if (trace !== undefined) traces.set(resource, trace)
  }
  createHook({ init }).enable()
  callersNow = now
}

/** Whether `PORTSIDE_TRACE` is `on`. Throws ERR_INVALID_ARG_VALUE if it is neither `on` nor `off`. */
export function isFollowed(): boolean {
  const given = process.env[VARIABLE] ?? ''
  if (['', 'on', 'off'].includes(given)) return given === 'on'
  throw invalidArgument('ERR_INVALID_ARG_VALUE', VARIABLE, "'on' or 'off'", given, `write ${VARIABLE}=on, or unset it`)
}

const VARIABLE = 'PORTSIDE_TRACE'

const isUsersLine = (line: string): boolean => !line.includes('node_modules')

/** Cached, because it runs for each frame of each connection, and there are few files. */
export function isWanted(file: string): boolean {
  if (isOfRuntime(file)) return false
  let wanted = WANTED.get(file)
  if (wanted === undefined) {
    const path = file.startsWith('file:') ? pathOf(file) : file
    wanted = !isRunnerOrNode(path) && !isOwnFile(path)
    WANTED.set(file, wanted)
  }
  return wanted
}

const WANTED = new Map<string, boolean>()

/** The path of a file that a stack names by its path or its URL. */
export function pathOf(file: string): string {
  try {
    return fileURLToPath(file)
  } catch {
    return file
  }
}
