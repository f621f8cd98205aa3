import { join } from 'node:path'
import type { DefaultTheme } from 'vitepress'
import { fileOfEntry, publicEntries, root } from './entries.js'
import { titleOf } from './headings.js'
import { pagesIn, sourceOf } from './pages.js'

const GUIDE = [
  'which',
  'servers',
  'sockets',
  'leaks',
  'ports',
  'programs',
  'endpoints',
  'assertions',
  'loopback',
  'private-networks',
  'private-networks-in-ci',
  'exhaustion',
  'adopting',
  'migration',
]
const RUNNERS = ['vitest', 'jest', 'node-test', 'mocha', 'playwright', 'bun', 'deno', 'other-runners']
const REFERENCE = ['cli', 'errors', 'socket-table', 'platforms', 'stability']
const BACKGROUND = ['reliability', 'benchmarks']

/** The groups of the sidebar. A page that no list names is in the guide, so a new page is never missing. */
export function sidebar(): DefaultTheme.SidebarItem[] {
  const there = pagesIn('').filter((page) => page !== 'index.md')
  const among = (names: string[]): string[] => names.map((name) => `${name}.md`).filter((page) => there.includes(page))
  const listed = [...GUIDE, ...RUNNERS, ...REFERENCE, ...BACKGROUND].map((name) => `${name}.md`)
  const unlisted = there.filter((page) => !listed.includes(page))
  return [
    {
      text: 'Guide',
      items: [
        { text: 'Overview', link: '/readme' },
        ...items([...among(GUIDE), ...unlisted]),
        ...folder('Cookbook', 'cookbook'),
      ],
    },
    { text: 'Runners', items: items(among(RUNNERS)) },
    {
      text: 'Reference',
      items: [
        {
          text: 'API',
          link: '/reference/',
          collapsed: true,
          items: publicEntries().map(({ name }) => ({ text: name, link: `/reference/${fileOfEntry(name)}` })),
        },
        ...items(among(REFERENCE)),
      ],
    },
    {
      text: 'Background',
      items: [
        ...items(among(BACKGROUND)),
        ...folder('Decisions', 'decisions'),
        ...items(['changelog.md', 'contributing.md']),
      ],
    },
  ]
}

function folder(text: string, name: string): DefaultTheme.SidebarItem[] {
  const pages = pagesIn(name)
  return pages.length === 0 ? [] : [{ text, collapsed: true, items: items(pages) }]
}

/** The pages with their titles. A title that repeats its group, `Decisions: the build`, loses that. */
function items(pages: string[]): DefaultTheme.SidebarItem[] {
  return pages.map((page) => {
    const title = titleOf(join(root, sourceOf(page))).replace(/^(?:Decisions|Cookbook): ./, (start) =>
      start.slice(-1).toUpperCase(),
    )
    return { text: title, link: `/${page.replace(/\.md$/, '')}` }
  })
}
