import { everyList, isMark, isWord, statementFrom } from './properties.js'
import type { Token } from './tokens.js'

/** An `import`, an `export ... from`, a `require()` or an `import()`. */
export interface Import {
  readonly from: string
  /** The names that the import defines in this file. */
  readonly names: readonly string[]
  /** `export * from`, `export { mochaHooks } from`, `module.exports = require()`. */
  readonly isExported: boolean
}

/** The imports of a source. Type imports are left out, because they do not load a module. */
export function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = []
  for (const list of everyList(tokens)) {
    for (const [index, token] of list.entries()) {
      if (token.kind !== 'word') continue
      const one = IMPORTING.has(token.text) ? (called(list, index) ?? statement(list, index)) : undefined
      if (one !== undefined) found.push(one)
    }
  }
  return found
}

const IMPORTING = new Set(['import', 'export', 'require'])

/** `const x = require('y')`, `const { x } = await import('y')`. */
function called(list: readonly Token[], index: number): Import | undefined {
  const group = list[index + 1]
  if (isWord(list[index], 'export') || group?.kind !== 'group' || group.open !== '(') return undefined
  const [from] = group.items
  if (from?.kind !== 'text') return undefined
  const equals = isWord(list[index - 1], 'await') ? index - 2 : index - 1
  const target = isMark(list[equals], '=') ? list[equals - 1] : undefined
  return {
    from: from.text,
    names: target === undefined ? [] : wordsOf([target]),
    isExported: isWord(target, 'exports'),
  }
}

/** `import 'y'`, `import x, { y as z } from 'y'`, `export * from 'y'`. */
function statement(list: readonly Token[], index: number): Import | undefined {
  const isExported = isWord(list[index], 'export')
  const first = list[index + 1]
  if (first?.kind === 'text' && isWord(list[index], 'import')) return { from: first.text, names: [], isExported }
  if (isWord(list[index], 'require') || isWord(first, 'type')) return undefined
  const rest = list.slice(index + 1, index + LONGEST)
  const end = rest.findIndex((token) => isWord(token, 'from'))
  const from = rest[end + 1]
  if (end < 1 || from?.kind !== 'text') return undefined
  return { from: from.text, names: wordsOf(rest.slice(0, end)), isExported }
}

/** Covers `x, { y as z }` before `from`: names in braces are one token. */
const LONGEST = 8

function wordsOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token) => {
    if (token.kind === 'group') return wordsOf(token.items)
    return token.kind === 'word' && token.text !== 'as' ? [token.text] : []
  })
}

/** The values of the variables of a source, by their names. */
export function variablesOf(tokens: readonly Token[]): Map<string, readonly Token[]> {
  const found = new Map<string, readonly Token[]>()
  for (const list of everyList(tokens)) {
    for (const [index, token] of list.entries()) {
      const name = list[index + 1]
      if (token.kind !== 'word' || !DECLARING.has(token.text) || name?.kind !== 'word') continue
      const equals = list.slice(index + 2, index + 2 + LONGEST_TYPE).findIndex((one) => isMark(one, '='))
      if (equals !== -1) found.set(name.text, statementFrom(list, index + 2 + equals + 1))
    }
  }
  return found
}

const DECLARING = new Set(['const', 'let', 'var'])
const LONGEST_TYPE = 12
