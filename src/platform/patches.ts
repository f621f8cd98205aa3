import type { Undo } from '../disposal.js'
import { processState } from '../process-state.js'

/** A method that portside has replaced. */
export interface Patched {
  readonly target: object
  readonly name: string
  readonly because: string
}

/**
 * Replaces a method of an object that is not portside's, and returns the undo, which can be called twice. If somebody has patched the method
 * again by then, restoring would remove their patch: ours stays and only calls the original.
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
  // Whoever looks at the method sees the name and the parameters of the original.
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

/** What is patched now, by every copy of portside in this process. */
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

/** Drops targets that were collected: now and then, so that memory stays bounded by what is alive. */
function sweep(all: List): void {
  for (const entry of all.entries) if (entry.target.deref() === undefined) all.entries.delete(entry)
  all.sweepAt = Math.max(64, all.entries.size * 2)
}
