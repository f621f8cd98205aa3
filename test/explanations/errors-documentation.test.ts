import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CODES } from '../../src/explanations/codes.js'

const documented = codesIn(textOf('docs/errors.md'))
const ours = membersOf('PortsideErrorCode', textOf('src/errors.ts'))

test.each([
  ['code of the system, of Node or of a client', Object.keys(CODES)],
  ['code of portside', ours],
])('each %s has a row in docs/errors.md', (_kind, codes) => {
  expect(codes.length).toBeGreaterThan(10)
  expect(codes.filter((code) => !documented.includes(code))).toEqual([])
})

test('each row has a known code, and each code one row', () => {
  expect(documented.filter((code) => !(code in CODES || ours.includes(code)))).toEqual([])
  expect(documented).toHaveLength(new Set(documented).size)
})

test('each kind of failure has a row there', () => {
  const kinds = [...textOf('src/explanations/failure-kind.ts').matchAll(/^ {2}\| '([\w-]+)'$/gm)].map(
    ([, kind = '']) => kind,
  )
  const rows = [...textOf('docs/errors.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind = '']) => kind)
  expect(kinds.length).toBeGreaterThan(20)
  expect(kinds.filter((kind) => !rows.includes(kind))).toEqual([])
})

/** The codes in the first cells of the tables whose first column is `code`, and whose last column is `fix` or `more`. */
function codesIn(page: string): string[] {
  const tables = page.split('\n\n').filter((block) => /^\| code \|.* (fix|more) \|$/m.test(block))
  const cells = tables.flatMap((table) => [...table.matchAll(/^\| (.+?) \|/gm)].map(([, cell = '']) => cell))
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
}

/** The members of a union of string literals, from the source: types do not exist at run time. */
function membersOf(type: string, source: string): string[] {
  const [, members = ''] = new RegExp(`export type ${type} =\n((?: +\\| '\\w+'\n)+)`).exec(source) ?? []
  return [...members.matchAll(/'(\w+)'/g)].map(([, member = '']) => member)
}

function textOf(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n')
}
