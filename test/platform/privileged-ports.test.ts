import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { everyUserMayBind, firstUnprivilegedPort } from '../../src/platform/privileged-ports.js'

it.each([
  ['1024\n', 1024],
  ['0\n', 0],
  ['80\n', 80],
  ['none\n', 1024],
])('reads the setting of Linux: %j', async (text, first) => {
  const source = await fileOf(text)
  expect(firstUnprivilegedPort('linux', source)).toBe(first)
  expect(firstUnprivilegedPort('android', source)).toBe(first)
})

it('is 1024 without a setting of Linux, and on other systems; 0 on Windows', async () => {
  expect(firstUnprivilegedPort('linux', join(tmpdir(), 'portside-test-none', 'none'))).toBe(1024)
  const source = await fileOf('80\n')
  expect(firstUnprivilegedPort('darwin', source)).toBe(1024)
  expect(firstUnprivilegedPort('freebsd', source)).toBe(1024)
  expect(firstUnprivilegedPort('win32', source)).toBe(0)
})

async function fileOf(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'setting')
  await writeFile(path, text)
  return path
}

it('every user may bind the ports of a wildcard address on macOS only', () => {
  for (const address of [undefined, '0.0.0.0', '::']) {
    expect(everyUserMayBind(address, 'darwin')).toBe(true)
    for (const platform of ['linux', 'freebsd', 'win32'] as const)
      expect(everyUserMayBind(address, platform)).toBe(false)
  }
  for (const address of ['127.0.0.1', '::1', '192.0.2.1']) expect(everyUserMayBind(address, 'darwin')).toBe(false)
})
