import { posix } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'
import { pageOf, sourceOf } from './pages.js'

type Tokens = ReturnType<MarkdownRenderer['parse']>

/**
 * Makes each link to a file of the repository a link to the page that shows it. Sources and tests have no page, and the repository has no
 * public address: the text of such a link stays, without the link.
 */
export function linkRepository(md: MarkdownRenderer): void {
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    const page: string = env.relativePath ?? ''
    // TypeDoc writes links between its own pages.
    if (page.startsWith('reference/')) return
    for (const block of tokens) block.children &&= withLinks(block.children, page)
  })
}

function withLinks(tokens: Tokens, page: string): Tokens {
  let drops = false
  return tokens.filter((token) => {
    if (token.type === 'image') token.attrSet('src', siteImage(token.attrGet('src') ?? '', page))
    if (token.type === 'link_open') {
      const href = token.attrGet('href') ?? ''
      const target = isRelative(href) ? siteLink(href, page) : href
      drops = target === undefined
      if (target !== undefined) token.attrSet('href', target)
    }
    return !(drops && token.type.startsWith('link_'))
  })
}

/** The path of an image from the file that VitePress reads, which for a page beside docs/ is in docs/site. */
function siteImage(src: string, page: string): string {
  const source = sourceOf(page)
  if (!isRelative(src) || source.startsWith('docs/')) return src
  return posix.relative('docs/site', posix.join(posix.dirname(source), src))
}

const isRelative = (href: string): boolean => !/^(?:[a-z][a-z\d+.-]*:|#|\/)/i.test(href)

/** A link of a page as the site has it. Undefined if the site does not have its target. */
export function siteLink(href: string, page: string): string | undefined {
  const [, path = '', hash = ''] = /^([^#]*)(#.*)?$/.exec(href) ?? []
  const source = posix.normalize(posix.join(posix.dirname(sourceOf(page)), decodeURI(path))).replace(/\/$/, '')
  const target = pageOf(source)
  return target === undefined ? undefined : `/${target}${hash}`
}
