import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRecipes, recipesOf, shows, withoutLine } from './recipes.js'

const folder = join(import.meta.dirname, '../../docs/cookbook')
const pages = readdirSync(folder).filter((page) => page.endsWith('.md'))
const recipes = readRecipes()

/** As GitHub makes the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

test.each(recipes)('$name is short', ({ files }) => {
  expect(files.length).toBeGreaterThan(0)
  for (const { code } of files) expect(code.split('\n').length).toBeLessThanOrEqual(25)
})

test('README.md lists each recipe, in the order of the pages', () => {
  const listed = readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| \[.+?\]\((.+?\.md#.+?)\)/gm)
  const headings = (page: string) =>
    [...readFileSync(join(folder, page), 'utf8').matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading)
  const pageNames = ['frameworks.md', 'clients-and-mocks.md', 'databases.md', 'programs.md', 'ci.md']
  expect([...listed].map(([, link]) => link)).toEqual(
    pageNames.flatMap((page) => headings(page).map((heading) => `${page}#${anchorOf(heading)}`)),
  )
  expect(pages.toSorted()).toEqual([...pageNames, 'README.md'].toSorted())
})

test.each(pages)('each link of %s leads to a heading that is there', (page) => {
  const text = readFileSync(join(folder, page), 'utf8')
  for (const [, file = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)/g)) {
    const target = join(folder, dirname(page), file)
    expect(existsSync(target), file).toBe(true)
    if (anchor === undefined) continue
    const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      anchorOf(heading),
    )
    expect(headings, `${file}#${anchor}`).toContain(anchor)
  }
})

describe('recipesOf', () => {
  const page = [
    '# Page\n\n## A b.c\n\nYou have it.\n',
    '```ts\nopen()\nnet.defer(() => close())\n```\n\nWithout `net.defer(() => close())` it\nfails:\n\n```text\n1. client 127.0.0.1:40112\n  fix  close()\n```\n',
    '## Second\n\n```yaml\n# .gitlab-ci.yml\ntest: {}\n```\n',
  ].join('\n')
  const [first, second] = recipesOf('page', page)

  test('makes a test of a block in ts, and a file of a block that names one', () => {
    expect(first).toMatchObject({ name: 'page/a-b-c', files: [{ path: 'test/a-b-c.test.ts', language: 'ts' }] })
    expect(second).toMatchObject({
      name: 'page/second',
      files: [{ path: '.gitlab-ci.yml', language: 'yaml' }],
      claims: [],
    })
  })

  test('finds what a page says about a copy without a line', () => {
    expect(first!.claims).toEqual([
      { without: 'net.defer(() => close())', report: '1. client 127.0.0.1:40112\n  fix  close()' },
    ])
    expect(withoutLine(first!, 0)).toMatchObject({ path: 'test/a-b-c-0.without.ts', code: 'open()' })
  })

  test('refuses a line that is not there', () => {
    const claims = [{ without: 'elsewhere()', report: '' }]
    expect(() => withoutLine({ ...first!, claims }, 0)).toThrow('no test has the line elsewhere()')
  })
})

test('shows compares a report line by line, but for numbers of ports, descriptors and processes', () => {
  const claim = { without: '', report: '1. client 127.0.0.1:40112 -> [::1]:45081, fd 25\n  opened at  a.test.ts:3:1' }
  expect(shows('x\n1. client 127.0.0.1:1234 -> [::1]:5678, fd 3\n  opened at  a.test.ts:3:1\ny', claim)).toBe(true)
  expect(shows('1. client 127.0.0.1:1234 -> [::1]:5678, fd 3\n  opened at  a.test.ts:4:1', claim)).toBe(false)
  expect(shows('1. client 127.0.0.1:1234 -> [::1]:5678, fd 3\n\n  opened at  a.test.ts:3:1', claim)).toBe(false)
})
