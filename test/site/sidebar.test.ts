import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DefaultTheme } from 'vitepress'
import { expect, test } from 'vitest'
import { publicEntries } from '../../docs/.vitepress/entries.js'
import { sidebar } from '../../docs/.vitepress/sidebar.js'

const docs = join(import.meta.dirname, '../../docs')

function linksOf(items: DefaultTheme.SidebarItem[]): string[] {
  return items.flatMap(({ link, items }) => [...(link === undefined ? [] : [link]), ...linksOf(items ?? [])])
}

test('has each page of docs/ and each entry once', () => {
  const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /^(decisions\/|cookbook\/)?[^/]+\.md$/.test(file) && file !== 'index.md')
    .map((file) => `/${file.replace(/\.md$/, '')}`)
  const others = ['/readme', '/changelog', '/contributing', '/reference/']
  const entries = publicEntries().map(({ name }) => `/reference/${name.replaceAll('/', '-')}`)
  expect(linksOf(sidebar()).sort()).toEqual([...pages, ...others, ...entries].sort())
})
