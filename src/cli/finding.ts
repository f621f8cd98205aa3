import { bounded, escaped } from '../message.js'
import { paint } from './table.js'

/** One line of `portside doctor`. */
export interface Finding {
  readonly check: string
  readonly found: string
  /** `bad`: it will break parallel tests, or the leak check is off although it is set up. `hint`: portside can do more here. */
  readonly verdict: 'ok' | 'hint' | 'warn' | 'bad'
  /** The advice, in one line or several. */
  readonly next?: string
  /** Other facts that a user should know. */
  readonly notes?: readonly string[]
}

const MARKS = { ok: ['ok', 'green'], hint: ['hint', 'bold'], warn: ['warn', 'yellow'], bad: ['bad', 'red'] } as const

/** The lines of all findings, in aligned columns, with an empty line between groups. */
export function describeFindings(groups: ReadonlyArray<readonly Finding[]>): string[] {
  const width = Math.max(...groups.flat().map(({ check }) => check.length))
  return groups.flatMap((findings, index) => {
    const lines = findings.flatMap((finding) => linesOf(finding, width))
    return index === 0 || lines.length === 0 ? lines : ['', ...lines]
  })
}

function linesOf({ check, found, verdict, next, notes = [] }: Finding, width: number): string[] {
  const [mark, colour] = MARKS[verdict]
  const below = [...(next === undefined ? [] : next.split('\n')), ...notes.map((note) => `note: ${note}`)]
  return [
    `${paint(colour, mark.padEnd(4))}  ${escaped(check).padEnd(width)}  ${harmless(found)}`,
    ...below.map((line) => `${' '.repeat(width + 8)}${harmless(line)}`.trimEnd()),
  ]
}

/** Names of files and scripts come from the project and may contain control characters. */
const harmless = (text: string): string => bounded(escaped(text), LONGEST_LINE)

const LONGEST_LINE = 1000
