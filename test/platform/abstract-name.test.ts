import { expect, it } from 'vitest'
import { listenTarget } from '../../src/platform/abstract-name.js'

const longest = '\0portside/'.padEnd(108, '-')

it.each(['Node', 'Deno'] as const)('is the name itself in %s', (on) => {
  expect(listenTarget(longest, on)).toEqual({ path: longest, exclusive: true })
})

it.each(['\0short', '\\\\.\\pipe\\portside-tcp-1'])('is the name itself in Bun, if Bun takes it: %j', (name) => {
  expect(listenTarget(name, 'Bun')).toEqual({ path: name, exclusive: true })
})

it('names Bun if it has no way to the C library', () => {
  // Node has no bun:ffi.
  expect(() => listenTarget(longest, 'Bun')).toThrow(
    expect.objectContaining({ code: 'ERR_PORTSIDE_UNSUPPORTED', headline: 'Cannot lock a port in Bun' }),
  )
})
