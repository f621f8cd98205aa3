import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Application, type Comment, type CommentDisplayPart, type Context, Converter } from 'typedoc'
import { root } from './entries.js'
import { headingsOf, titleOf } from './headings.js'

/** `docs/leaks.md#by-hand`, as doc comments name a section of the documentation. */
const REFERENCE = /\bdocs\/([\w/-]+)\.md(?:#([\w-]+))?/g

/** The same in backticks, as after `@see`: TypeScript splits a path without them, so an editor would show `docs /leaks.md#by-hand`. */
const QUOTED = /^`docs\/([\w/-]+)\.md(?:#([\w-]+))?`$/

/** Makes each reference to a page of docs/ in a doc comment a link, which has the section's heading as its text. */
export function linkPages(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: Context) => {
    for (const reflection of Object.values(project.reflections)) {
      const { comment } = reflection
      if (!comment) continue
      const report = (text: string): void => app.logger.error(`${reflection.getFullName()}: ${text}`)
      for (const part of partsOf(comment)) {
        const { kind, text } = part
        if (kind === 'text') part.text = text.replace(REFERENCE, (_, page, anchor) => link(page, anchor, report))
        const [, page, anchor] = (kind === 'code' && QUOTED.exec(text)) || []
        if (page !== undefined) Object.assign(part, { kind: 'text', text: link(page, anchor, report) })
      }
    }
  })
}

function partsOf(comment: Comment): CommentDisplayPart[] {
  return [...comment.summary, ...comment.blockTags.flatMap(({ content }) => content)]
}

function link(page: string, anchor: string | undefined, report: (text: string) => void): string {
  const file = join(root, 'docs', `${page}.md`)
  const target = `docs/${page}.md${anchor === undefined ? '' : `#${anchor}`}`
  if (!existsSync(file)) {
    report(`${target} does not exist`)
    return target
  }
  const title = titleOf(file)
  const heading = anchor === undefined ? undefined : headingsOf(file).get(anchor)
  if (anchor !== undefined && heading === undefined) {
    report(`${target}: the page has no such heading`)
    return target
  }
  const text = heading === undefined || heading === title ? title : `${title}: ${heading}`
  return `[${text}](/${page}.md${anchor === undefined ? '' : `#${anchor}`})`
}
