import type { ChildProcess } from 'node:child_process'
import { patch } from '../platform/patches.js'
import { childrenOf, identified, isAlive, isRunning, isStopped, type OtherProcess } from '../platform/process-tree.js'
import { clearInterval, now, setInterval, setTimeout } from '../timers.js'

/**
 * A process that joins a pid namespace stays outside and has the program as its child (setns(2)). It exits as the program does.
 * This makes it look like the program: `pid` is the pid of the program on this machine, and signals go to the program.
 */
export function standIn(child: ChildProcess): void {
  const own = child.pid
  if (own === undefined) return
  let known: OtherProcess | undefined
  const look: Look = () => {
    known ??= childrenOf(own).map((pid) => identified(pid))[0]
    return known
  }
  programs.set(child, look)
  const get = (): number => (look() ?? waitFor(look, own))?.pid ?? own
  // Bun sets it again when the child exits.
  Object.defineProperty(child, 'pid', { configurable: true, enumerable: true, get, set: () => {} })
  const forward =
    (kill: ChildProcess['kill']): ChildProcess['kill'] =>
    (signal = 'SIGTERM') => {
      const program = look()
      if (program === undefined ? hasEnded(child) || signal === 'SIGKILL' || signal === 9 : !isRunning(program)) {
        return kill.call(child, signal)
      }
      if (program === undefined) void onceStarted(child, look).then((late) => late !== undefined && send(late, signal))
      else send(program, signal)
      Object.assign(child, { killed: true })
      return true
    }
  const { kill } = child
  patch(child, 'kill', forward, 'the process that Node knows is not the program')
  // nsenter stops with the program (util-linux), and then notices neither that the program continues nor that it exits.
  const waking = setInterval(() => {
    const program = look()
    if (program !== undefined && isStopped(own) && !isStopped(program.pid)) kill.call(child, 'SIGCONT')
  }, WAKING).unref()
  for (const event of ['exit', 'error']) child.once(event, () => clearInterval(waking))
}

/** Milliseconds between two looks at a stopped nsenter. */
const WAKING = 50

/** Resolves when the program has exited: a signal of the terminal may end nsenter before the program. */
export async function programEnded(child: ChildProcess): Promise<void> {
  const program = programs.get(child)?.()
  while (program !== undefined && isRunning(program)) await pause()
}

/** Finds the program when it exists. */
type Look = () => OtherProcess | undefined

const programs = new WeakMap<ChildProcess, Look>()

async function onceStarted(child: ChildProcess, look: Look): Promise<OtherProcess | undefined> {
  while (look() === undefined && !hasEnded(child)) await pause()
  return look()
}

const pause = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 1))

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Blocks until the program exists, because `pid` is not a promise. */
function waitFor(look: Look, own: number): OtherProcess | undefined {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (const limit = now() + LIMIT; look() === undefined && isAlive(own) && now() < limit; ) Atomics.wait(cell, 0, 0, 1)
  return look()
}

/** Longest time to block the event loop for a pid, in milliseconds. */
const LIMIT = 1000

function send({ pid }: OtherProcess, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ESRCH: it has exited.
  }
}
