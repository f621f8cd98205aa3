/** Calls a function with these globals, as a test runner would define them. */
export function withGlobals<T>(globals: object, action: () => T): T {
  const before = Object.entries(Object.getOwnPropertyDescriptors(globalThis)).filter(([name]) => name in globals)
  Object.assign(globalThis, globals)
  try {
    return action()
  } finally {
    for (const name of Object.keys(globals)) Reflect.deleteProperty(globalThis, name)
    Object.defineProperties(globalThis, Object.fromEntries(before))
  }
}

/** The code of the error that a function throws. */
export function codeOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'nothing was thrown'
}
