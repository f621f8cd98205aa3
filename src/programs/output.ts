import type { ChildProcess } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'

/**
 * What happens to the output of a program. `'buffer'`: portside keeps the end of it. `'on-failure'`: portside also prints it if
 * the program fails. `'inherit'`: portside also prints it as it comes. `'ignore'`: portside reads and drops it.
 * @experimental
 */
export type OutputMode = 'buffer' | 'inherit' | 'ignore' | 'on-failure'

export const OUTPUT_MODES: readonly OutputMode[] = ['buffer', 'inherit', 'ignore', 'on-failure']

/** How much of the end of each stream is kept, in characters. A longer line is matched in parts. */
const KEPT = 16_384

const STREAMS = ['stdout', 'stderr'] as const

/** Where the output of a program is printed. */
export interface PrintedTo {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** The output of a program. */
export class Output {
  readonly #kept = { stdout: '', stderr: '' }
  /** The unfinished line of each stream. */
  readonly #begun = { stdout: '', stderr: '' }
  readonly #listeners = new Set<(line: string) => void>()
  #isPrinted = false

  constructor(
    child: ChildProcess,
    private readonly mode: OutputMode,
    private readonly printedTo: PrintedTo = process,
  ) {
    for (const name of STREAMS) {
      const stream = child[name]
      if (mode === 'ignore') stream?.resume()
      else stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(name, text))
    }
  }

  get stdout(): string {
    return this.#kept.stdout
  }

  get stderr(): string {
    return this.#kept.stderr
  }

  /** Calls back with each line, without colors, and with the beginning of an unfinished line. Returns a function that ends it. */
  onLine(callback: (line: string) => void): () => void {
    this.#listeners.add(callback)
    return () => this.#listeners.delete(callback)
  }

  /** Its last lines, without colors: first of stdout, then of stderr. */
  get tail(): string {
    return [lastLines(this.stdout), lastLines(this.stderr)].filter(Boolean).join('\n')
  }

  /** The last lines for a message. */
  describe(): string {
    if (this.mode === 'ignore') return "no output: output: 'ignore' drops it"
    if (this.tail === '') return 'no output of the program'
    const [stdout, stderr] = [lastLines(this.stdout), lastLines(this.stderr)].map((text) => text.replace(/^/gm, '  '))
    if (stdout?.trim() && stderr?.trim()) return `this output of the program\n${stdout}\nand on stderr\n${stderr}`
    return `this output of the program\n${stdout?.trim() ? stdout : stderr}`
  }

  /** Prints the output in the mode `'on-failure'`. To be called when the program has failed and its output has ended. */
  failed(): void {
    if (this.mode !== 'on-failure' || this.#isPrinted) return
    this.#isPrinted = true
    for (const name of STREAMS) this.printedTo[name].write(this.#kept[name])
  }

  #hear(name: (typeof STREAMS)[number], text: string): void {
    if (this.mode === 'inherit') this.printedTo[name].write(text)
    this.#kept[name] = (this.#kept[name] + text).slice(-KEPT)
    if (this.#listeners.size === 0) return
    const lines = (this.#begun[name] + text).split('\n')
    this.#begun[name] = (lines.at(-1) as string).slice(-KEPT)
    for (const line of lines) {
      const plain = stripVTControlCharacters(line).replace(/\r$/, '')
      if (plain !== '') for (const call of this.#listeners) call(plain)
    }
  }
}

/** Lines of each stream in a message. */
const SHOWN = 15

const lastLines = (text: string): string => stripVTControlCharacters(text).trim().split('\n').slice(-SHOWN).join('\n')
