import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { matchers } from '../../src/assertions/matchers.js'
import { codeBlocks } from './code-blocks.js'
import { documentationPages, readPage, sourceFiles, testFile } from './documentation.js'
import { examplesOf, unfencedExamples } from './examples.js'

/** The words allowed after a fence. `ts` blocks run as tests, the others do not. A typo such as `typescript` would hide a block. */
// `npm run consumers` runs the `js` blocks of docs/jest.md and docs/mocha.md, `npm run compat` those of docs/other-runners.md.
const LANGUAGES = ['ts', 'js', 'sh', 'text', 'json', 'yaml']

const blocks = [
  ...documentationPages().map((page) => [page, codeBlocks(readPage(page))] as const),
  ...sourceFiles().map((source) => [source, examplesOf(readPage(source))] as const),
]

test('each block of the documentation names a known language', () => {
  const unknown = blocks.flatMap(([file, blocks]) =>
    blocks
      .filter(({ language }) => !LANGUAGES.includes(language))
      .map(({ language, line }) => `${file}:${line - 1} ${language || 'names no language'}`),
  )
  expect(unknown).toEqual([])
})

test('each @example of a doc comment is a block', () => {
  const unfenced = sourceFiles().flatMap((file) => unfencedExamples(readPage(file)).map((line) => `${file}:${line}`))
  expect(unfenced).toEqual([])
})

test('each block that uses a matcher installs it', () => {
  const used = new RegExp(`\\.(${Object.keys(matchers).join('|')})\\(`)
  const users = blocks.flatMap(([file, blocks]) =>
    blocks.flatMap((block) => (block.language === 'ts' && used.test(block.code) ? [{ file, ...block }] : [])),
  )
  expect(users.length).toBeGreaterThan(0)
  const installs = /^install\(\)|^import 'portside\/vitest\/setup'/m
  const without = users.filter(({ code }) => !installs.test(code))
  expect(without.map(({ file, line }) => `${file}:${line}`)).toEqual([])
})

test('each link to a section of a page leads to a heading', () => {
  const pages = new Map(documentationPages().map((page) => [page, readPage(page).replaceAll(/^```.*?^```/gms, '')]))
  const broken = [...pages].flatMap(([page, text]) =>
    [...text.matchAll(/\]\(([^)\s:#]*)#([^)\s]+)\)/g)].flatMap(([, path = '', anchor = '']) => {
      const target = path === '' ? page : posix.join(posix.dirname(page), path)
      const linked = pages.get(target)
      return linked === undefined || anchorsOf(linked).has(anchor) ? [] : [`${page}: ${path}#${anchor}`]
    }),
  )
  expect(broken).toEqual([])
})

/** As GitHub names them. */
const anchorsOf = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )

describe('testFile', () => {
  const file = testFile({ language: 'ts', line: 40, code: 'first()\n\nthird()' }, '../README.md', 'the page')

  test('has the block on the same lines as its page', () => {
    expect(file.split('\n').slice(38, 42)).toEqual(['', 'first()', '', 'third()'])
  })

  test('maps each line to the same line of the page', () => {
    const [, encoded = ''] = /base64,(.*)\n$/.exec(file) ?? []
    const map = JSON.parse(Buffer.from(encoded, 'base64').toString())
    expect(map).toMatchObject({ version: 3, sources: ['../README.md'], sourcesContent: ['the page'] })
    // 39 lines down (`uC`), then one line each.
    expect(map.mappings).toBe(`${';'.repeat(39)}AAuCA;AACA;AACA`)
  })
})
