#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, type CommanderError } from 'commander'
import { codeOf } from '../errors.js'
import { doctor } from './doctor.js'
import { runOptions, runPrivately } from './run.js'
import { UsageError } from './usage-error.js'
import { who } from './who.js'

const USAGE = { portside: 'portside doctor|run|who', doctor: 'portside doctor [--json]' } as const

/** Sets the exit code, and never throws. */
async function main(args: readonly string[]): Promise<void> {
  // Whoever reads it may have seen enough: `portside doctor | head -1`.
  process.stdout.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error
    process.exit()
  })
  try {
    if (args.length === 0) throw new UsageError('portside: what to do is missing', USAGE.portside)
    await program().parseAsync(args, { from: 'user' })
  } catch (error) {
    const { usage, exitCode } = error as Partial<UsageError & CommanderError>
    // Help and the version are out.
    if (exitCode === 0) return
    process.stderr.write(`${oneLine(error)}${usage === undefined ? '' : ` (usage: ${usage})`}\n`)
    process.exitCode = usage === undefined ? 1 : 2
  }
}

function program(): Command {
  const portside = strict(new Command('portside'), USAGE.portside)
    .description('The network of this host, as tests see it, and hosts of its own for commands.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .enablePositionalOptions()
  strict(portside.command('doctor'), USAGE.doctor)
    .description('tell what this host can do, and what will break a parallel suite')
    .option('--json', 'print one JSON object')
    .action(async (options: { json?: boolean }) => {
      process.exitCode = await doctor(options)
    })
  runOptions(strict(portside.command('run'), 'portside run [options] -- command...')).action(
    async (command, options) => {
      process.exitCode = await runPrivately(command, options)
    },
  )
  strict(portside.command('who'), 'portside who PORT|ADDR:PORT [--json]')
    .description('tell who holds a port, of TCP or UDP')
    .argument('<port>', 'PORT, ADDR:PORT or [ADDR]:PORT')
    .option('--json', 'print a JSON array')
    .action(async (where: string, options: { json?: boolean }) => {
      process.exitCode = await who(where, options)
    })
  return portside
}

/** What is wrong with the arguments is told in one line, with the usage of the command that it is about. */
function strict(command: Command, usage: string): Command {
  return command
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .helpOption('--help', 'print this help')
    .configureOutput({ outputError() {} })
    .exitOverride((error) => {
      if (error.exitCode === 0) throw error
      throw new UsageError(`${nameOf(command)}: ${error.message.replace(/^error: /, '')}`, usage)
    })
}

const nameOf = (command: Command): string => (command.parent ? `portside ${command.name()}` : command.name())

const oneLine = (error: unknown): string =>
  String((error as Partial<Error>)?.message ?? error)
    .trim()
    .replace(/\s*\n\s*/g, ' ')

/** That of the package which this is part of. */
function version(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      if (name === 'portside') return version
    } catch {
      // Not this folder.
    }
    if (folder === dirname(folder)) return 'unknown'
  }
}

await main(process.argv.slice(2))
