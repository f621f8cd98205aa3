import net from 'node:net'

/**
 * State that must be one per process, whichever copy of portside asks: two installed versions,
 * and every vm context of a test runner share the built-in `net` module, and nothing else for certain
 * (`globalThis` is one per Jest test file).
 */
export function processState<T>(key: string, make: () => T): T {
  holder[STATE] ??= Object.create(null) as Record<string, unknown>
  const state = holder[STATE]
  if (!(key in state)) state[key] = make()
  return state[key] as T
}

const holder = net.Server as unknown as Record<symbol, Record<string, unknown> | undefined>

const STATE = Symbol.for('portside.state.v1')
