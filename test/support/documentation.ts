import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { writeGenerated } from './generated.js'

/** A fenced block of a Markdown page. */
export interface CodeBlock {
  /** The word after the fence: `ts`, `sh`, ... */
  language: string
  /** The line of the page at which the code of the block begins, from 1. */
  line: number
  code: string
}

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

/** Writes each `ts` block of the documentation to a test file below generated/docs, for Vitest and the type checker. */
export function writeDocumentationTests(): void {
  const wanted = new Map<string, string>()
  for (const page of documentationPages()) {
    const text = readPage(page)
    for (const block of codeBlocks(text)) {
      if (block.language !== 'ts') continue
      const file = join(page, `line-${block.line}.test.ts`)
      wanted.set(file, testFile(block, posix.join('../'.repeat(page.split('/').length + 2), page), text))
    }
  }
  writeGenerated('docs', wanted)
}

/** The fenced blocks of a page. A fence may be indented, and closes with at least as many marks as it opened with. */
export function codeBlocks(text: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { fence: string; indent: number; language: string; line: number; code: string[] } | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, indent = '', fence = '', info = ''] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line) ?? []
    if (!open) {
      const language = info.trim().split(/\s+/)[0] ?? ''
      if (fence) open = { fence, indent: indent.length, language, line: index + 2, code: [] }
    } else if (fence.startsWith(open.fence) && info.trim() === '') {
      blocks.push({ language: open.language, line: open.line, code: open.code.join('\n') })
      open = undefined
    } else {
      open.code.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    }
  }
  if (open) throw new Error(`The fence above line ${open.line} is never closed`)
  return blocks
}

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
