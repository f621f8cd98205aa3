/** A value that belongs to an object, goes with it, and is seen by nobody else. */
export interface Slot<T> {
  get(owner: object | null | undefined): T | undefined
  set(owner: object, value: T): void
}

/**
 * A private field that is added to objects of other classes: a weak map of every socket would cost several times as much, most
 * of it in the garbage collector.
 */
export function createSlot<T>(): Slot<T> {
  class Given {
    constructor(owner: object) {
      // biome-ignore lint/correctness/noConstructorReturn: what a constructor returns is what its subclass adds its fields to.
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
