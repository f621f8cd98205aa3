import { expect, test } from 'vitest'
import { siteLink } from '../../docs/.vitepress/links.js'

test.each([
  ['servers.md#scopes', 'leaks.md', '/servers.md#scopes'],
  ['../ports.md', 'decisions/ports.md', '/ports.md'],
  ['docs/leaks.md#by-hand', 'readme.md', '/leaks.md#by-hand'],
  ['docs/decisions', 'readme.md', '/decisions/build.md'],
  ['CHANGELOG.md', 'readme.md', '/changelog.md'],
  ['../CONTRIBUTING.md#tests', 'reliability.md', '/contributing.md#tests'],
  ['../../README.md', 'decisions/ports.md', '/readme.md'],
])('a link to %s on %s leads to %s', (href, page, target) => {
  expect(siteLink(href, page)).toBe(target)
})

test.each(['../src/index.ts', '../LICENSE', '../test/drain'])('%s has no page', (href) => {
  expect(siteLink(href, 'leaks.md')).toBeUndefined()
})
