/** Milliseconds between two turns of the clock. */
const EVERY = 5

/** A clock that stands still while the event loop is blocked, or while the machine runs other processes. */
export class LoopClock implements Disposable {
  #turns = 0
  #longest = 0
  #last = performance.now()
  readonly #timer = setInterval(() => {
    const now = performance.now()
    this.#turns++
    this.#longest = Math.max(this.#longest, now - this.#last - EVERY)
    this.#last = now
  }, EVERY)

  /** Milliseconds that have passed for the event loop. */
  get passed(): number {
    return this.#turns * EVERY
  }

  /** The longest time that the clock stood still, in milliseconds. */
  get longest(): number {
    return Math.max(this.#longest, performance.now() - this.#last - EVERY)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
