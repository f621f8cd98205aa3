import { describe, expect, it } from 'vitest'
import { runtime } from '../../src/platform/runtime.js'

describe('runtime', () => {
  it.each([
    ['Node', { node: '20.20.2' }],
    ['Bun', { node: '24.3.0', bun: '1.4.5' }],
    ['Deno', { node: '24.2.0', deno: '2.9.6' }],
  ] as const)('is %s', (name, versions) => {
    expect(runtime(versions)).toBe(name)
  })

  it('is Node in this process', () => {
    expect(runtime()).toBe('Node')
  })
})
