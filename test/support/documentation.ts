import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { type CodeBlock, codeBlocks } from './code-blocks.js'
import { exampleFiles } from './examples.js'
import { writeGenerated } from './generated.js'

const root = join(import.meta.dirname, '../..')

/** README.md and docs/*.md, as paths below the root, with slashes. */
export function documentationPages(): string[] {
  const docs = existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs')) : []
  return ['README.md', ...docs.map((name) => `docs/${name}`)].filter(
    (page) => page.endsWith('.md') && existsSync(join(root, page)),
  )
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** The sources, as paths below the root, with slashes. */
export function sourceFiles(): string[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return files.filter((file) => file.endsWith('.ts')).map((file) => `src/${file.replaceAll('\\', '/')}`)
}

/**
 * Writes the `ts` blocks of the documentation to test files below generated/docs, for Vitest and the type checker. Each block of a page has
 * a file. The blocks of the doc comments of one source share a file.
 */
export function writeDocumentationTests(): void {
  const wanted = new Map<string, string>()
  for (const page of documentationPages()) {
    const text = readPage(page)
    for (const block of codeBlocks(text)) {
      if (block.language !== 'ts') continue
      const file = join(page, `line-${block.line}.test.ts`)
      wanted.set(file, testFile(block, above(page, 2), text))
    }
  }
  for (const source of sourceFiles()) {
    const text = readPage(source)
    if (!text.includes('```')) continue
    for (const [index, code] of exampleFiles(text).entries()) {
      const file = join(source.replace(/\.ts$/, `${index === 0 ? '' : `-${index + 1}`}.test.ts`))
      wanted.set(file, testFile({ language: 'ts', line: 1, code }, above(source, 1), text))
    }
  }
  writeGenerated('docs', wanted)
}

/** The path of a file from a test file that is as deep below generated/docs, or one folder deeper. */
const above = (file: string, folders: 1 | 2): string => posix.join('../'.repeat(file.split('/').length + folders), file)

/**
 * The block on the same lines as in its page, so a position is right in both. A source map makes a failure name the page.
 */
export function testFile({ line, code }: CodeBlock, source: string, sourceText: string): string {
  // Each group is one line of the file. Lines above the block are empty, the others are column 0, source 0, next line, column 0.
  const lines = code.split('\n')
  const mappings = [...lines.keys()].map((n) => `AA${n === 0 ? vlq(line - 1) : 'C'}A`).join(';')
  const map = {
    version: 3,
    sources: [source],
    sourcesContent: [sourceText],
    names: [],
    mappings: `${';'.repeat(line - 1)}${mappings}`,
  }
  const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`
  return `${'\n'.repeat(line - 1)}${code}\n//# sourceMappingURL=${url}\n`
}

/** A number in the encoding of source maps: base 64, five bits per digit, lowest first. The lowest bit is the sign. */
function vlq(number: number): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  let rest = number << 1
  let text = ''
  do {
    const digit = rest & 31
    rest >>= 5
    text += digits[rest > 0 ? digit | 32 : digit]
  } while (rest > 0)
  return text
}
