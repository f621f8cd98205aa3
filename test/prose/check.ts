import type { Root, Sentence } from 'nlcst'
import retextEnglish from 'retext-english'
import retextRepeatedWords from 'retext-repeated-words'
import { unified } from 'unified'
import { visit } from 'unist-util-visit'
import { VFile } from 'vfile'
import { LONGEST_SENTENCE, OPENINGS, PATTERNS } from './patterns.js'
import { CODE } from './texts.js'

export interface Finding {
  readonly line: number
  readonly message: string
}

/** Checks one paragraph, heading, cell, message or title. Lines count from the line of `text`. */
export function check(text: string, line = 1, { heading = false } = {}): Finding[] {
  // The parser ends a sentence only in front of a capital letter.
  const file = new VFile(text.replaceAll(/(?<=[.!?]\)?\s)portside\b/g, 'Portside'))
  retext.runSync(retext.parse(file), file)
  if (heading) file.messages = file.messages.filter(({ ruleId }) => ruleId !== 'opening')
  return file.messages.map(({ line: own = 1, reason }) => ({ line: line + own - 1, message: reason }))
}

const retext = unified()
  .use(retextEnglish)
  .use(retextRepeatedWords)
  .use(() => (tree: Root, file: VFile) => visit(tree, 'SentenceNode', (sentence) => checkSentence(sentence, file)))

function checkSentence(sentence: Sentence, file: VFile): void {
  const { start, end } = sentence.position!
  const text = String(file).slice(start.offset, end.offset).replaceAll(/\s+/g, ' ')
  const words = text.match(/[\w’'-]*[a-z][\w’'-]*/gi)?.filter((word) => word !== CODE).length ?? 0
  if (words > LONGEST_SENTENCE)
    file.message(
      `${words} words in a sentence, ${LONGEST_SENTENCE} at most: ${shorten(text)}`,
      sentence,
      'prose:length',
    )
  for (const [pattern, instead] of PATTERNS) {
    const found = pattern.exec(text)
    if (found) file.message(`'${found[0]}' (${instead}): ${shorten(text, found.index)}`, sentence, 'prose:pattern')
  }
  for (const [opening, instead] of OPENINGS) {
    const found = opening.exec(text)
    if (found) file.message(`begins with '${found[0]}' (${instead}): ${shorten(text)}`, sentence, 'prose:opening')
  }
}

const shorten = (text: string, at = 0): string => {
  const from = Math.max(0, at - 40)
  return `${from > 0 ? '…' : ''}${text.slice(from, from + 90)}${text.length > from + 90 ? '…' : ''}`
}
