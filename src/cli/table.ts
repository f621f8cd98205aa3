import { styleText } from 'node:util'

/** Rows with columns of one width each, the first row in bold on a terminal. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return [paint('bold', lines[0] ?? ''), ...lines.slice(1)].map((line) => `${line}\n`).join('')
}

/** In colour where standard output is a terminal and nobody has asked for none (https://no-color.org). */
export function paint(format: 'bold' | 'green' | 'yellow' | 'red', text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text
}
