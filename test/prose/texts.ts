import { readFileSync } from 'node:fs'
import type { PhrasingContent } from 'mdast'
import remarkFrontmatter from 'remark-frontmatter'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import ts from 'typescript'
import { unified } from 'unified'
import { visit } from 'unist-util-visit'

/** A paragraph, heading, cell, comment, message or title, with the line on which it begins. */
export interface Text {
  readonly line: number
  readonly text: string
  readonly heading?: boolean
}

export const isReadable = (file: string): boolean => /\.(?:md|[cm]?[jt]s)$/.test(file)

export function textsOf(file: string, source = readFileSync(file, 'utf8')): Text[] {
  return file.endsWith('.md') ? textsOfMarkdown(source) : textsOfCode(source)
}

const markdown = unified().use(remarkParse).use(remarkGfm).use(remarkFrontmatter)

function textsOfMarkdown(source: string, firstLine = 1): Text[] {
  const texts: Text[] = []
  visit(markdown.parse(source), (node) => {
    if (node.type !== 'paragraph' && node.type !== 'heading' && node.type !== 'tableCell') return
    const text = node.children.map(plain).join('').trimEnd()
    const line = firstLine + node.position!.start.line - 1
    if (text !== '') texts.push({ line, text, heading: node.type !== 'paragraph' })
  })
  return texts
}

/** Stands for what is in backticks, and for a value in a template. No rule counts or reads it. */
export const CODE = 'Code'

function plain(node: PhrasingContent): string {
  if (node.type === 'inlineCode') return CODE
  if (node.type === 'text') return node.value
  if (node.type === 'break') return '\n'
  return 'children' in node ? node.children.map(plain).join('') : ''
}

function textsOfCode(source: string): Text[] {
  const tree = ts.createSourceFile('', source, ts.ScriptTarget.Latest, true)
  const lineOf = (at: number): number => tree.getLineAndCharacterOfPosition(at).line + 1
  const comments: Comment[] = []
  const strings: Text[] = []
  const inspect = (node: ts.Node): void => {
    if (node.getChildCount() === 0) addComments(comments, source, node)
    if (isString(node)) {
      const text = textOfString(node)
      if (SENTENCE.test(text) && !PROGRAM.test(text) && !isExpected(node))
        strings.push({ line: lineOf(node.getStart()), text })
    }
    for (const child of node.getChildren()) inspect(child)
  }
  inspect(tree)
  return [...comments.flatMap(({ text, at }) => textsOfMarkdown(text, lineOf(at))), ...strings]
}

/** Four words in a row. Anything shorter is rarely read as a sentence. */
const SENTENCE = /[a-z]+ [a-z]+ [a-z]+ [a-z]+/i

/** A program or markup: a function, a block, a second line that begins with a statement, or a tag in front. */
const PROGRAM = /=>|\{\n|\n\s*(?:const|let|import|export|for|if|await)\b.*[=({'"]|^<\w/

/** Whether an assertion compares it, as in `expect(error.message).toBe('…')`. The code that writes the message is checked instead. */
function isExpected(node: ts.Node): boolean {
  const { parent } = node
  if (parent === undefined || ts.isFunctionLike(parent)) return false
  if (ts.isCallExpression(parent) && parent.expression !== node && MATCHER.test(parent.expression.getText()))
    return true
  return isExpected(parent)
}

const MATCHER = /^expect\b.*\.(?:to|string|array|object)[A-Z]\w*$/s

const isString = (node: ts.Node): node is ts.StringLiteralLike | ts.TemplateExpression =>
  ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)

const textOfString = (node: ts.StringLiteralLike | ts.TemplateExpression): string =>
  ts.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join(CODE)
    : node.text

interface Comment {
  text: string
  readonly at: number
  end: number
}

/** Adds those in front of a token. Line comments in a row are one text. A tag of a doc comment begins an item of a list. */
function addComments(comments: Comment[], source: string, token: ts.Node): void {
  const leading = ts.getLeadingCommentRanges(source, token.pos) ?? []
  const trailing = token.pos === 0 ? [] : (ts.getTrailingCommentRanges(source, token.pos) ?? [])
  for (const { pos, end } of [...trailing, ...leading]) {
    const raw = source.slice(pos, end)
    const last = comments.at(-1)
    if (last && pos < last.end) continue
    if (DIRECTIVE.test(raw)) continue
    if (raw.startsWith('/*')) comments.push({ text: textOfBlock(raw), at: pos, end })
    else if (last?.text.startsWith(' ') && source.slice(last.end, pos).trim() === '') {
      last.text += `\n${raw.slice(2)}`
      last.end = end
    } else comments.push({ text: raw.slice(2).replace(/^ ?/, ' '), at: pos, end })
  }
}

const DIRECTIVE = /^\/\/(?:\/| biome-ignore| @ts-)|^#!/

const textOfBlock = (raw: string): string =>
  raw
    .slice(2, -2)
    .replaceAll(/^[ \t]*\*+ ?/gm, '')
    .replaceAll(/^@\w+ ?/gm, '- ')
