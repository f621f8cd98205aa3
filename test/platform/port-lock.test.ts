import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { portLockPlace } from '../../src/platform/port-lock.js'

it.each(['linux', 'android'] as const)('is an abstract name of maximum length on %s, another for each port', (on) => {
  const names = [1, 30, 3000, 30_001].map((port) => (portLockPlace(port, on) as { name: string }).name)
  // sun_path has 108 bytes (unix(7)), and a name that fills them is the same in every version of libuv.
  for (const name of names) expect(Buffer.byteLength(name)).toBe(108)
  expect(names[2]).toMatch(/^\0portside\/tcp\/3000\/-+$/)
  expect(new Set(names).size).toBe(4)
})

it('is the name of a pipe on Windows', () => {
  expect(portLockPlace(3000, 'win32')).toEqual({ name: '\\\\.\\pipe\\portside-tcp-3000' })
})

it.each(['darwin', 'freebsd', 'netbsd', 'openbsd'] as const)('is a file opened with an exclusive lock on %s', (on) => {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
  const open = O_NONBLOCK | O_NOFOLLOW | 0x20
  const create = open | O_CREAT | O_EXCL
  expect(portLockPlace(3000, on)).toEqual({ file: join(tmpdir(), 'portside-tcp-3000.lock'), open, create, mode: 0o444 })
})

it.each(['aix', 'sunos'] as const)('is missing on %s', (on) => {
  expect(portLockPlace(3000, on)).toBeUndefined()
})

it('is that of this system by default', () => {
  expect(portLockPlace(3000)).toEqual(portLockPlace(3000, process.platform))
})
