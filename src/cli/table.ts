import { styleText } from 'node:util'
import { bounded, escaped } from '../message.js'

/** Rows with columns of one width each, the first row in bold on a terminal. A long cell is shortened. */
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

/** An endpoint with an IPv6 address is shorter. */
const LONGEST_CELL = 120

/** In colour where standard output is a terminal and nobody has asked for none (https://no-color.org). */
export function paint(format: 'bold' | 'green' | 'yellow' | 'red', text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text
}
