import { portsideError } from './errors.js'

export type Undo = () => unknown

export interface UndoList {
  readonly size: number
  /** Registers what undoes an acquisition, on the line after it. Returns a function that takes it off the list again. */
  add(undo: Undo): () => void
  /**
   * Runs everything, last in first out, each to its end before the next. Later calls share the first call's promise.
   * Rejects with the error of the one undo that failed, or ERR_PORTSIDE_UNDO with all of them; nothing is skipped.
   */
  run(): Promise<void>
  /** Undoes everything and hands back `error`; what fails meanwhile is added to it as `undoErrors`, never put over it. */
  runAfter<E>(error: E): Promise<E>
}

export function createUndoList(): UndoList {
  const undos = new Set<{ undo: Undo }>()
  let running: Promise<void> | undefined

  const runAll = async (): Promise<void> => {
    const errors: unknown[] = []
    for (;;) {
      // Taken anew each time: an undo may register another one.
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
