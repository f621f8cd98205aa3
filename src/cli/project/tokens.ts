/** A token of JavaScript, TypeScript or JSON. Comments, white space and regular expressions are not tokens. */
export type Token =
  /** A string, without its quotes. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }
  /** A punctuator: one character, `=>` or `...`. */
  | { readonly kind: 'mark'; readonly text: string }
  | Group

export interface Group {
  readonly kind: 'group'
  readonly open: string
  readonly items: Token[]
}

/**
 * The tokens of a source. A pair of brackets with its content is one token. Never executes the source and never throws: an invalid
 * source gives the tokens that can be recognised.
 */
export function tokensOf(source: string): Token[] {
  return new Lexer(source).read()
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }
/** Deeper brackets are ignored, so code that walks the tokens can recurse. */
const DEEPEST = 100
const LINE_END = /[\n\r\u2028\u2029]/g
const WORD = /[$\w\u0080-\uffff]+/y
/** Words after which a slash begins a regular expression. */
const BEFORE_EXPRESSION = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'new',
  'else',
  'do',
])

class Lexer {
  readonly #source: string
  #at = 0
  /** The groups that are open, the whole source first. `template` closes back into a template string. */
  readonly #open: Array<Group & { template?: boolean }> = [{ kind: 'group', open: '', items: [] }]
  #ignored = 0

  constructor(source: string) {
    this.#source = source
    if (source.startsWith('#!')) this.#at = this.#endOfLine()
  }

  read(): Token[] {
    while (this.#at < this.#source.length) this.#next()
    return this.#open[0]?.items ?? []
  }

  #next(): void {
    const source = this.#source
    const character = source.charAt(this.#at)
    if (character.trim() === '') this.#at++
    else if (source.startsWith('//', this.#at)) this.#at = this.#endOfLine()
    else if (source.startsWith('/*', this.#at)) this.#at = this.#behind('*/', this.#at + 2)
    else if (character === '"' || character === "'") this.#string(character)
    else if (character === '`') this.#template(this.#at + 1)
    else if (character === '/' && this.#expectsValue() && this.#skipRegExp()) return
    else if (character in CLOSING) this.#begin(character)
    else if (character === ')' || character === ']' || character === '}') this.#end(character)
    else this.#wordOrMark(character)
  }

  #wordOrMark(character: string): void {
    WORD.lastIndex = this.#at
    const word = WORD.exec(this.#source)?.[0]
    if (word !== undefined) {
      this.#add({ kind: 'word', text: word })
      this.#at += word.length
      return
    }
    const mark = ['...', '=>'].find((long) => this.#source.startsWith(long, this.#at)) ?? character
    this.#add({ kind: 'mark', text: mark })
    this.#at += mark.length
  }

  #string(quote: string): void {
    let text = ''
    for (this.#at++; this.#at < this.#source.length; this.#at++) {
      const character = this.#source.charAt(this.#at)
      if (character === quote || character === '\n') break
      text += character === '\\' ? this.#source.charAt(++this.#at) : character
    }
    this.#at++
    this.#add({ kind: 'text', text })
  }

  /** Continues in a template string. Without substitutions it is a string. Each substitution is a group. */
  #template(start: number, isFirst = true): void {
    for (let at = start; at < this.#source.length; at++) {
      const character = this.#source.charAt(at)
      if (character === '\\') at++
      else if (character === '`') {
        if (isFirst) this.#add({ kind: 'text', text: this.#source.slice(start, at) })
        this.#at = at + 1
        return
      } else if (character === '$' && this.#source.charAt(at + 1) === '{') {
        this.#at = at + 1
        this.#begin('{', true)
        return
      }
    }
    this.#at = this.#source.length
  }

  #begin(open: string, template = false): void {
    this.#at++
    if (this.#open.length > DEEPEST) {
      // The text after an ignored substitution would be read as code.
      if (template) this.#at = this.#source.length
      else this.#ignored++
      return
    }
    const group: Group & { template: boolean } = { kind: 'group', open: template ? '`' : open, items: [], template }
    this.#add(group)
    this.#open.push(group)
  }

  #end(close: string): void {
    this.#at++
    if (this.#ignored > 0) {
      this.#ignored--
      return
    }
    const index = this.#open.findLastIndex(({ open }) => (CLOSING[open] ?? (open === '`' ? '}' : '')) === close)
    // This bracket was never opened.
    if (index < 1) return
    const [closed] = this.#open.splice(index)
    if (closed?.template) this.#template(this.#at, false)
  }

  /** Whether a value can follow here: then a slash begins a regular expression. */
  #expectsValue(): boolean {
    const last = this.#open.at(-1)?.items.at(-1)
    if (last === undefined || last.kind === 'mark') return true
    return last.kind === 'word' && BEFORE_EXPRESSION.has(last.text)
  }

  #skipRegExp(): boolean {
    let inClass = false
    for (let at = this.#at + 1; at < this.#source.length; at++) {
      const character = this.#source.charAt(at)
      if (character === '\n') return false
      if (character === '\\') at++
      else if (character === '[') inClass = true
      else if (character === ']') inClass = false
      else if (character === '/' && !inClass) {
        this.#at = at + 1
        // A regular expression is a value, so the next slash divides.
        this.#add({ kind: 'word', text: '/' })
        return true
      }
    }
    return false
  }

  #add(token: Token): void {
    this.#open.at(-1)?.items.push(token)
  }

  #endOfLine(): number {
    LINE_END.lastIndex = this.#at
    return LINE_END.exec(this.#source)?.index ?? this.#source.length
  }

  #behind(text: string, from: number): number {
    const found = this.#source.indexOf(text, from)
    return found === -1 ? this.#source.length : found + text.length
  }
}
