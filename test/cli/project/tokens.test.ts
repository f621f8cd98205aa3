import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importsOf, variablesOf } from '../../../src/cli/project/modules.js'
import { everyToken, propertiesOf } from '../../../src/cli/project/properties.js'
import { tokensOf } from '../../../src/cli/project/tokens.js'

const texts = (source: string): string[] =>
  [...everyToken(tokensOf(source))].flatMap((token) => (token.kind === 'text' ? [token.text] : []))
const words = (source: string): string[] =>
  [...everyToken(tokensOf(source))].flatMap((token) => (token.kind === 'word' ? [token.text] : []))

describe('tokens of a source', () => {
  it.each<[string, string, string[]]>([
    ['has no comments', "'a' // 'b'\n/* 'c' */ 'd'", ['a', 'd']],
    ['has strings that look like comments', `'http://a' "/* b */" 'c'`, ['http://a', '/* b */', 'c']],
    ['has escaped quotes', String.raw`'it\'s' "a\"b" 'c\\' 'd'`, ["it's", 'a"b', 'c\\', 'd']],
    ['has template strings', '`a` `b // c`', ['a', 'b // c']],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text.
    ['has the substitutions of a template string', "`x${ { a: `y${'z'}` } }/*` 'after'", ['z', 'after']],
    ['has no regular expressions', String.raw`[/'/, /[/'"]/g, /\/'/] && 'a'`, ['a']],
    ['has divisions', "a / 2 + 'b' / 3", ['b']],
    ['has a division behind brackets', "(a) / 2 + 'b' / c[0] / 'd'", ['b', 'd']],
    ['ends a string with its line', "'a\n'b'", ['a', 'b']],
    ['ends with a comment that is open', "'a' /* 'b'", ['a']],
    ['begins behind a hashbang', "#!/usr/bin/env 'node'\n'a'", ['a']],
    ['ends a comment with each kind of line', "// 'a'\r'b'\r\n// 'c'\u2028'd'", ['b', 'd']],
    ['has what is in brackets that do not match', "( [ 'a' } 'b' ) 'c' ]", ['a', 'b', 'c']],
  ])('%s', (_, source, expected) => {
    expect(texts(source)).toEqual(expected)
  })

  it('reads the text after brackets that are too deep', () => {
    const deep = 100_000
    expect(texts(`${'['.repeat(deep)}'a'${']'.repeat(deep)} 'b'`)).toEqual(['a', 'b'])
    expect(words(`${'`${'.repeat(deep)} a`)).toEqual([])
  })

  it('reads 1 MB of any character', () => {
    for (const piece of [
      "'",
      '`',
      '/',
      '/*',
      '//\n',
      '[',
      '}',
      'a.b=',
      'import ',
      "require('x')",
      '{a:',
      'const a=',
      '\\',
    ]) {
      const tokens = tokensOf(piece.repeat(1_000_000 / piece.length))
      expect([propertiesOf(tokens), importsOf(tokens), variablesOf(tokens)]).toHaveLength(3)
    }
  })

  it('has every string and key of any JSON', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[\w/.*-]+$/), fc.array(fc.stringMatching(/^[\w/.*'{} -]*$/))),
        (value) => {
          const found = texts(JSON.stringify(value, undefined, 1)).sort()
          expect(found).toEqual(
            Object.entries(value)
              .flatMap(([key, list]) => [key, ...list])
              .sort(),
          )
        },
      ),
    )
  })

  it('never throws', () => {
    const piece = fc.constantFrom(
      "'",
      '"',
      '`',
      '${',
      '}',
      '{',
      '(',
      ')',
      '[',
      ']',
      '/',
      '*',
      '//',
      '\\',
      '\n',
      'a',
      ':',
      ',',
      '=',
      'import',
      'from',
      'const',
      '.',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const tokens = tokensOf(pieces.join(''))
        propertiesOf(tokens)
        importsOf(tokens)
        variablesOf(tokens)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('imports of a source', () => {
  it.each<[string, string, string[], boolean]>([
    ["import 'x'", 'x', [], false],
    ["import a from 'x'", 'x', ['a'], false],
    ["import a, { b as c, d } from 'x'", 'x', ['a', 'b', 'c', 'd'], false],
    ["import * as a from 'x'", 'x', ['a'], false],
    ["export * from 'x'", 'x', [], true],
    ["export { a } from 'x'", 'x', ['a'], true],
    ["const a = require('x')", 'x', ['a'], false],
    ["const { a: b } = await import('x')", 'x', ['a', 'b'], false],
    ["module.exports = require('x')", 'x', ['exports'], true],
    ["f(require('x'))", 'x', [], false],
  ])('has %s', (source, from, names, isExported) => {
    expect(importsOf(tokensOf(source))).toEqual([{ from, names, isExported }])
  })

  it.each([
    "import type { a } from 'x'",
    "export type { a } from 'x'",
    'import.meta.url',
    "import { a }\n'x'",
    'require(x)',
  ])('does not have %s', (source) => {
    expect(importsOf(tokensOf(source))).toEqual([])
  })
})
