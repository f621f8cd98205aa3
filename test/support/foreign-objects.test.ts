import { describe, expect, test } from 'vitest'
import { foreignAccess } from './foreign-objects.js'

describe('a method of a foreign object', () => {
  test.each([
    ['of a prototype', 'net.Socket.prototype.connect = connect'],
    ['of any prototype', 'Anything.prototype.method = value'],
    ['of a prototype, by brackets', `net.Socket.prototype['connect'] = connect`],
    ['of a server', 'server.emit = function (...all) { return emit.apply(this, all) } as typeof emit'],
    ['of a module', 'childProcess.fork = onHosts as typeof fork'],
    ['of a stream', 'stream._final = (done) => done()'],
    ['of a handle', 'handle.close = close'],
    ['of anything, by a function', 'somebody.elses = () => {}'],
    ['if it has none', 'server.emit ??= emit'],
    ['by defineProperty', `Object.defineProperty(server, 'closeIdleConnections', { value: () => {} })`],
    ['by Reflect', `Reflect.set(server, 'emit', emit)`],
  ])('must not be replaced: %s', (_, text) => {
    expect(foreignAccess({ 'sockets/a.ts': text })).toContainEqual(
      expect.stringMatching(/^sockets\/a\.ts:1 replaces a method without patch\(\)/),
    )
  })

  test.each([
    ['through patch()', `patch(server, 'emit', (emit) => emit, 'a reason')`],
    ['of its own object', 'this.close = () => {}'],
    ['if it is only compared', 'if (server.emit === emit) {}'],
    ['if it is a field', 'record.peer = clientOf(socket)'],
    ['if it is a variable', 'changed = () => {}'],
    ['in the definition of an error', `Object.defineProperty(error, 'name', { value: 'LeakError' })`],
  ])('may be set: %s', (_, text) => {
    expect(foreignAccess({ 'sockets/a.ts': text })).toEqual([])
  })

  test('may be replaced inside patch()', () => {
    expect(foreignAccess({ 'platform/patches.ts': 'target.method = () => {}' })).toEqual([])
  })
})

describe('a private member of Node', () => {
  test.each([
    ['a property', 'const handle = socket._handle'],
    ['a property that may be missing', 'const handle = socket?._handle'],
    ['brackets', `const handle = socket['_handle']`],
    ['a pattern', 'const { _handle: handle } = socket'],
    ['a type', 'interface Handled { _handle?: object }'],
  ])('must not be read elsewhere: %s', (_, text) => {
    expect(foreignAccess({ 'leaks/a.ts': text })).toEqual([
      'leaks/a.ts:1 reads _handle outside platform/node-internals.ts',
    ])
  })

  test('may be read in its own file, and patched by its name', () => {
    expect(foreignAccess({ 'platform/node-internals.ts': 'const handle = socket._handle' })).toEqual([])
    expect(foreignAccess({ 'sockets/pair.ts': `patch(stream, '_final', (final) => final, 'a reason')` })).toEqual([])
  })
})
