import type { Undo } from '../disposal.js'
import { processState } from '../process-state.js'

/** A method that portside has replaced. */
export interface Patched {
  readonly target: object
  readonly name: string
  readonly because: string
}

/**
 * Replaces a method of another library's object, and returns the undo, which is safe to call twice. If other code has patched the
 * method again, restoring would remove that patch, so ours stays and only calls the original.
 *
 * The list of patches holds its targets weakly, so that a patched server or socket can be collected.
 */
export function patch<T extends object, Name extends keyof T & string>(
  target: T,
  name: Name,
  make: (original: T[Name]) => T[Name],
  because: string,
): Undo {
  const isOwn = Object.hasOwn(target, name)
  const original = target[name]
  const replacement = make(original)
  let current = replacement
  const method = function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(current as () => unknown, this, args)
  }
  // Code that inspects the method must see the name and the number of parameters of the original.
  for (const key of ['name', 'length'] as const) {
    const value = Reflect.get(original as object, key)
    Object.defineProperty(method, key, { value, configurable: true })
  }
  target[name] = method as T[Name]
  const forget = remember({ target, name, because })
  return () => {
    current = original
    forget()
    if (target[name] !== (method as unknown)) return
    if (isOwn) target[name] = original
    else Reflect.deleteProperty(target, name)
  }
}

/** Replaces a class by one that also calls back with each object that it makes. Never undone. */
export function patchClass<T extends object, Name extends keyof T & string>(
  target: T,
  name: Name,
  made: (object: object, construct: (...args: never[]) => unknown) => void,
  because: string,
): void {
  const construct = (original: object, args: unknown[], newTarget: object): object => {
    const object: object = Reflect.construct(original as new () => object, args, newTarget as new () => object)
    made(object, construct)
    return object
  }
  target[name] = new Proxy(target[name] as object, { construct: construct as never }) as T[Name]
  remember({ target, name, because })
}

/** The current patches, of every copy of portside in this process. */
export function patches(): Patched[] {
  return [...list().entries].flatMap(({ name, because, target }) => {
    const alive = target.deref()
    return alive === undefined ? [] : [{ target: alive, name, because }]
  })
}

interface Entry {
  readonly name: string
  readonly because: string
  readonly target: WeakRef<object>
}

interface List {
  readonly entries: Set<Entry>
  sweepAt: number
}

const list = (): List => processState('platform.patches', () => ({ entries: new Set<Entry>(), sweepAt: 64 }))

function remember({ target, name, because }: Patched): () => void {
  const { entries } = list()
  const entry = { name, because, target: new WeakRef(target) }
  if (entries.size >= list().sweepAt) sweep(list())
  entries.add(entry)
  return () => void entries.delete(entry)
}

/** Removes collected targets, so that memory stays in proportion to the live ones. */
function sweep(all: List): void {
  for (const entry of all.entries) if (entry.target.deref() === undefined) all.entries.delete(entry)
  all.sweepAt = Math.max(64, all.entries.size * 2)
}
