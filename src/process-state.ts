import net from 'node:net'

/**
 * State that all copies of portside in a process share. Two installed versions and the vm contexts of a test runner certainly share
 * only the built-in `net` module: each Jest test file has its own `globalThis`.
 */
export function processState<T>(key: string, make: () => T): T {
  holder[STATE] ??= Object.create(null) as Record<string, unknown>
  const state = holder[STATE]
  if (!(key in state)) state[key] = make()
  return state[key] as T
}

const holder = net.Server as unknown as Record<symbol, Record<string, unknown> | undefined>

const STATE = Symbol.for('portside.state.v1')
