/** Weak references to objects, in the order in which they were added. */
export class WeakList<T extends object> {
  readonly #isGone: (item: T) => boolean
  #references: WeakRef<T>[] = []
  #sweepAt = 64

  /** The next sweep removes items for which `isGone` returns true. */
  constructor(isGone: (item: T) => boolean = () => false) {
    this.#isGone = isGone
  }

  add(item: T): void {
    this.#references.push(new WeakRef(item))
    // An occasional sweep needs no listener on the objects, and keeps memory in proportion to the objects in use.
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
