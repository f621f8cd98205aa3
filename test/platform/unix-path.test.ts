import { mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { longestUnixPath, makeUnixPath, unixPathExists, whyNoSocketName } from '../../src/platform/unix-path.js'

it('is in a private directory that remove() removes', async () => {
  const { path, remove } = await makeUnixPath('linux')
  const directory = join(path, '..')
  expect((await stat(directory)).mode & 0o777).toBe(0o700)
  await remove()
  await remove()
  await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('is short enough for every kernel, even if the temporary directory is not', async () => {
  const before = process.env.TMPDIR
  process.env.TMPDIR = join('/tmp', 'x'.repeat(100))
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  for (const platform of ['linux', 'darwin'] as const) {
    const { path, remove } = await makeUnixPath(platform)
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(longestUnixPath(platform) ?? 0)
    await remove()
  }
})

it('is a new named pipe on Windows each time, without a file', async () => {
  const [one, other] = await Promise.all([makeUnixPath('win32'), makeUnixPath('win32')])
  expect(one.path).toMatch(/^\\\\\.\\pipe\\portside-[0-9a-f-]{36}$/)
  expect(one.path).not.toBe(other.path)
  await one.remove()
})

it('has the limit of its platform', () => {
  expect(longestUnixPath('linux')).toBe(107)
  expect(longestUnixPath('darwin')).toBe(103)
  expect(longestUnixPath('win32')).toBeUndefined()
})

it('exists as a dangling link, and not as an abstract or pipe name', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await symlink(join(directory, 'nowhere'), join(directory, 'link'))
  expect(await unixPathExists(join(directory, 'link'), 'linux')).toBe(true)
  expect(await unixPathExists(join(directory, 'none'), 'linux')).toBe(false)
  expect(await unixPathExists('\0abstract', 'linux')).toBe(false)
  expect(await unixPathExists('\\\\.\\pipe\\x', 'win32')).toBe(false)
})

it.each([
  ['win32', '\\\\.\\pipe\\mine', undefined],
  ['win32', '\\\\?\\pipe\\mine', undefined],
  ['win32', '//./PIPE/mine', undefined],
  ['win32', 'C:\\s.sock', 'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\'],
  ['win32', './s.sock', 'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\'],
  ['win32', '\0mine', 'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\'],
  ['darwin', '/tmp/s.sock', undefined],
  ['darwin', '\0mine', 'only Linux has abstract names, which begin with a null byte'],
  ['linux', '\0mine', undefined],
  ['linux', 'C:\\s.sock', undefined],
] as const)('on %s, checks the name %j for a socket', (platform, path, reason) => {
  expect(whyNoSocketName(path, platform)).toBe(reason)
})
