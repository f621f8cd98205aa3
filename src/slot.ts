/** A private value of an object. It is collected with the object. */
export interface Slot<T> {
  get(owner: object | null | undefined): T | undefined
  set(owner: object, value: T): void
}

/**
 * Adds a private field to objects of other classes. A weak map of all sockets would cost several times as much, most of it in the
 * garbage collector.
 */
export function createSlot<T>(): Slot<T> {
  class Given {
    constructor(owner: object) {
      // biome-ignore lint/correctness/noConstructorReturn: a subclass adds its fields to the object that this constructor returns.
      return owner
    }
  }
  class Holder extends Given {
    #value: T
    constructor(owner: object, value: T) {
      super(owner)
      this.#value = value
    }
    static read(owner: object | null | undefined): T | undefined {
      return owner != null && #value in owner ? (owner as Holder).#value : undefined
    }
    static write(owner: object, value: T): void {
      if (#value in owner) (owner as Holder).#value = value
      else new Holder(owner, value)
    }
  }
  return { get: Holder.read, set: Holder.write }
}
