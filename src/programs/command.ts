import { fileURLToPath } from 'node:url'
import { readArgument } from '../argument.js'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { findProgram, whyNoDirectory } from '../platform/program.js'

export interface CommandOptions {
  readonly cwd?: string | URL | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
}

/** Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE for a command that no system could start. */
export function checkCommand(
  command: string,
  args: readonly string[],
  { cwd, env = process.env }: CommandOptions,
): void {
  // Node recognizes the URL: in a Jest test file its class is of another realm.
  if (cwd !== undefined && typeof cwd !== 'string') readArgument('cwd', DIRECTORY, cwd, () => pathOf(cwd))
  if (cwd === '' || (typeof cwd === 'string' && cwd.includes('\0'))) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'cwd', DIRECTORY, cwd)
  }
  if (typeof command !== 'string') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'command', 'the name or path of a program', command)
  }
  if (command === '' || command.includes('\0')) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'command', 'the name or path of a program', command)
  }
  checkArgs(args)
  const [cut] = readArgument('env', 'an object of strings', env, () => {
    // Copied with its symbols, as it will be for the program.
    if (typeof env !== 'object' || (env.PATH !== undefined && typeof env.PATH !== 'string')) return undefined
    return Object.entries({ ...env }).find(([name, value]) => `${name}${value}`.includes('\0')) ?? []
  })
  if (cut !== undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'env', 'names and values without null bytes', cut)
  }
}

/** Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE for anything but texts that a program can get. `of` says where they come from. */
export function checkArgs(args: readonly string[], of = ''): void {
  const texts = readArgument('args', `an array of strings${of}`, args, () => {
    if (!Array.isArray(args)) return undefined
    const all = Array.from<unknown>(args)
    if (isTexts(all)) return all
    const index = all.findIndex((arg) => typeof arg !== 'string')
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'args', `strings${of}, at ${index}`, all[index])
  })
  const broken = texts.find((arg) => arg.includes('\0'))
  if (broken !== undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'args', `strings without null bytes${of}`, broken)
  }
}

const DIRECTORY = 'the path of a directory, or a file: URL of it'

function pathOf(cwd: URL): string {
  try {
    return fileURLToPath(cwd)
  } catch (cause) {
    const code = codeOf(cause)
    if (code !== 'ERR_INVALID_URL_SCHEME') throw cause
    const headline = `Invalid \`cwd\`: expected ${DIRECTORY}, got ${cwd.href}`
    throw portsideError(code, { name: 'TypeError', headline, argument: 'cwd', cause }, {})
  }
}

const isTexts = (values: readonly unknown[]): values is string[] => values.every((value) => typeof value === 'string')

/**
 * The file to execute for a command. Throws ENOENT if the file or the working directory does not exist, ENOTDIR if `cwd` is
 * not a directory, and EACCES if the file is not executable. The errors have the fields of an error of `spawn()`.
 */
export function programOf(command: string, args: readonly string[], options: CommandOptions, asked: string): string {
  const { cwd = '.', env = process.env } = options
  const directory = typeof cwd === 'string' ? cwd : fileURLToPath(cwd)
  const missing = whyNoDirectory(directory)
  if (missing !== undefined) throw noDirectory(missing, asked, directory)
  const { path, code } = findProgram(command, { cwd: directory, path: env.PATH ?? process.env.PATH ?? '' })
  if (path !== undefined) return path
  throw Object.assign(
    portsideError(code ?? 'ENOENT', {
      headline: `Cannot ${asked}`,
      expected: 'an executable program',
      actual: code === 'EACCES' ? 'a file that is not executable' : 'no such file',
      because: code === 'EACCES' || command.includes('/') ? undefined : 'no directory in PATH has it',
      next: /\s/.test(command)
        ? `pass the program and its arguments separately: ${apart(command)}`
        : 'pass the path of the program; for a script, pass the path of its interpreter, and the script as the first argument',
    }),
    { syscall: 'spawn', path: command, spawnargs: args },
  )
}

function noDirectory(code: string, asked: string, directory: string): Error {
  const error = portsideError(code, {
    headline: `Cannot ${asked}`,
    expected: 'a working directory',
    actual: `${directory}, which ${code === 'ENOENT' ? 'does not exist' : code === 'ENOTDIR' ? 'is not a directory' : `cannot be entered (${code})`}`,
    next: 'make the directory first, or leave cwd out',
  })
  return Object.assign(error, { syscall: 'spawn', path: directory })
}

/** `npm start` as `'npm', ['start']`. */
function apart(line: string): string {
  const [program, ...args] = line.trim().split(/\s+/)
  return `'${program}', [${args.map((arg) => `'${arg}'`).join(', ')}]`
}
