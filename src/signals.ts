import { abortError } from './errors.js'

interface Waiting {
  readonly callbacks: Set<() => void>
  hear(): void
}

/** One listener per signal for all waits, because Node warns at the eleventh listener on one object. */
const waiting = new WeakMap<AbortSignal, Waiting>()

/** Calls back when the signal is aborted, and returns a function that cancels that. An aborted signal never calls back. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined || signal.aborted) return () => {}
  const { callbacks, hear } = waiting.get(signal) ?? listenTo(signal)
  // A new function for each call: the same callback may wait twice.
  const call = (): void => callback()
  callbacks.add(call)
  return () => {
    if (callbacks.delete(call) && callbacks.size === 0) forget(signal, hear)
  }
}

/** Throws ABORT_ERR if the signal is aborted. `asked` names the operation. */
export function refuseAborted(signal: AbortSignal | undefined, asked: string): void {
  if (signal?.aborted) throw abortError(signal, asked)
}

/** Waits for work that cannot be stopped, such as the lookup of a name. Rejects with ABORT_ERR as soon as the signal is aborted. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, asked: string, work: Promise<T>): Promise<T> {
  let forget = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    forget = onAbort(signal, () => reject(abortError(signal as AbortSignal, asked)))
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    forget()
  }
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>()
  const hear = (): void => {
    forget(signal, hear)
    for (const call of callbacks) call()
  }
  const entry = { callbacks, hear }
  waiting.set(signal, entry)
  signal.addEventListener('abort', hear)
  return entry
}

function forget(signal: AbortSignal, hear: () => void): void {
  waiting.delete(signal)
  signal.removeEventListener('abort', hear)
}
