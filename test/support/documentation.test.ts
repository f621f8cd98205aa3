import { describe, expect, test } from 'vitest'
import { matchers } from '../../src/assertions/matchers.js'
import { codeBlocks, documentationPages, readPage, testFile } from './documentation.js'

/** The words allowed after a fence. `ts` blocks run as tests, the others do not. A typo such as `typescript` would hide a block. */
// `npm run consumers` runs the `js` blocks of docs/jest.md and docs/mocha.md, `npm run compat` those of docs/other-runners.md.
const LANGUAGES = ['ts', 'js', 'sh', 'text', 'json', 'yaml']

test('each block of the documentation names a known language', () => {
  const unknown = documentationPages().flatMap((page) =>
    codeBlocks(readPage(page))
      .filter(({ language }) => !LANGUAGES.includes(language))
      .map(({ language, line }) => `${page}:${line - 1} ${language || 'names no language'}`),
  )
  expect(unknown).toEqual([])
})

test('each block that uses a matcher installs it', () => {
  const used = new RegExp(`\\.(${Object.keys(matchers).join('|')})\\(`)
  const users = documentationPages().flatMap((page) =>
    codeBlocks(readPage(page)).filter(({ language, code }) => language === 'ts' && used.test(code)),
  )
  expect(users.length).toBeGreaterThan(0)
  const installs = /^install\(\)|^import 'portside\/vitest\/setup'/m
  expect(users.filter(({ code }) => !installs.test(code)).map(({ line }) => line)).toEqual([])
})

describe('codeBlocks', () => {
  test('finds each block with its language, its line and its code', () => {
    const page = '# Title\n\n```ts\nfirst()\n\nsecond()\n```\n\ntext\n\n```sh\nnpm test\n```\n'
    expect(codeBlocks(page)).toEqual([
      { language: 'ts', line: 4, code: 'first()\n\nsecond()' },
      { language: 'sh', line: 12, code: 'npm test' },
    ])
  })

  test('removes only the indentation of the fence from the code', () => {
    expect(codeBlocks('- item\n  ```ts\n  if (a) {\n    b()\n  }\n  ```\n')).toEqual([
      { language: 'ts', line: 3, code: 'if (a) {\n  b()\n}' },
    ])
  })

  test('keeps a shorter fence, or a fence with a language, as code', () => {
    expect(codeBlocks('````text\n```ts\nx\n```\n````\n')).toEqual([
      { language: 'text', line: 2, code: '```ts\nx\n```' },
    ])
  })

  test('reads lines with Windows endings', () => {
    expect(codeBlocks('```ts\r\na\r\nb\r\n```\r\n')).toEqual([{ language: 'ts', line: 2, code: 'a\nb' }])
  })

  test('throws for a block that is never closed', () => {
    expect(() => codeBlocks('text\n\n```ts\na\n')).toThrow('The fence above line 4 is never closed')
  })
})

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
