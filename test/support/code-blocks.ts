/** A fenced block of a Markdown page or a doc comment. */
export interface CodeBlock {
  /** The word after the fence: `ts`, `sh`, ... */
  language: string
  /** The page's line of the block's first line of code, from 1. */
  line: number
  code: string
}

/** The fenced blocks of a page; a fence may be indented, and closes with as many marks as it opened with or more. */
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
