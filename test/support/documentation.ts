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
 * Makes the `ts` blocks of the documentation test files below generated/docs, for Vitest and for the type checker: each block of a page a
 * file, and the blocks of the doc comments in one source a file.
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
 * The block, on the lines that it has in its page, so that whoever reads a position reads the page's; and a source map
 * by which a failure names the page itself.
 */
export function testFile({ line, code }: CodeBlock, source: string, sourceText: string): string {
  // Each group is one line of the file: nothing for a line above the block, then column 0, source 0, next line, column 0.
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

/** A number as source maps write it: base 64, five bits a digit, lowest first; the lowest bit of all is the sign. */
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
