import { type Command, type CommandOption, HELP } from './command.js'

/** `portside who PORT|ADDR:PORT [--json]` */
export function usageOf({ name, operands, options, passThrough }: Command): string {
  const flags = options.length > 1 ? ['[options]'] : options.map(({ flag }) => `[--${flag}]`)
  const words = passThrough ? [...flags, operands.usage] : [operands.usage, ...flags]
  return ['portside', name, ...words].filter((word) => word !== '').join(' ')
}

export const usageOfAll = (commands: readonly Command[]): string =>
  `portside ${commands.map(({ name }) => name).join('|')}`

export function helpOf(command: Command, documentation: string): string {
  const { operands, options, examples, summary } = command
  return page([
    [`Usage: ${usageOf(command)}`],
    [summary],
    operands.text === undefined ? [] : ['Arguments:', ...columns([[operands.usage, operands.text]])],
    ['Options:', ...columns([...options, HELP].map(optionRow))],
    ['Examples:', ...examples.map((example) => `  ${example}`)],
    [`Documentation: ${documentation}`],
  ])
}

export function helpOfAll(
  commands: readonly Command[],
  options: readonly CommandOption[],
  summary: string,
  documentation: string,
): string {
  return page([
    ['Usage: portside COMMAND [options]'],
    [summary],
    ['Commands:', ...columns(commands.map((command) => [command.name, command.summary]))],
    ['Options:', ...columns([...options, HELP].map(optionRow))],
    ['Examples:', ...commands.flatMap(({ examples }) => examples.slice(0, 1).map((example) => `  ${example}`))],
    ["'portside COMMAND --help' prints the options and examples of a command."],
    [`Documentation: ${documentation}`],
  ])
}

function optionRow({ flag, short, value, text, default: preset }: CommandOption): [string, string] {
  const names = `${short === undefined ? '    ' : `-${short}, `}--${flag}${value === undefined ? '' : ` ${value}`}`
  return [names, preset === undefined ? text : `${text} Default: ${preset}.`]
}

function columns(rows: ReadonlyArray<readonly [string, string]>): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

const page = (sections: ReadonlyArray<readonly string[]>): string =>
  `${sections
    .filter((section) => section.length > 0)
    .map((section) => section.join('\n'))
    .join('\n\n')}\n`
