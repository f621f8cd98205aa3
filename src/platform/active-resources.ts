import type { AsyncLocalStorage } from 'node:async_hooks'
import { clearTimeout, setTimeout } from '../timers.js'

// Undocumented or experimental members of Node that show what keeps a process alive. Each was checked on Node 20, 22, 24 and 26,
// and test/platform/active-resources.test.ts checks it on the Node that runs the tests.

/** Objects whose handles keep the process alive: sockets, children, watchers, message ports. Empty if Node has no list. */
export function activeHandles(): object[] {
  return (process as { _getActiveHandles?(): object[] })._getActiveHandles?.() ?? []
}

/** The number of timers that keep the process alive. */
export function activeTimerCount(): number {
  return process.getActiveResourcesInfo?.().filter((type) => type === 'Timeout').length ?? 0
}

/** Whether a worker thread keeps the process alive. */
export function isWorkerActive(worker: object): boolean {
  const key = Object.getOwnPropertySymbols(worker).find(({ description }) => description === 'kHandle')
  const handle = key && (worker as Record<symbol, { hasRef?(): boolean } | null | undefined>)[key]
  return handle?.hasRef?.() === true
}

/**
 * The timers of one period: Node keeps them in a ring, linked by `_idleNext`
 * (https://github.com/nodejs/node/blob/main/lib/internal/timers.js).
 */
export function timersOfPeriod(ms: number): NodeJS.Timeout[] {
  const own = setTimeout(() => {}, ms) as RingedTimer
  const found: NodeJS.Timeout[] = []
  for (let at = own._idleNext; at != null && at !== own; at = at._idleNext) {
    // The list itself is in the ring too.
    if (at.constructor === own.constructor) found.push(at)
  }
  clearTimeout(own)
  return found
}

type RingedTimer = NodeJS.Timeout & { readonly _idleNext?: RingedTimer | null }

/** The value of a store when a timer was set: Node keeps it on the timer, in a frame of all stores. */
export function storeOfTimer<T>(timer: object, storage: AsyncLocalStorage<T>): T | undefined {
  const key = Object.getOwnPropertySymbols(timer).find(({ description }) => description === 'kAsyncContextFrame')
  const frame = key && (timer as Record<symbol, Map<unknown, T> | undefined>)[key]
  return frame?.get(storage)
}

/** `_repeat` and `_idleTimeout`: milliseconds, of an interval and of any timer. */
export function periodOf(timer: NodeJS.Timeout): { every: number | undefined; after: number } {
  const { _repeat, _idleTimeout = 0 } = timer as { _repeat?: number | null; _idleTimeout?: number }
  return { every: _repeat ?? undefined, after: _idleTimeout }
}

/** `_onTimeout`: the callback of a timer. */
export function calledByTimer(timer: NodeJS.Timeout): unknown {
  return (timer as { _onTimeout?: unknown })._onTimeout
}

/** Inspects objects through the protocol of the debugger, without a debugger. */
export interface ObjectInspector {
  /** Every live object with this prototype. */
  instancesOf(prototype: object): object[]
  /** The place of a function in its source; undefined for a function of Node. */
  placeOf(fn: unknown): { file: string; line: number; column: number } | undefined
  close(): void
}

/** Undefined if Node was built without the inspector, or its permission model forbids it. */
export function inspectObjects(): ObjectInspector | undefined {
  try {
    return connect()
  } catch {
    return undefined
  }
}

type Answer = Record<string, unknown>

function connect(): ObjectInspector {
  const { Session } = process.getBuiltinModule('node:inspector')
  const session = new Session()
  session.connect()
  const scripts = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => void scripts.set(scriptId, url))
  const post = (method: string, params: object = {}): Answer => {
    let answer: Answer = {}
    session.post(method, params, (error, result) => {
      if (error !== null) throw error
      answer = result as Answer
    })
    return answer
  }
  const handed = process as unknown as Record<symbol, unknown>
  const idOf = (value: unknown): string => {
    handed[KEY] = value
    const { result } = post('Runtime.evaluate', { expression: READ, objectGroup: GROUP })
    return (result as { objectId: string }).objectId
  }
  return {
    instancesOf(prototype) {
      const found = post('Runtime.queryObjects', { prototypeObjectId: idOf(prototype), objectGroup: GROUP })
      const { objectId } = found.objects as { objectId: string }
      post('Runtime.callFunctionOn', { objectId, functionDeclaration: HAND_OVER })
      return handed[KEY] as object[]
    },
    placeOf(fn) {
      if (typeof fn !== 'function') return undefined
      if (scripts.size === 0) post('Debugger.enable')
      const { internalProperties } = post('Runtime.getProperties', { objectId: idOf(fn), ownProperties: true })
      const properties = internalProperties as Array<{ name: string; value?: { value?: Location } }> | undefined
      const location = properties?.find(({ name }) => name === '[[FunctionLocation]]')?.value?.value
      const file = location && scripts.get(location.scriptId)
      if (location === undefined || !file) return undefined
      return { file, line: location.lineNumber + 1, column: location.columnNumber + 1 }
    },
    close() {
      delete handed[KEY]
      post('Runtime.releaseObjectGroup', { objectGroup: GROUP })
      session.disconnect()
    },
  }
}

interface Location {
  readonly scriptId: string
  readonly lineNumber: number
  readonly columnNumber: number
}

const GROUP = 'portside'
const KEY = Symbol.for('portside.inspected')
/** All realms of a thread share `process`. */
const READ = "process[Symbol.for('portside.inspected')]"
const HAND_OVER = "function () { process[Symbol.for('portside.inspected')] = this }"
