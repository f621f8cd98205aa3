import { ChildProcess } from 'node:child_process'
import net from 'node:net'
import type { Entry } from '../support/entries.js'
import { wrongWith } from './oracle.js'

/** The outcome of a call. */
export interface Attempt {
  readonly outcome: 'accepted' | 'refused' | 'stuck'
  readonly error?: unknown
  readonly complaints: readonly string[]
}

/** The longest duration of a call, in milliseconds. */
const LIMIT = 12_000

/** Calls an entry with changed arguments, closes the result, and reports the outcome. */
export async function attempt(entry: Entry, change: (args: unknown[]) => unknown[]): Promise<Attempt> {
  const opened: unknown[] = []
  const [call, ...given] = await entry.make(async (thing) => {
    const made = await thing
    opened.unshift(made)
    return made
  })
  const args = change([...given])
  const complaints: string[] = []
  let outcome: Attempt['outcome'] = 'accepted'
  let error: unknown
  try {
    const result = await within(async () => ({ of: await call(...args) }))
    opened.unshift(result.of)
  } catch (failure) {
    error = failure
    outcome = failure === STUCK ? 'stuck' : 'refused'
    const free = entry.foreign || runsArgument(entry, args, given)
    const wrong = failure === STUCK ? `no end within ${LIMIT / 1000} s` : free ? undefined : wrongWith(failure)
    if (wrong !== undefined) complaints.push(wrong)
  }
  for (const thing of [...opened, ...args]) {
    try {
      await within(async () => closed(thing))
    } catch (failure) {
      if (failure === STUCK) complaints.push('its result does not close')
    }
  }
  return { outcome, error, complaints }
}

/** Whether the call runs a callback of the fuzzer, whose errors it passes on. */
const runsArgument = ({ runs }: Entry, args: readonly unknown[], given: readonly unknown[]): boolean =>
  runs !== undefined && typeof args[runs] === 'function' && args[runs] !== given[runs]

const STUCK = new Error('stuck')

async function within<T>(action: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(STUCK), LIMIT)
  })
  try {
    return await Promise.race([action(), late])
  } finally {
    clearTimeout(timer)
  }
}

async function closed(thing: unknown): Promise<void> {
  if (typeof thing !== 'object' || thing === null) return
  if (thing instanceof ChildProcess) return ended(thing)
  if (thing instanceof net.Socket) return void thing.destroy()
  if (thing instanceof net.Server) return void thing.close()
  if (Symbol.asyncDispose in thing) await (thing as AsyncDisposable)[Symbol.asyncDispose]()
  else if ('close' in thing && typeof thing.close === 'function' && 'bind' in thing) thing.close()
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }
  for (const stream of child.stdio) stream?.destroy()
}
