/** The labelled lines of a message. Each adds a fact that is not in the headline or another line. */
export interface MessageLines {
  expected?: string | undefined
  actual?: string | undefined
  /** The addresses that were tried, if there were several. */
  tried?: string | undefined
  because?: string | undefined
  /** The process that holds the address. */
  owner?: string | undefined
  /** The line of this process that opened the socket. */
  openedAt?: string | undefined
  /** One thing that the reader can do now. */
  next?: string | undefined
}

const LABELS: ReadonlyArray<readonly [name: keyof MessageLines, label: string]> = [
  ['expected', 'expected'],
  ['actual', 'got'],
  ['tried', 'tried'],
  ['because', 'cause'],
  ['owner', 'owner'],
  ['openedAt', 'opened at'],
  ['next', 'fix'],
]

/**
 * Writes a message: a headline that is a sentence, then one labelled line for each fact. Each part is shortened to 2500 characters of
 * up to 3 bytes, so no message is longer than 64 kB.
 */
export function messageOf(headline: string, lines: MessageLines = {}): string {
  const labelled = LABELS.flatMap(([name, label]) => {
    const text = lines[name]
    return text === undefined || text === '' ? [] : [labelledLine(label, bounded(harmless(text)))]
  })
  return [sentence(bounded(harmless(headline))), ...labelled].join('\n')
}

/** The text. If it is too long, its beginning, its end, and the number of characters in between. */
export function bounded(text: string, longest: number = LONGEST_PART): string {
  if (text.length <= longest) return text
  const kept = Math.floor(longest / 2) - NOTE
  const note = ` [... ${text.length - 2 * kept} characters ...] `
  return `${text.slice(0, kept)}${note}${text.slice(-kept)}`
}

const LONGEST_PART = 2500
/** The limit for messages with several headlines: characters with at most 64 kB. */
export const LONGEST_MESSAGE = 8 * LONGEST_PART
const NOTE = 20

/** One line for each of the first ten items, and the number of the others. */
export function listOf<T>(items: readonly T[], lineOf: (item: T) => string): string {
  const lines = items.slice(0, MOST_ITEMS).map(lineOf)
  if (items.length > MOST_ITEMS) lines.push(`and ${items.length - MOST_ITEMS} more`)
  return lines.join('\n')
}

export const MOST_ITEMS = 10

/** Escapes control characters: a text from outside, such as the name of a process, must not control the terminal. */
export const escaped = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it searches for control characters.
  text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) =>
    // JSON does not escape characters above 0x7e.
    character < ' ' ? JSON.stringify(character).slice(1, -1) : `\\u00${character.charCodeAt(0).toString(16)}`,
  )

/** The same for a text with several lines. */
const harmless = (text: string): string => text.split('\n').map(escapedLine).join('\n')
const escapedLine = (line: string): string => line.split('\t').map(escaped).join('\t')

/** Indents all lines of the text equally, so a diff or a list in it keeps its shape. */
export function labelledLine(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text.trimEnd().replaceAll('\n', '\n  ')}`
}

export const LABEL_WIDTH = 11

/** Adds a full stop to a headline, unless it ends with a punctuation mark or has several lines. */
const sentence = (headline: string): string =>
  /[.!?:]$/.test(headline) || headline.includes('\n') ? headline : `${headline}.`

/** Names the type of a value for a message: `the number 100`, `an array`, `a promise: await it`. Never throws. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `'${value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value}'`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return `the symbol ${String(value)}`
  try {
    return typeof value === 'function' ? describeFunction(value) : describeObject(value)
  } catch {
    // A revoked proxy, or a getter that throws.
    return 'an object that cannot be read'
  }
}

/** The same with the type of a primitive value: `the number 100`. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `the string ${describeType(value)}`
  const named = ['number', 'bigint', 'boolean'].includes(typeof value) && !Number.isNaN(value)
  return named ? `the ${typeof value} ${describeType(value)}` : describeType(value)
}

const LONGEST = 60

function describeFunction(value: object): string {
  const { name } = value as { name?: unknown }
  const named = typeof name === 'string' && name !== ''
  if (/^class\b/.test(Function.prototype.toString.call(value))) return named ? `the class ${name}` : 'a class'
  return named ? `the function ${name}()` : 'a function'
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (typeof (value as { then?: unknown }).then === 'function') return 'a promise: await it'
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name} object`
}
