/** One place in a stack, in the user's source where a source map leads there. */
export interface StackFrame {
  readonly function?: string | undefined
  /** The path of the file, or a name such as `node:net`. */
  readonly file: string
  readonly line: number
  readonly column: number
}
