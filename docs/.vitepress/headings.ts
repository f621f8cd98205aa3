import { readFileSync } from 'node:fs'

/** The anchor of a heading. GitHub makes the same, so a link works there and on the site. */
export function slugify(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
}

/** The text of a page's first heading. */
export function titleOf(file: string): string {
  const [title] = headingsOf(file).values()
  if (title === undefined) throw new Error(`${file} has no heading`)
  return title
}

/** The headings of a Markdown file by their anchors. */
export function headingsOf(file: string): Map<string, string> {
  const headings = new Map<string, string>()
  const text = readFileSync(file, 'utf8').replace(/^( *)(`{3,}|~{3,}).*\n[\s\S]*?^\1\2`*~*$/gm, '')
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '')
    const slug = slugify(plain)
    let anchor = slug
    for (let times = 1; headings.has(anchor); times++) anchor = `${slug}-${times}`
    headings.set(anchor, plain)
  }
  return headings
}
