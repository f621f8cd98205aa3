import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { findProgram } from '../../src/platform/program.js'

describe('findProgram', () => {
  let root: string

  /** one/tool and two/tool can be executed, three/tool cannot, four/tool is a directory, five is empty. */
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(root, { recursive: true }))
    for (const name of ['one', 'two', 'three', 'four', 'five']) await mkdir(join(root, name))
    for (const name of ['one', 'two', 'three']) await writeFile(join(root, name, 'tool'), '')
    for (const name of ['one', 'two']) await chmod(join(root, name, 'tool'), 0o755)
    await mkdir(join(root, 'four', 'tool'))
  })

  const path = (...names: string[]): string => names.map((name) => join(root, name)).join(delimiter)
  const tool = (name: string): string => join(root, name, 'tool')

  it('finds a bare name in the first directory of PATH that has it', () => {
    expect(findProgram('tool', { path: path('one', 'two') }, 'linux')).toEqual({ path: tool('one') })
    expect(findProgram('tool', { path: path('five', 'two', 'one') }, 'linux')).toEqual({ path: tool('two') })
  })

  it('ignores directories and files that cannot be executed', async () => {
    const everywhere = path('missing', 'four', 'three', 'two')
    expect(findProgram('tool', { path: everywhere }, 'linux')).toEqual({ path: tool('two') })
  })

  it('distinguishes a file that cannot be executed from a missing one', () => {
    expect(findProgram('tool', { path: path('three', 'five') }, 'linux')).toEqual({ code: 'EACCES' })
    expect(findProgram('tool', { path: path('four', 'five') }, 'linux')).toEqual({ code: 'ENOENT' })
    expect(findProgram('tool', { path: '' }, 'linux')).toEqual({ code: 'ENOENT' })
    expect(findProgram(tool('three'), {}, 'linux')).toEqual({ code: 'EACCES' })
    expect(findProgram(tool('four'), {}, 'linux')).toEqual({ code: 'ENOENT' })
    expect(findProgram(tool('five'), {}, 'linux')).toEqual({ code: 'ENOENT' })
  })

  it('resolves a path from the working directory, not from PATH', () => {
    expect(findProgram(tool('one'), { path: path('two') }, 'linux')).toEqual({ path: tool('one') })
    expect(findProgram('./tool', { cwd: join(root, 'one'), path: path('two') }, 'linux')).toEqual({
      path: tool('one'),
    })
    expect(findProgram('one/tool', { cwd: relative('.', root) }, 'darwin')).toEqual({ path: tool('one') })
  })

  it('reads relative and empty entries of PATH from the working directory', () => {
    expect(findProgram('tool', { cwd: root, path: 'five:two' }, 'linux')).toEqual({ path: tool('two') })
    expect(findProgram('tool', { cwd: join(root, 'one'), path: '' }, 'linux')).toEqual({ path: tool('one') })
  })

  it('leaves the search to Windows there', () => {
    expect(findProgram('tool', { path: path('one') }, 'win32')).toEqual({ path: 'tool' })
  })
})
