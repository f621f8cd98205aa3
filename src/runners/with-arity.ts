/** Jest and Mocha wait for a function with a parameter until it calls that parameter. */
export function withArity(length: number, run: (self: unknown, args: unknown[]) => unknown): Fn {
  if (length === 0) {
    return function (this: unknown, ...args: unknown[]) {
      return run(this, args)
    }
  }
  return function (this: unknown, done: unknown, ...args: unknown[]) {
    return run(this, [done, ...args])
  }
}

export type Fn = (this: unknown, ...args: unknown[]) => unknown
