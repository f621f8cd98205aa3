import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lookAtProject } from '../../../src/cli/project/look.js'
import { type Given, look, ROOT } from './files.js'

describe('the project of a folder', () => {
  it('has the nearest package.json upward', () => {
    const given = { 'package.json': { name: 'outer' }, 'a/package.json': { name: 'inner' }, 'a/b/c.txt': '' }
    expect(look(given, {}, 'a/b')).toMatchObject({ root: join(ROOT, 'a'), name: 'inner' })
    expect(look(given, {}, 'x')).toMatchObject({ root: ROOT, name: 'outer' })
  })

  it('does not exist if the current folder is gone', () => {
    expect(lookAtProject(undefined, {})).toMatchObject({ problem: 'the current folder does not exist', runners: [] })
  })

  it('does not exist without a package.json', () => {
    const problem = `no folder from ${ROOT} upward has a package.json`
    expect(look({})).toEqual({ format: 1, problem, hasPortside: false, runners: [], workspaces: [] })
  })

  it.each<[string, string | object, string | RegExp]>([
    ['is not JSON', 'nope', /^package\.json is not valid JSON: /],
    ['is a list', '[]', 'package.json is not a JSON object'],
    ['is null', 'null', 'package.json is not a JSON object'],
    ['is empty', { problem: 'is empty' }, 'package.json is empty'],
    ['is a directory', { problem: 'is a directory' }, 'package.json is a directory'],
  ])('is reported when package.json %s', (_, manifest, problem) => {
    const report = look({
      'package.json': manifest,
      'vitest.config.ts': "export default { test: { setupFiles: 'portside/vitest/setup' } }",
    })
    expect(report).toMatchObject({
      root: ROOT,
      problem: expect.stringMatching(problem),
      runners: [{ name: 'vitest', check: 'on' }],
    })
  })

  it('has no runner when its fields have the wrong types', () => {
    const manifest = {
      name: 1,
      dependencies: ['jest'],
      devDependencies: null,
      scripts: 'jest',
      workspaces: 7,
      mocha: undefined,
    }
    expect(look({ 'package.json': manifest })).toMatchObject({ runners: [], workspaces: [] })
  })

  it('has no runner for names that every object inherits', () => {
    expect(
      look({ 'package.json': { devDependencies: { constructor: '1', __proto__: {} }, scripts: { toString: 'x' } } })
        .runners,
    ).toEqual([])
  })

  it.each<[string, Given, string[]]>([
    [
      'as a list',
      { 'package.json': { workspaces: ['packages/*', './tools/cli/', '!packages/b'] } },
      ['packages/a', 'packages/b', 'tools/cli'],
    ],
    ['as an object', { 'package.json': { workspaces: { packages: ['packages/*'] } } }, ['packages/a', 'packages/b']],
    [
      'of pnpm',
      { 'package.json': {}, 'pnpm-workspace.yaml': "packages:\n  - 'packages/*'\n  - '!**/test/**'\n  - apps/**\n" },
      ['packages/a', 'packages/b', 'apps/**'],
    ],
  ])('names its workspaces, %s', (_, given, expected) => {
    const packages = { 'packages/a/package.json': {}, 'packages/b/package.json': {}, 'packages/c/readme.md': '' }
    expect(look({ ...given, ...packages }).workspaces).toEqual(expected)
  })

  it('does not include the runners of its workspaces', () => {
    const given = { 'package.json': { workspaces: ['a'] }, 'a/package.json': { devDependencies: { jest: '30' } } }
    expect(look(given).runners).toEqual([])
  })

  it.each<[Given, boolean]>([
    [{ 'package.json': {} }, false],
    [{ 'package.json': { devDependencies: { portside: '1' } } }, true],
    [{ 'package.json': {}, 'node_modules/portside/package.json': { version: '1.0.0' } }, true],
  ])('knows whether it has portside: %j', (given, expected) => {
    expect(look(given).hasPortside).toBe(expected)
  })

  it('has the installed versions, even from a folder above', () => {
    const given = {
      'a/package.json': { devDependencies: { jest: '^30' } },
      'node_modules/jest/package.json': { version: '30.1.2' },
    }
    expect(look(given, {}, 'a').runners).toMatchObject([{ name: 'jest', version: '30.1.2' }])
  })

  it('has several runners', () => {
    const devDependencies = { vitest: '4', jest: '30', mocha: '11', tape: '5' }
    const report = look({ 'package.json': { devDependencies, scripts: { 'test:node': 'node --test' } } })
    expect(report.runners.map(({ name }) => name)).toEqual(['vitest', 'jest', 'mocha', 'node:test', 'tape'])
  })

  it.each([
    ['ava', 'ava'],
    ['@cucumber/cucumber', 'cucumber'],
    ['jasmine', 'jasmine'],
    ['tap', 'tap'],
    ['tape', 'tape'],
    ['uvu', 'uvu'],
  ])('points to a page of the documentation for %s', (dependency, name) => {
    expect(look({ 'package.json': { devDependencies: { [dependency]: '1' } } }).runners).toMatchObject([
      { name, check: 'unknown', page: 'docs/other-runners.md' },
    ])
  })
})

describe('a project with nonsense files', () => {
  const CONFIGS = [
    'vitest.config.ts',
    'vite.config.js',
    'vitest.workspace.ts',
    'jest.config.js',
    '.mocharc.yml',
    'test/a.test.js',
  ]
  const PIECES = [
    "import a from 'portside/vitest/plugin'\n",
    "import b from 'q'\n",
    'plugins:[a()],',
    "{setupFiles:['./vitest.config']},",
    'export default{test:{projects:[',
    "extends:'./vite.config',",
    'const a=[a,b];',
    'const b=[a];',
    'setupFiles:a,',
    "preset:'./jest.config.js',",
    "require('./jest.config.js');",
    'x.require=',
    '- a\n',
    'a: [\n',
    '...b,',
    'mergeConfig(b,',
    '`${',
    "'",
    ']}',
  ]
  const lookAtAll = (text: string): unknown =>
    look({ 'package.json': { scripts: { test: text } }, ...Object.fromEntries(CONFIGS.map((name) => [name, text])) })

  it.each(PIECES)('is read when the files repeat %j', (piece) => {
    expect(lookAtAll(piece.repeat(500))).toMatchObject({ root: ROOT })
  })

  it('is read with any content', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }), (pieces) => {
        expect(lookAtAll(pieces.join(''))).toMatchObject({ root: ROOT })
      }),
    )
  })
})
