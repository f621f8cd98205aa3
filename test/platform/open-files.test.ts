import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { expect, it, vi } from 'vitest'
import { openFiles } from '../../src/platform/open-files.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'

leavesNothingOpen()

const NULL = process.platform === 'win32' ? '\\\\.\\NUL' : '/dev/null'

it('counts the open descriptors, without the one of the count', (context) => {
  needsKernel(context)
  // Checks each possible number.
  const isOpen = (fd: number): boolean => {
    try {
      fs.fstatSync(fd)
      return true
    } catch {
      return false
    }
  }
  const { open, limit = 0 } = openFiles()
  // A descriptor from before the limit was lowered may have a number above it.
  expect(open).toBe(Array.from({ length: Math.max(limit, 1024) }, (_, fd) => fd).filter(isOpen).length)
})

it('follows descriptors that are opened and closed', (context) => {
  needsKernel(context)
  const before = openFiles().open as number
  const descriptors = Array.from({ length: 20 }, () => fs.openSync(NULL, 'r'))
  expect(openFiles().open).toBe(before + 20)
  for (const fd of descriptors) fs.closeSync(fd)
  expect(openFiles().open).toBe(before)
})

it('knows the current limit', (context) => {
  needsKernel(context)
  const limit = execFileSync('sh', ['-c', 'ulimit -Sn'], { encoding: 'utf8' }).trim()
  expect(openFiles().limit).toBe(Number(limit))
})

it.each([
  ['Max open files            1024                 524288               files     \n', 1024],
  ['Max cpu time  1  1  seconds\nMax open files 64 128 files\nMax locked memory 2 2 bytes\n', 64],
  ['Max open files            unlimited            unlimited            files     \n', undefined],
  ['Max cpu time  1  1  seconds\n', undefined],
  ['', undefined],
])('reads the limit in %j', (text, limit) => {
  vi.spyOn(fs, 'readFileSync').mockReturnValue(text)
  expect(withMocks(openFiles).limit).toBe(limit)
})

it('is undefined if the system shows nothing, or no descriptor is left', () => {
  const refuse = (): never => {
    throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
  }
  vi.spyOn(fs, 'readFileSync').mockImplementation(refuse)
  vi.spyOn(fs, 'readdirSync').mockImplementation(refuse)
  expect(withMocks(openFiles)).toEqual({ open: undefined, limit: undefined })
})

function withMocks<T>(ask: () => T): T {
  syncBuiltinESMExports()
  try {
    return ask()
  } finally {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
  }
}
