import { expect, it } from 'vitest'
import { portLockName } from '../../src/platform/port-lock.js'

it.each(['linux', 'android'] as const)(
  'is an abstract name on %s, as long as it can be and another for each port',
  (on) => {
    const names = [1, 30, 3000, 30_001].map((port) => portLockName(port, on) as string)
    // sun_path has 108 bytes (unix(7)), and a name that fills them is the same in every version of libuv.
    for (const name of names) expect(Buffer.byteLength(name)).toBe(108)
    expect(names[2]).toMatch(/^\0portside\/tcp\/3000\/-+$/)
    expect(new Set(names).size).toBe(4)
  },
)

it('is the name of a pipe on Windows', () => {
  expect(portLockName(3000, 'win32')).toBe('\\\\.\\pipe\\portside-tcp-3000')
})

it.each(['darwin', 'freebsd'] as const)('is none on %s, which has no name space that forgets', (on) => {
  expect(portLockName(3000, on)).toBeUndefined()
})

it('is that of this system where none is named', () => {
  expect(portLockName(3000)).toBe(portLockName(3000, process.platform))
})
