import type { ChildProcess } from 'node:child_process'
import { type EventEmitter, getEventListeners } from 'node:events'
import type net from 'node:net'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import {
  activeHandles,
  activeTimerCount,
  calledByTimer,
  inspectObjects,
  isWorkerActive,
  type ObjectInspector,
  periodOf,
} from '../platform/active-resources.js'
import { dueIn } from '../platform/node-internals.js'
import { isDatagram } from '../platform/node-objects.js'
import { isInfrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { AliveBefore } from './alive-before.js'
import type { Alive } from './alive-report.js'
import { mapped } from './mapped.js'
import type { Owner } from './owner.js'
import { framesOf } from './stack.js'
import type { StackFrame } from './stack-frame.js'
import { isWanted } from './trace.js'
import type { TrackedSocket } from './tracked-socket.js'
import type { Workers } from './workers.js'

interface Known {
  readonly workers: Workers
  /** Timers that another file of this process was reported for. */
  readonly reportedAlive: WeakSet<object>
  recordOf(socket: object): TrackedSocket | undefined
  ownerOfTimer(timer: NodeJS.Timeout): Owner | undefined
}

/** Finds what keeps the process alive now, did not before, and is not a socket. */
export function findAlive(state: Known, before: AliveBefore): Alive[] {
  let inspector: ObjectInspector | undefined
  const inspected = (): ObjectInspector | undefined => {
    inspector ??= inspectObjects()
    return inspector
  }
  try {
    return [
      ...(activeTimerCount() > 0 ? aliveTimers(state, inspected()) : []),
      ...aliveHandles(state, before, inspected),
      ...aliveWorkers(state, before),
    ]
  } finally {
    inspector?.close()
  }
}

function aliveTimers(state: Known, inspector: ObjectInspector | undefined): Alive[] {
  if (inspector === undefined) return []
  const started = setTimeout(() => {}, 1)
  clearTimeout(started)
  const timers = inspector.instancesOf(Object.getPrototypeOf(started)) as NodeJS.Timeout[]
  return timers.flatMap((timer) => {
    const { every, after } = periodOf(timer)
    // A timer that fires soon, and once, delays the exit of the process but does not prevent it.
    const fires = dueIn(timer, started)
    if (!timer.hasRef() || state.reportedAlive.has(timer) || (every === undefined && fires <= SOON)) return []
    const owner = state.ownerOfTimer(timer)
    const frames = placeOf(calledByTimer(timer), inspector)
    // A timer without a test is the user's if the function that it calls is.
    if (owner === undefined && !frames.some(({ file }) => isWanted(file))) return []
    state.reportedAlive.add(timer)
    return {
      what: every === undefined ? `timer of ${after} ms, due in ${Math.round(fires)} ms` : `interval of ${every} ms`,
      made: 'calls' as const,
      frames,
      test: testOf(owner),
      howToEnd: every === undefined ? 'clearTimeout()' : 'clearInterval()',
    }
  })
}

/** Milliseconds: as long as Jest waits before it says that it did not exit. */
const SOON = 1000

function aliveHandles(state: Known, before: AliveBefore, inspected: () => ObjectInspector | undefined): Alive[] {
  return activeHandles().flatMap((handle) => {
    if (before.objects.has(handle) || isInfrastructure(handle)) return []
    return aliveHandle(handle, state, inspected) ?? []
  })
}

function aliveHandle(handle: object, state: Known, inspected: () => ObjectInspector | undefined): Alive | undefined {
  const calls = (event: string, what: string, howToEnd: string): Alive => {
    const [listener] = getEventListeners(handle as EventEmitter, event)
    const inspector = listener === undefined ? undefined : inspected()
    return { what, made: 'calls', frames: inspector ? placeOf(listener, inspector) : [], test: undefined, howToEnd }
  }
  switch (handle.constructor?.name) {
    case 'ChildProcess':
      return aliveChild(handle as ChildProcess, state)
    case 'FSWatcher':
      return calls('change', 'watcher of files', 'watcher.close()')
    case 'StatWatcher':
      return calls('change', 'watcher of a file', 'fs.unwatchFile()')
    case 'MessagePort':
      return portIsHeard(handle as MessagePort) ? calls('message', 'message port', 'port.close()') : undefined
    default:
      // Sockets have a report of their own.
      if (isDatagram(handle as net.Socket) || (handle as { fd?: unknown }).fd !== 0) return undefined
      return calls('data', 'standard input', 'process.stdin.pause()')
  }
}

/** The port of a worker is in the list too, but the worker has a line of its own. */
const portIsHeard = (port: MessagePort): boolean => getEventListeners(port, 'message').length > 0

function aliveChild(child: ChildProcess, state: Known): Alive | undefined {
  const record = state.recordOf(child)
  // It is already reported for its pipes, or was killed.
  if (child.killed || (record !== undefined && record.reportedAt > 0)) return undefined
  return {
    what: `child process ${child.pid} (${child.spawnargs.slice(0, 3).join(' ')})`,
    made: 'started at',
    frames: framesOf(record?.trace),
    test: testOf(record?.owner),
    howToEnd: 'child.kill()',
  }
}

function aliveWorkers(state: Known, before: AliveBefore): Alive[] {
  return [...state.workers].flatMap(([worker, { owner, trace }]) =>
    before.objects.has(worker) || worker.threadId === -1 || !isWorkerActive(worker)
      ? []
      : {
          what: `worker thread ${worker.threadId}`,
          made: 'started at' as const,
          frames: framesOf(trace),
          test: testOf(owner),
          howToEnd: 'await worker.terminate()',
        },
  )
}

const testOf = (owner: Owner | undefined): string | undefined => (owner?.kind === 'test' ? owner.name : undefined)

function placeOf(fn: unknown, inspector: ObjectInspector): StackFrame[] {
  const place = inspector.placeOf(fn)
  if (place === undefined) return []
  const { name } = fn as { name: string }
  // The inspector has a URL for every script, a stack for ES modules only. Runners know their source maps by what the stack has.
  const files = place.file.startsWith('file:') ? [fileURLToPath(place.file), place.file] : [place.file]
  const lines = files.map((file) => lineOf(name, `${file}:${place.line}:${place.column}`))
  const line = lines.find((line) => mapped(line) !== line) ?? lines[0]
  return framesOf(line === undefined ? [] : [line])
}

const lineOf = (name: string, place: string): string => (name === '' ? `    at ${place}` : `    at ${name} (${place})`)
