import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Closer, closers, type Way } from '../../src/leaks/closers.js'

const docs = readFileSync(join(import.meta.dirname, '../../docs/leaks.md'), 'utf8')

/** `pool.drain().then(() => pool.clear())` and `response.body.cancel()` are code, the rest is text. */
function wayOf({ call, of }: Way): string {
  const [code] = /^\S+?\(\)(?= of|,|$)|^.+\)$/.exec(call) ?? [call]
  return `\`${code}\`${call.slice(code.length)}${of === undefined ? '' : ` (${of})`}`
}

const waysOf = ({ client = [], listener = [] }: Closer): string =>
  [...client.map(wayOf), ...listener.map((way) => `${wayOf(way)} for its server`)].join('; ')

/** Packages with the same calls share a row. */
function rows(): string[] {
  const names = new Map<string, string[]>()
  for (const [name, closer] of closers()) {
    const ways = waysOf(closer)
    names.set(ways, [...(names.get(ways) ?? []), `\`${name}\``])
  }
  return [...names].map(([ways, packages]) => `| ${packages.join(', ')} | ${ways} |`)
}

test('the documentation lists the call of each package', () => {
  const [, table] = /\n\| package \| call \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(docs) ?? []
  expect(table?.trimEnd().split('\n')).toEqual(rows())
})

test('each package is listed once, in the order of the names', () => {
  const names = [...closers().keys()]
  expect(names).toEqual([...names].sort())
})
