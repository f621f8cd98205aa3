import { describe, expect, test } from 'vitest'
import { exampleFiles, examplesOf, unfencedExamples } from './examples.js'

const SOURCE = `import net from 'node:net'

/**
 * Opens.
 *
 * @example
 * \`\`\`ts
 * import { open } from 'portside'
 *
 * await using opened = await open()
 * \`\`\`
 */
export async function open() {}

export interface Opened {
  /**
   * Closes.
   *
   * \`\`\`ts
   * import { open } from 'portside'
   *
   * if (true) {
   *   await open()
   * }
   * \`\`\`
   */
  close(): void
}
`

describe('examplesOf', () => {
  test('finds each block with its line in the source and the name that it documents', () => {
    expect(examplesOf(SOURCE)).toEqual([
      {
        language: 'ts',
        line: 8,
        name: 'open',
        code: "import { open } from 'portside'\n\nawait using opened = await open()",
      },
      {
        language: 'ts',
        line: 20,
        name: 'close',
        code: "import { open } from 'portside'\n\nif (true) {\n  await open()\n}",
      },
    ])
  })

  test.each([
    ['export default function getPort(', 'getPort'],
    ['export const test = ', 'test'],
    ['  readonly url: URL', 'url'],
    ['export type Ready = ', 'Ready'],
    ['  [Symbol.asyncDispose](): void', 'line 2'],
  ])('names the block above %s', (declaration, name) => {
    expect(examplesOf(`/** \n * \`\`\`sh\n * \`\`\`\n */\n${declaration}`)[0]?.name).toBe(name.replace('2', '3'))
  })
})

describe('exampleFiles', () => {
  test('makes each block a test on its own lines, below the imports of all', () => {
    const [file = '', ...others] = exampleFiles(SOURCE)
    expect(others).toEqual([])
    const lines = file.split('\n')
    expect(lines[0]).toContain("import { open } from 'portside'")
    expect(lines.slice(6, 11)).toEqual([
      '__test("open", async () => {',
      '',
      '',
      'await using opened = await open()',
      '})',
    ])
    expect(lines.slice(18, 25)).toEqual([
      '__test("close", async () => {',
      '',
      '',
      'if (true) {',
      '  await open()',
      '}',
      '})',
    ])
  })

  const block = (code: string): string =>
    `/**\n * \`\`\`ts\n * ${code.replaceAll('\n', '\n * ')}\n * \`\`\`\n */\nlet a\n`

  test('puts a block into another file if it gives a name to something else', () => {
    const source = block("import { test } from 'vitest'") + block("import { test } from 'portside/vitest'")
    expect(exampleFiles(source)).toHaveLength(2)
  })

  test('lets a block with tests be no test', () => {
    const source = block("import { test } from 'portside/vitest'\n\ntest('opens', () => {})")
    expect(exampleFiles(source)[0]).toContain('__describe("a", async () => {')
  })

  test('takes only the blocks in ts', () => {
    expect(exampleFiles(block('').replace('ts', 'js'))).toEqual([])
  })
})

test('unfencedExamples finds an @example without a block', () => {
  expect(unfencedExamples(SOURCE)).toEqual([])
  expect(unfencedExamples('/**\n * @example\n * open()\n */\n/** @example open() */')).toEqual([2, 5])
})
