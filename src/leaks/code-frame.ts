import { readFileSync } from 'node:fs'
import type { StackFrame } from './stack-frame.js'

/** The line of a frame with the lines before and after it, and a mark below its column. Empty if the file cannot be read. */
export function codeFrame({ file, line, column }: StackFrame): string[] {
  const lines = linesOf(file)
  if (lines[line - 1] === undefined) return []
  const numbers = [line - 1, line, line + 1].filter((number) => lines[number - 1] !== undefined)
  const width = String(numbers.at(-1)).length
  // A bundler may have written a whole file into one line.
  const from = column > WIDEST ? column - WIDEST / 2 : 0
  return numbers.flatMap((number) => {
    const shown = (lines[number - 1] as string).slice(from, from + WIDEST)
    const text = `${number === line ? '>' : ' '} ${String(number).padStart(width)} | ${shown}`.trimEnd()
    if (number !== line) return [text]
    // A tab is as wide as the tab above it.
    const indent = shown.slice(0, column - 1 - from).replace(/[^\t]/g, ' ')
    return [text, `${' '.repeat(width + 3)}| ${indent}^`]
  })
}

/** How many characters of a source line are shown. */
const WIDEST = 160

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)
  } catch {
    // It is a virtual module, or the file is gone.
    return []
  }
}
