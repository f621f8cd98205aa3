/** Milliseconds between two measurements. */
const EVERY = 5

/** The longest delay of a timer by the event loop, in milliseconds. */
export class Lag implements Disposable {
  #longest = 0
  #last = performance.now()
  readonly #timer = setInterval(() => {
    const now = performance.now()
    this.#longest = Math.max(this.#longest, now - this.#last - EVERY)
    this.#last = now
  }, EVERY)

  get longest(): number {
    return Math.max(this.#longest, performance.now() - this.#last - EVERY)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
