import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { readPage } from './support/documentation.js'
import { exportsOf, isExperimental } from './support/public-names.js'

// docs/stability.md, the exports of every entry and the marks `@experimental` say the same.

const page = readPage('docs/stability.md')
const entries = Object.keys(manifest.exports).map((path) => `portside${path.slice(1)}`)

/** Says which source a file of dist/ is made of. */
const config = readFileSync(join(import.meta.dirname, '../tsup.config.ts'), 'utf8')

test('the page lists every entry of the package', () => {
  const listed = [...sectionOf('The entries').matchAll(/^\| \[?`(portside[^`]*)`/gm)].map(([, name]) => name)
  expect(listed.sort()).toEqual([...entries].sort())
})

test('each section is that of an entry', () => {
  expect(
    [...page.matchAll(/^### (portside.*)$/gm)].map(([, name]) => name).filter((name) => !entries.includes(`${name}`)),
  ).toEqual([])
})

test('the names of every entry are known', () => {
  const unknown = entries.filter((entry) => sourceOf(entry) === undefined)
  expect(unknown.sort()).toEqual(['portside/jest-preset/jest-preset', 'portside/package.json'])
})

describe.each(entries.filter((name) => sourceOf(name) !== undefined))('%s', (entry) => {
  const declared = exportsOf(sourceOf(entry) ?? '')
  const listed = declared.size === 0 ? [] : rowsOf(entry)

  test('the page lists each of its names once, and no others', () => {
    expect(listed.map(({ name }) => name).sort()).toEqual([...declared.keys()].sort())
  })

  test('a name is marked @experimental where the page says so, and nowhere else', () => {
    const wrong = listed.flatMap(({ name, stability }) => {
      const declaration = declared.get(name)
      const marked = declaration && isExperimental(declaration)
      if (marked === undefined || marked === (stability === 'experimental')) return []
      return [
        `${name} is ${stability} on the page, and src/${declaration?.file} says ${marked ? '' : 'not '}@experimental`,
      ]
    })
    expect(wrong).toEqual([])
  })
})

/** The text below a heading, up to the next one. */
function sectionOf(title: string): string {
  const [, text] = new RegExp(`^#+ ${title}$\n([^]*?)(?=^#|$(?![^]))`, 'm').exec(page) ?? []
  if (text === undefined) throw new Error(`docs/stability.md has no section '${title}'`)
  return text
}

function rowsOf(entry: string): Array<{ name: string; stability: string }> {
  return [...sectionOf(entry).matchAll(/^\| (`.*?`) \| (\w+) \|/gm)].flatMap(([, names = '', stability = '']) => {
    expect(['stable', 'experimental']).toContain(stability)
    return [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({ name, stability }))
  })
}

function sourceOf(entry: string): string | undefined {
  const target = manifest.exports[`.${entry.slice('portside'.length)}` as keyof typeof manifest.exports]
  const [, file] = /"\.\/dist\/([\w-]+)\.js"/.exec(JSON.stringify(target)) ?? []
  const [, source] = new RegExp(`^ {2}'?${file}'?: 'src/(.*)',$`, 'm').exec(config) ?? []
  return source
}
