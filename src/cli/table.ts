import { styleText } from 'node:util'
import { bounded, escaped } from '../message.js'

/** Aligns the columns of the rows. On a terminal the first row is bold. Long cells are shortened. */
export function table(cells: ReadonlyArray<readonly string[]>): string {
  const rows = cells.map((row) => row.map((cell) => bounded(escaped(cell), LONGEST_CELL)))
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return [paint('bold', lines[0] ?? ''), ...lines.slice(1)].map((line) => `${line}\n`).join('')
}

/** Longer than any endpoint with an IPv6 address. */
const LONGEST_CELL = 120

/** Colours the text if standard output is a terminal and NO_COLOR is not set (https://no-color.org). */
export function paint(format: 'bold' | 'green' | 'yellow' | 'red', text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text
}
