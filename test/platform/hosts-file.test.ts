import { expect, it } from 'vitest'
import { hostsFile } from '../../src/platform/hosts-file.js'

it('is the file that the resolver of the system reads', () => {
  expect(hostsFile('linux')).toBe('/etc/hosts')
  expect(hostsFile('darwin')).toBe('/etc/hosts')
  expect(hostsFile('win32')).toBe('%SystemRoot%\\System32\\drivers\\etc\\hosts')
})
