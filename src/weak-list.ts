/** Objects of others, in the order in which they were added, for as long as somebody else has them. */
export class WeakList<T extends object> {
  readonly #isGone: (item: T) => boolean
  #references: WeakRef<T>[] = []
  #sweepAt = 64

  /** Items that are gone are left out by the next sweep. */
  constructor(isGone: (item: T) => boolean = () => false) {
    this.#isGone = isGone
  }

  add(item: T): void {
    this.#references.push(new WeakRef(item))
    // Now and then instead of by a listener on everybody's objects: memory stays bounded by what is in use.
    if (this.#references.length >= this.#sweepAt) this.#sweep()
  }

  *[Symbol.iterator](): Generator<T, void, void> {
    for (const reference of this.#references) {
      const item = reference.deref()
      if (item !== undefined) yield item
    }
  }

  #sweep(): void {
    this.#references = this.#references.filter((reference) => {
      const item = reference.deref()
      return item !== undefined && !this.#isGone(item)
    })
    this.#sweepAt = Math.max(64, this.#references.length * 2)
  }
}
