#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from '../errors.js'
import { bounded, escaped } from '../message.js'
import { nearest } from '../nearest.js'
import type { Command, CommandOption } from './command.js'
import { doctorCommand } from './doctor.js'
import { helpOf, helpOfAll, usageOf, usageOfAll } from './help.js'
import { meant, parse } from './parse.js'
import { runCommand } from './run.js'
import { startCommand } from './start.js'
import { USAGE, UsageError } from './usage-error.js'
import { waitCommand } from './wait.js'
import { whoCommand } from './who.js'

const SUMMARY =
  'Start programs for tests, wait for ports, check the network of this machine, and run commands in private networks.'

const OPTIONS: readonly CommandOption[] = [{ flag: 'version', short: 'v', text: 'Print the version.', key: 'version' }]

const helpCommand: Command = {
  name: 'help',
  summary: 'Print the help of a command.',
  operands: { usage: '[COMMAND]', least: 0, most: 1 },
  options: [],
  examples: ['npx portside help run'],
  run: async (_options, [name]) => print(name === undefined ? help() : helpOf(commandOf(name), documentation())),
}

const COMMANDS: readonly Command[] = [doctorCommand, runCommand, startCommand, waitCommand, whoCommand, helpCommand]

/** Exit codes of every command. For some commands 1 is an answer, so a missing answer has its own code. */
const UNWRITTEN = 1
const INVALID = 2
const FAILED = 3

/** Sets the exit code, and never throws. */
async function main(args: readonly string[]): Promise<void> {
  process.stdout.on('error', outputFailed)
  // Without standard error there is no place to report this.
  process.stderr.on('error', () => {})
  let command: Command | undefined
  try {
    const { options, operands } = parse(WHOLE, args)
    const [name, ...rest] = operands
    if (options.version) process.exitCode = print(`${ownPackage().version}\n`)
    else if (options.help || args.length === 0) process.exitCode = print(help())
    else if (name === undefined) throw new UsageError('missing command')
    else {
      command = commandOf(name)
      process.exitCode = await runOf(command, rest)
    }
  } catch (error) {
    const name = command === undefined ? 'portside' : `portside ${command.name}`
    const isUsage = codeOf(error) === USAGE
    const usage = command === undefined ? usageOfAll(COMMANDS) : usageOf(command)
    process.stderr.write(`${name}: ${oneLine(error)}${isUsage ? ` (usage: ${usage})` : ''}\n`)
    process.exitCode = isUsage ? INVALID : FAILED
  }
}

/** `portside` itself: its operands are a command and the arguments of the command. */
const WHOLE = {
  operands: { usage: 'COMMAND', least: 0, most: Number.POSITIVE_INFINITY },
  options: OPTIONS,
  passThrough: true,
}

async function runOf(command: Command, args: readonly string[]): Promise<number> {
  const { options, operands } = parse(command, args)
  return options.help ? print(helpOf(command, documentation())) : command.run(options, operands)
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name)
  if (command !== undefined) return command
  const near = nearest(
    name,
    COMMANDS.map((one) => one.name),
  )
  throw new UsageError(`unknown command '${name}'${meant(near)}`)
}

const help = (): string => helpOfAll(COMMANDS, OPTIONS, SUMMARY, documentation())

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function outputFailed(error: Error): void {
  // The reader has closed the pipe, as in `portside doctor | head -1`.
  if (codeOf(error) === 'EPIPE') process.exit()
  process.stderr.write(`portside: cannot write to standard output: ${oneLine(error)}\n`)
  process.exit(UNWRITTEN)
}

/** A message may contain typed text and names of other processes. */
function oneLine(error: unknown): string {
  const text = String((error as Partial<Error>)?.message ?? error)
  const unlabelled = text.trim().replace(LABEL, ' $1: ')
  return bounded(escaped(unlabelled.replace(/\s*\n\s*/g, ' ')), LONGEST_LINE)
}

/** The label of a line of a message, with the spaces that align it. */
const LABEL = /\n {2}(\w+(?: at)?) {2,}/g

const LONGEST_LINE = 1000

const documentation = (): string => join(ownPackage().folder, 'docs', 'cli.md')

/** The package of this file. The built file and the source are at different depths. */
function ownPackage(): { folder: string; version: string } {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      if (name === 'portside') return { folder, version }
    } catch {
      // This folder has no package.json.
    }
    if (folder === dirname(folder)) return { folder, version: 'unknown' }
  }
}

await main(process.argv.slice(2))
