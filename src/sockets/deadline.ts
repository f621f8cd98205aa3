import { onAbort } from '../signals.js'
import { clearTimeout, now, setTimeout } from '../timers.js'

/** A point in time that can only come nearer. */
export class Deadline {
  #at = Number.POSITIVE_INFINITY
  #timer: ReturnType<typeof setTimeout> | undefined
  #reached: (() => void) | undefined
  #forget: Array<() => void> | undefined
  readonly #now = (): void => this.bring(now())

  get passed(): boolean {
    return now() >= this.#at
  }

  bring(at: number): void {
    if (at >= this.#at) return
    this.#at = at
    if (this.#reached !== undefined) this.#arm()
  }

  heed(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    if (signal.aborted) this.#now()
    this.#forget ??= []
    this.#forget.push(onAbort(signal, this.#now))
  }

  async race(work: Promise<unknown>): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve
    })
    this.#arm()
    await Promise.race([work, reached])
    this.forget()
  }

  forget(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#forget === undefined) return
    for (const forget of this.#forget) forget()
    this.#forget = undefined
  }

  #arm(): void {
    clearTimeout(this.#timer)
    // Not unref'd: otherwise the process could exit with the promise pending.
    this.#timer = setTimeout(() => this.#reached?.(), Math.max(0, this.#at - now()))
  }
}

/** Waits for the work. After the limit it rejects with the error from `late`. */
export async function within(limit: number, work: Promise<unknown>, late: () => Error): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), limit)
  })
  try {
    await Promise.race([work, expiry])
  } finally {
    clearTimeout(timer)
  }
}
