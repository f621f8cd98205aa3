import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diskFiles } from '../../../src/cli/project/files.js'
import { lookAtProject } from '../../../src/cli/project/look.js'
import { codeOf } from '../../../src/errors.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portside-project-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, content: string | Buffer): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
const read = (name: string): unknown => diskFiles.read(join(folder, name))

describe('a file of a project', () => {
  it('is read as text without a byte order mark', () => {
    write('a', '\uFEFF{}\r\n')
    expect(read('a')).toEqual({ text: '{}\r\n' })
  })

  it('is undefined when it does not exist, or when its folder is a file', () => {
    write('a', 'x')
    expect([read('b'), read('a/b')]).toEqual([undefined, undefined])
  })

  it.each<[string, string | Buffer, string]>([
    ['empty', '', 'is empty'],
    ['empty except for a byte order mark', '\uFEFF\n', 'is empty'],
    ['UTF-16', Buffer.from('\uFEFFexport default {}', 'utf16le'), 'is not UTF-8 text'],
    ['of 10 MB', ' '.repeat(10_000_000), 'has 10.0 MB: portside reads up to 1 MB'],
  ])('has a problem when it is %s', (_, content, problem) => {
    write('a', content)
    expect(read('a')).toEqual({ problem })
  })

  it('has a problem when it is a directory', () => {
    mkdirSync(join(folder, 'a'))
    expect(read('a')).toEqual({ problem: 'is a directory', isFolder: true })
  })

  it('has a problem when it is a link to itself', () => {
    symlinkSync('a', join(folder, 'a'))
    expect(read('a')).toEqual({ problem: 'cannot be read: ELOOP' })
  })

  it('has a problem when permission is denied', (context) => {
    const path = write('a', 'x')
    chmodSync(path, 0)
    const denied = whyUnreadable(path)
    if (denied === undefined) context.skip('this user may read every file')
    expect(read('a')).toEqual({ problem: `cannot be read: ${denied}` })
  })

  it('has a problem when it is a named pipe, and reading does not block', (context) => {
    try {
      execFileSync('mkfifo', [join(folder, 'a')], { stdio: 'ignore' })
    } catch {
      context.skip('mkfifo(1) makes no named pipe here')
    }
    expect(read('a')).toEqual({ problem: 'is not a regular file' })
  })

  it('is listed, but a link is not', () => {
    write('a', 'x')
    mkdirSync(join(folder, 'b'))
    symlinkSync('b', join(folder, 'c'), 'junction')
    expect(diskFiles.list(folder)).toEqual({ files: ['a'], folders: ['b'] })
    expect(diskFiles.list(join(folder, 'none'))).toEqual({ files: [], folders: [] })
  })
})

describe('a project on disk', () => {
  it('is read as text, and its configuration does not run', () => {
    write('package.json', '\uFEFF{"devDependencies":{"vitest":"4"}}')
    write(
      'vitest.config.mjs',
      "throw new Error('never run')\nexport default { test: { setupFiles: ['portside/vitest/setup'] } }",
    )
    expect(lookAtProject(folder, {})).toMatchObject({
      root: folder,
      runners: [{ check: 'on', config: 'vitest.config.mjs' }],
    })
  })

  it('may have a configuration that imports itself', () => {
    write('package.json', '{}')
    write('vitest.config.mjs', "import './vitest.config.mjs'\nimport '.'\nimport './'\nimport '..'\nexport default {}")
    expect(lookAtProject(folder, {})).toMatchObject({ runners: [{ name: 'vitest', check: 'not set up' }] })
  })

  it('may have 10 MB, a directory or a pipe as its configuration', () => {
    write('package.json', '{}')
    write('vitest.config.ts', 'x'.repeat(10_000_000))
    mkdirSync(join(folder, 'jest.config.js'))
    mkdirSync(join(folder, '.mocharc.yml'))
    expect(lookAtProject(folder, {}).runners.map(({ check, how }) => `${check}: ${how}`)).toEqual([
      'unknown: vitest.config.ts has 10.0 MB: portside reads up to 1 MB',
      'unknown: jest.config.js is a directory',
      'unknown: .mocharc.yml is a directory',
    ])
  })
})

function whyUnreadable(path: string): string | undefined {
  try {
    readFileSync(path)
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}
