import { expect, test } from 'vitest'
import { isHandleOpen, isRef, type SocketHandle } from '../../src/platform/socket-handle.js'

test.each([
  ['closed', null, false, 'linux', false],
  ['not yet open', { fd: -1 }, false, 'linux', false],
  ['open', { fd: 20 }, false, 'linux', true],
  ['open, and its owner destroyed', { fd: 20 }, true, 'linux', true],
  ['open on macOS', { fd: 20 }, false, 'darwin', true],
  ['open on Windows, which has no descriptors', { fd: -1 }, false, 'win32', true],
  ['closed on Windows', { fd: -1 }, true, 'win32', false],
  ['one that the primary of a cluster listens for', {}, false, 'linux', true],
] as const)('a handle that is %s', (_name, handle, destroyed, platform, expected) => {
  expect(isHandleOpen(handle, destroyed, platform)).toBe(expected)
})

test.each<[string, SocketHandle | null, boolean]>([
  ['says so', { hasRef: () => true }, true],
  ['was unref’d', { hasRef: () => false }, false],
  ['is TLS on one that was unref’d', { _parent: { hasRef: () => false } }, false],
  ['does not say', {}, true],
  ['is closed', null, true],
])('a handle that %s keeps its process: %j', (_name, handle, expected) => {
  expect(isRef(handle)).toBe(expected)
})
