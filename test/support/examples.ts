import { type CodeBlock, codeBlocks } from './code-blocks.js'
import { SharedImports, takeImports } from './imports.js'

/** A fenced block of a doc comment. */
export interface Example extends CodeBlock {
  /** The name that the comment documents, or the line of the block. */
  name: string
}

/** The fenced blocks of the doc comments of a source file, by its lines. */
export function examplesOf(source: string): Example[] {
  return [...source.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((match) => {
    const [comment] = match
    const linesAbove = source.slice(0, match.index).split('\n').length - 1
    const text = comment.replace(/^(?:\/\*\*| *\*\/| *\* ?)/gm, '')
    const documented = documentedName(comment, source.slice(match.index + comment.length))
    return codeBlocks(text).map((block) => {
      const line = linesAbove + block.line
      return { ...block, line, name: documented ?? `line ${line}` }
    })
  })
}

/** The lines of a source file with an `@example` that no fenced block follows. */
export function unfencedExamples(source: string): number[] {
  return source
    .split('\n')
    .flatMap((line, index, lines) =>
      /^[\s/*]*@example\b/.test(line) && !/^\s*\* ?(?:`{3,}|~{3,})/.test(lines[index + 1] ?? '') ? [index + 1] : [],
    )
}

const DECLARATION =
  /^\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:(?:function\*?|class|interface|type|const|let|readonly|get)\s+)?([\w$]+)/

function documentedName(comment: string, after: string): string | undefined {
  return /@module\b/.test(comment) ? 'module' : DECLARATION.exec(after)?.[1]
}

/**
 * Test files of the `ts` blocks of a source file, each block on its own lines: a failure names the line of the source. The imports of all
 * stand in the first line. A block that gives a name to something else than one above it is in another file. A block that has tests is
 * no test itself.
 */
export function exampleFiles(source: string): string[] {
  const files: Array<{ imports: SharedImports; lines: string[] }> = []
  for (const { language, name, line, code } of examplesOf(source)) {
    if (language !== 'ts') continue
    const { imports, rest } = takeImports(code)
    let file = files.find((candidate) => candidate.imports.accepts(imports))
    if (!file) files.push((file = { imports: new SharedImports(), lines: [] }))
    file.imports.add(imports)
    const hasTests = imports.some(({ module, imported }) => isRunner(module) && /^(?:test|it|describe)$/.test(imported))
    const lines = rest.split('\n')
    file.lines[line - 2] = `${hasTests ? '__describe' : '__test'}(${JSON.stringify(name)}, async () => {`
    for (const [index, text] of lines.entries()) file.lines[line - 1 + index] = text
    file.lines[line - 1 + lines.length] = '})'
  }
  return files.map(({ imports, lines }) => {
    lines[0] = `import { describe as __describe, test as __test } from 'vitest'; ${imports}`
    return Array.from(lines, (text) => text ?? '').join('\n')
  })
}

const isRunner = (module: string): boolean => /^(?:vitest|portside\/vitest(?:\/.*)?)$/.test(module)
