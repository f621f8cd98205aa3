import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { headingsOf, slugify, titleOf } from '../../docs/.vitepress/headings.js'

test.each([
  ['portside/get-port', 'portsideget-port'],
  ["SIGTERM, SIGINT and 'exit'", 'sigterm-sigint-and-exit'],
  ['Why no TIME_WAIT is left', 'why-no-time_wait-is-left'],
  ['a - b', 'a---b'],
])('makes the anchor of GitHub for the heading %s', (heading, anchor) => {
  expect(slugify(heading)).toBe(anchor)
})

test('finds the headings of a page, with a number if one repeats, and none in code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portside-headings-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'page.md')
  writeFileSync(file, '# The `title`\n\n```sh\n# a comment\n```\n\n## [Part](x.md)\n\n## Part\n')
  expect([...headingsOf(file)]).toEqual([
    ['the-title', 'The title'],
    ['part', 'Part'],
    ['part-1', 'Part'],
  ])
  expect(titleOf(file)).toBe('The title')
})
