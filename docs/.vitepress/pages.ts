import { existsSync, readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { root } from './entries.js'

/** Files beside docs/ that are pages of the site: docs/site includes them. */
const BESIDE = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md']

/** Where VitePress puts a page that does not have the path of its source. */
export const rewrites: Record<string, string> = Object.fromEntries(
  BESIDE.map((file) => [`site/${file.toLowerCase()}`, file.toLowerCase()]),
)

/** The file of the repository that a page shows, both below their roots: `leaks.md` shows `docs/leaks.md`. */
export function sourceOf(page: string): string {
  return BESIDE.find((file) => file.toLowerCase() === page.replace(/^site\//, '')) ?? `docs/${page}`
}

/** The page that shows a file or folder of the repository, below the root of the site. Undefined if none does. */
export function pageOf(source: string): string | undefined {
  if (BESIDE.includes(source)) return source.toLowerCase()
  const page = /^docs\/(.+)$/.exec(source)?.[1]
  if (page === undefined) return undefined
  return page.endsWith('.md') ? page : pagesIn(page)[0]
}

/** The pages of a folder of docs/, by their names. */
export function pagesIn(folder: string): string[] {
  const place = join(root, 'docs', folder)
  if (!existsSync(place)) return []
  const names = readdirSync(place).filter((name) => name.endsWith('.md'))
  return names.sort().map((name) => posix.join(folder, name))
}
