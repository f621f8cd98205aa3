import type { Group, Token } from './tokens.js'

/** A property of an object literal, or an assignment to one: `config.test = ...`. */
export interface Property {
  readonly key: string
  /** The keys of the objects around it, outermost first. */
  readonly path: readonly string[]
  /** Whether its object is the whole configuration: the default export, or the argument of defineConfig(). */
  readonly isOutermost: boolean
  /** For a shorthand property this is its key, as a word. */
  readonly value: readonly Token[]
}

/** All properties in these tokens, at any depth. */
export function propertiesOf(tokens: readonly Token[]): Property[] {
  const found: Property[] = []
  walk(tokens, [], found)
  return found
}

function walk(tokens: readonly Token[], path: readonly string[], found: Property[]): void {
  for (const [index, token] of tokens.entries()) {
    const assigned = assignedKey(tokens, index)
    if (assigned !== undefined) {
      const value = statementFrom(tokens, index + 1)
      found.push({ key: assigned, path, isOutermost: false, value })
    }
    if (token.kind !== 'group') continue
    if (token.open === '{') object(token, path, isWhole(tokens, index), found)
    else if (isArgument(tokens, index)) call(token, path, found)
    else walk(token.items, path, found)
  }
}

function object({ items }: Group, path: readonly string[], isOutermost: boolean, found: Property[]): void {
  for (const entry of split(items)) {
    const property = propertyOf(entry, path, isOutermost)
    if (property === undefined) walk(entry, path, found)
    else {
      found.push(property)
      walk(property.value, [...path, property.key], found)
    }
  }
}

/** Walks the objects that defineConfig() and mergeConfig() get. */
function call({ items }: Group, path: readonly string[], found: Property[]): void {
  for (const argument of split(items)) {
    const [first] = argument
    if (first?.kind === 'group' && first.open === '{') object(first, path, path.length === 0, found)
    else walk(argument, path, found)
  }
}

function propertyOf(entry: readonly Token[], path: readonly string[], isOutermost: boolean): Property | undefined {
  const [first, second] = entry
  if (first === undefined || (first.kind !== 'word' && first.kind !== 'text')) return undefined
  const key = first.text
  if (second === undefined) return first.kind === 'word' ? { key, path, isOutermost, value: entry } : undefined
  return isMark(second, ':') ? { key, path, isOutermost, value: entry.slice(2) } : undefined
}

/** `exports.require = x`, `config.test.setupFiles = x`: the key before this `=`. */
function assignedKey(tokens: readonly Token[], index: number): string | undefined {
  const [dot, key] = [tokens[index - 2], tokens[index - 1]]
  if (!isMark(tokens[index], '=') || isMark(tokens[index + 1], '=') || key?.kind !== 'word') return undefined
  return isMark(dot, '.') && key.text !== 'exports' ? key.text : undefined
}

function isWhole(tokens: readonly Token[], index: number): boolean {
  const [before, last] = [tokens[index - 2], tokens[index - 1]]
  if (isWord(last, 'default')) return isWord(before, 'export')
  return isMark(last, '=') && isWord(before, 'exports')
}

const DEFINING = new Set(['defineConfig', 'mergeConfig', 'defineProject'])

const isArgument = (tokens: readonly Token[], index: number): boolean => {
  const [token, name] = [tokens[index], tokens[index - 1]]
  return token?.kind === 'group' && token.open === '(' && name?.kind === 'word' && DEFINING.has(name.text)
}

/** The tokens of a statement from here on, up to its semicolon or the word that begins the next statement. */
export function statementFrom(tokens: readonly Token[], start: number): Token[] {
  const rest = tokens.slice(start, start + MOST_OF_STATEMENT)
  const end = rest.findIndex(
    (token, index) => isMark(token, ';') || (index > 0 && token.kind === 'word' && BEGINNING.has(token.text)),
  )
  return end === -1 ? rest : rest.slice(0, end)
}

/** An array or an object counts as one token. */
const MOST_OF_STATEMENT = 50
const BEGINNING = new Set([
  'const',
  'let',
  'var',
  'export',
  'import',
  'module',
  'return',
  'if',
  'for',
  'class',
  'exports',
])

/** The elements of an array, the arguments of a call, the entries of an object. */
export function split(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]]
  for (const token of tokens) {
    if (isMark(token, ',')) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts.filter((part) => part.length > 0)
}

/** Every token, including those in groups. */
export function* everyToken(tokens: readonly Token[]): Generator<Token> {
  for (const token of tokens) {
    yield token
    if (token.kind === 'group') yield* everyToken(token.items)
  }
}

/** Every list of sibling tokens. */
export function* everyList(tokens: readonly Token[]): Generator<readonly Token[]> {
  yield tokens
  for (const token of tokens) if (token.kind === 'group') yield* everyList(token.items)
}

export const isMark = (token: Token | undefined, text: string): boolean => token?.kind === 'mark' && token.text === text
export const isWord = (token: Token | undefined, text: string): boolean => token?.kind === 'word' && token.text === text
