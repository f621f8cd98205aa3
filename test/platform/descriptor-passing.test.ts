import { expect, it } from 'vitest'
import { whyNoDescriptorPassing } from '../../src/platform/descriptor-passing.js'

it('is possible everywhere except on Windows, with the reason there', () => {
  expect(whyNoDescriptorPassing('node', 'win32')).toBe(
    'on Windows a program cannot inherit a listening socket by its number',
  )
  for (const platform of ['linux', 'darwin', 'freebsd', 'android'] as const) {
    expect(whyNoDescriptorPassing('/usr/bin/node', platform)).toBeUndefined()
  }
})

it('is that of this system by default', () => {
  expect(whyNoDescriptorPassing('node')).toBe(whyNoDescriptorPassing('node', process.platform))
})

it('is not possible for a program of Deno', () => {
  expect(whyNoDescriptorPassing('/usr/local/bin/deno', 'linux')).toContain('Deno')
})
