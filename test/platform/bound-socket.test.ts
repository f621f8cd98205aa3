import net from 'node:net'
import { expect, it } from 'vitest'
import { boundSocketClass } from '../../src/platform/bound-socket.js'

it('is the class of this Node, if it has one', () => {
  expect(boundSocketClass()).toBe((net as { BoundSocket?: unknown }).BoundSocket)
})

it.each([[{}], [{ BoundSocket: undefined }], [{ BoundSocket: 'class' }]])(
  'is undefined in a runtime with %j',
  (module) => {
    expect(boundSocketClass(module)).toBeUndefined()
  },
)
