/** A command of the command line. Parsing, help and suggestions all read this description. */
export interface Command<Options extends object = object> {
  /** The name on the command line: `portside who`. */
  readonly name: string
  /** One sentence. */
  readonly summary: string
  /** The arguments that are not options, as help shows them: `PORT|ADDR:PORT`. */
  readonly operands: {
    readonly usage: string
    readonly text?: string
    readonly least: number
    readonly most: number
  }
  /** Everything from the first operand on is an operand, even if it looks like an option. */
  readonly passThrough?: boolean
  readonly options: readonly CommandOption[]
  readonly examples: readonly string[]
  /** Resolves to the exit code. Throws UsageError. */
  run(options: Options, operands: readonly string[]): Promise<number>
}

export interface CommandOption {
  /** Without the dashes: `mtu`. */
  readonly flag: string
  readonly short?: string
  /** The placeholder for its value in help. Without it the option takes no value. */
  readonly value?: string
  readonly text: string
  readonly default?: string
  /** The field of `Options` that it sets. */
  readonly key: string
  /** Returns the value for the field. Without it that is true, or the text of the value. */
  readonly read?: (text: string | undefined) => unknown
  /** The option may be given several times, and its field is an array. */
  readonly many?: true
}

export const HELP: CommandOption = { flag: 'help', short: 'h', text: 'Print this help.', key: 'help' }
