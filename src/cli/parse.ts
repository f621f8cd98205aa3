import { parseArgs } from 'node:util'
import { nearest } from '../nearest.js'
import type { Command, CommandOption } from './command.js'
import { HELP } from './command.js'
import { UsageError } from './usage-error.js'

export interface Parsed {
  readonly options: Record<string, unknown>
  readonly operands: readonly string[]
}

/** Parses the arguments of a command by its description. Throws UsageError. */
export function parse(command: Pick<Command, 'operands' | 'options' | 'passThrough'>, args: readonly string[]): Parsed {
  const described = [...command.options, HELP]
  // The strict mode of parseArgs has long messages and does not stop at the first operand.
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(described.map(parseArgsOption)),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options: Record<string, unknown> = {}
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'option') {
      const option = described.find(({ flag }) => flag === token.name)
      if (option === undefined) throw unknownOption(token.rawName, described)
      const value = valueGiven(option, token)
      const before = options[option.key] as unknown[] | undefined
      options[option.key] = option.many ? [...(before ?? []), value] : value
    } else if (command.passThrough) {
      operands.push(...args.slice(token.kind === 'option-terminator' ? token.index + 1 : token.index))
      break
    } else if (token.kind === 'positional') operands.push(token.value)
  }
  if (!options.help) checkCount(command, operands)
  return { options, operands }
}

const parseArgsOption = ({ flag, short, value }: CommandOption) =>
  [flag, { type: value === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) }] as const

function valueGiven(option: CommandOption, token: { value?: string | undefined; inlineValue?: boolean | undefined }) {
  const { value } = token
  const name = `--${option.flag}`
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`option '${name}' takes no value, got '${value}'`)
    return option.read === undefined ? true : option.read(undefined)
  }
  // parseArgs takes the next argument as the value, even if that is an option.
  if (value === undefined || (!token.inlineValue && value.startsWith('-'))) {
    throw new UsageError(`option '${name}' needs a value: ${name} ${option.value}`)
  }
  try {
    return option.read === undefined ? value : option.read(value)
  } catch (error) {
    throw new UsageError(`invalid ${name}: ${(error as Error).message}, got '${value}'`)
  }
}

function unknownOption(rawName: string, described: readonly CommandOption[]): UsageError {
  const near = rawName.startsWith('--')
    ? nearest(
        rawName.slice(2),
        described.map(({ flag }) => flag),
      )
    : undefined
  return new UsageError(`unknown option '${rawName}'${meant(near && `--${near}`)}`)
}

/** The end of a message about an unknown name. */
export const meant = (near: string | undefined): string => (near === undefined ? '' : `; did you mean '${near}'?`)

function checkCount(
  { operands: { usage, least, most } }: Pick<Command, 'operands'>,
  operands: readonly string[],
): void {
  if (operands.length < least) throw new UsageError(`missing argument ${usage}`)
  const extra = operands[most]
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`)
}
