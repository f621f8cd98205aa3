import { portsideError } from './errors.js'

/** Undoes an acquisition. A promise that it returns is awaited. */
export type Undo = () => unknown

export interface UndoList {
  readonly size: number
  /** Registers the undo of an acquisition. Returns a function that removes it from the list. */
  add(undo: Undo): () => void
  /**
   * Runs all undos, last in first out, one after the other. Later calls share the first call's promise. Continues after an error,
   * then rejects with that error, or with ERR_PORTSIDE_UNDO and all of them.
   */
  run(): Promise<void>
  /** Runs all undos and returns `error`. Errors of undos are added to it as `undoErrors` and never replace it. */
  runAfter<E>(error: E): Promise<E>
}

export function createUndoList(): UndoList {
  const undos = new Set<{ undo: Undo }>()
  let running: Promise<void> | undefined

  const runAll = async (): Promise<void> => {
    const errors: unknown[] = []
    for (;;) {
      // Read again each time, because an undo may register another.
      const last = [...undos].pop()
      if (last === undefined) break
      undos.delete(last)
      try {
        await last.undo()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw severalErrors(errors)
  }

  return {
    get size() {
      return undos.size
    },
    add(undo) {
      const entry = { undo }
      undos.add(entry)
      return () => void undos.delete(entry)
    },
    run() {
      running ??= runAll()
      return running
    },
    async runAfter(error) {
      try {
        await this.run()
      } catch (undoError) {
        if (typeof error === 'object' && error !== null) {
          Object.defineProperty(error, 'undoErrors', { value: errorsIn(undoError), configurable: true })
        }
      }
      return error
    },
  }
}

function severalErrors(errors: unknown[]): Error {
  const error = portsideError('ERR_PORTSIDE_UNDO', {
    headline: `The teardown failed with ${errors.length} errors, the first: ${String((errors[0] as Error)?.message ?? errors[0])}`,
    next: 'see .errors for each of them',
    cause: errors[0],
  })
  return Object.assign(error, { errors })
}

function errorsIn(error: unknown): unknown[] {
  return (error as { errors?: unknown[] } | null)?.errors ?? [error]
}
