import { expect, test } from 'vitest'
import { codeBlocks } from './code-blocks.js'

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
  expect(codeBlocks('````text\n```ts\nx\n```\n````\n')).toEqual([{ language: 'text', line: 2, code: '```ts\nx\n```' }])
})

test('reads lines with Windows endings', () => {
  expect(codeBlocks('```ts\r\na\r\nb\r\n```\r\n')).toEqual([{ language: 'ts', line: 2, code: 'a\nb' }])
})

test('throws for a block that is never closed', () => {
  expect(() => codeBlocks('text\n\n```ts\na\n')).toThrow('The fence above line 4 is never closed')
})
