import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Parser } from 'htmlparser2'

/** The targets that the links of an HTML page need, and those that links to it can name. */
interface Page {
  readonly links: Set<string>
  readonly anchors: Set<string>
}

/**
 * The dead links of a built site, as `page: link`. A link is dead if its file or its anchor does not exist. Links to other hosts are not
 * followed. VitePress checks links without their anchors, and not those in HTML.
 */
export function deadLinks(dist: string, base = '/'): string[] {
  const files = new Set(
    readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .filter((file) => statSync(join(dist, file)).isFile())
      .map((file) => file.replaceAll('\\', '/')),
  )
  const pages = new Map(
    [...files].filter((file) => file.endsWith('.html')).map((file) => [file, read(join(dist, file))]),
  )
  return [...pages].flatMap(([file, { links }]) =>
    [...links].filter((link) => isDead(link, file)).map((link) => `${file}: ${link}`),
  )

  function isDead(link: string, from: string): boolean {
    const { origin, pathname, hash } = new URL(link, `${HERE}${base}${from}`)
    if (origin !== HERE) return false
    if (!pathname.startsWith(base)) return true
    const path = decodeURIComponent(pathname.slice(base.length))
    const target = [path, `${path}.html`, posix.join(path, 'index.html')].find((file) => files.has(file))
    if (target === undefined) return true
    const anchor = decodeURIComponent(hash.slice(1))
    return anchor !== '' && pages.get(target)?.anchors.has(anchor) === false
  }
}

/** Stands for the host of the site. */
const HERE = 'http://site.invalid'

function read(file: string): Page {
  const page: Page = { links: new Set(), anchors: new Set() }
  const parser = new Parser({
    onopentag(_name, { id, href, src }) {
      if (id !== undefined) page.anchors.add(id)
      for (const link of [href, src]) if (link !== undefined) page.links.add(link)
    },
  })
  parser.end(readFileSync(file, 'utf8'))
  return page
}
