/** One line of a stack, in your source if a source map leads there. */
export interface StackFrame {
  /** The name of the function, as V8 writes it: `Pool.connect`. */
  readonly function?: string | undefined
  /** The path of the file, or a name such as `node:net`. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}
