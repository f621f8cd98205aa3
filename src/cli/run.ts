import type { ChildProcess } from 'node:child_process'
import { isIP } from 'node:net'
import { codeOf, type PortsideError } from '../errors.js'
import { programEnded } from '../namespaces/host.js'
import { checkProfile, type HostProfile } from '../namespaces/profile.js'
import { launchInNamespace } from '../namespaces/spawn-in-namespace.js'
import type { Command, CommandOption } from './command.js'
import { endBy, isFromTerminal, onSignals } from './signals.js'
import { conditionsIn, programsIn, START_OPTIONS, type StartOptions, THEN } from './start-options.js'
import { UsageError } from './usage-error.js'

/** `start` has the options of `portside start` as the user typed them, by their flags. */
type RunOptions = HostProfile & {
  root?: boolean
  start?: ReadonlyArray<readonly [flag: string, argument: string, value: unknown]>
}

const OPTIONS: readonly (CommandOption & { key: keyof RunOptions })[] = [
  {
    flag: 'ephemeral-ports',
    value: 'N|FIRST-LAST',
    text: 'The number of ephemeral ports, or the first and the last.',
    default: '32768-60999',
    key: 'ephemeralPorts',
    read: range,
  },
  { flag: 'no-ipv4', text: 'Run on a host without IPv4.', key: 'ipv4', read: () => false },
  { flag: 'no-ipv6', text: 'Run on a host without IPv6.', key: 'ipv6', read: () => false },
  {
    flag: 'first-unprivileged-port',
    value: 'N',
    text: 'The first port that every user may bind.',
    default: '1024',
    key: 'firstUnprivilegedPort',
    read: integer,
  },
  {
    flag: 'mtu',
    value: 'N',
    text: 'The MTU of the loopback interface, in bytes.',
    default: '65536',
    key: 'mtu',
    read: integer,
  },
  {
    flag: 'open-files',
    value: 'N',
    text: 'The limit of open descriptors for each program.',
    default: 'as here',
    key: 'openFiles',
    read: integer,
  },
  {
    flag: 'localhost',
    value: 'ADDR,...',
    text: 'The addresses that localhost resolves to, in order.',
    default: 'as here',
    key: 'localhost',
    read: addresses,
  },
  {
    flag: 'root',
    text: 'Run the command as root of that host.',
    default: 'as the user who runs portside',
    key: 'root',
  },
]

/** The options of `portside start`, each with the text that the user typed. */
const PASSED_ON: readonly CommandOption[] = START_OPTIONS.map(({ default: preset, ...option }) => ({
  ...option,
  ...(option.flag === 'ready'
    ? { text: `Do what 'portside start' does: wait for READY, then run TEST if ${THEN} TEST follows the command.` }
    : preset === undefined
      ? {}
      : { default: preset }),
  key: 'start',
  many: true,
  read: (text) => [
    option.flag,
    `--${option.flag}${option.value === undefined ? '' : `=${text}`}`,
    option.read === undefined ? true : option.read(text),
  ],
}))

export const runCommand: Command<RunOptions> = {
  name: 'run',
  summary: 'Run a command in a private network (Linux).',
  operands: {
    usage: '[--] COMMAND [ARGUMENT...]',
    text: 'The command. Everything after its name belongs to the command, options included.',
    least: 1,
    most: Number.POSITIVE_INFINITY,
  },
  passThrough: true,
  options: [...OPTIONS, ...PASSED_ON],
  examples: [
    'npx portside run -- npm test',
    'npx portside run --ready /health -- npm start --then npx playwright test',
    'npx portside run --no-ipv6 -- npx vitest run',
    'npx portside run --ephemeral-ports 16 -- npx vitest run test/exhaustion',
  ],
  run: ({ start, ...options }, operands) => {
    if (operands[0] === '') throw new UsageError('the name of the command is empty')
    return runPrivately(start === undefined ? operands : startPrivately(start, operands), options)
  },
}

/** Returns the exit code of the command. If a signal ended the command, the same signal ends this process. */
async function runPrivately([command = '', ...args]: readonly string[], options: RunOptions): Promise<number> {
  const { root = false, ...profile } = options
  check(profile)
  let child: ChildProcess
  try {
    child = await launchInNamespace(profile, command, args, { stdio: 'inherit', root }, { terminal: true })
  } catch (error) {
    process.stderr.write(`portside run: ${(error as Error).message}\n`)
    return { ENOENT: NOT_FOUND, EACCES: NOT_EXECUTABLE }[codeOf(error) ?? ''] ?? NO_NETWORK
  }
  const stop = onSignals((signal) => {
    if (!isFromTerminal(signal)) child.kill(signal)
  })
  // Looks up the pid of the program now. Otherwise the first signal would have to wait for it.
  void child.pid
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (...how) => resolve(how))
  })
  await programEnded(child)
  stop()
  if (signal === null) return code ?? 1
  return endBy(signal)
}

/** The command line of `portside start` for the same programs in the private network. Throws UsageError. */
function startPrivately(given: NonNullable<RunOptions['start']>, operands: readonly string[]): readonly string[] {
  const typed: Record<string, unknown> = {}
  for (const [flag, , value] of given) {
    const { key, many } = START_OPTIONS.find((option) => option.flag === flag) as (typeof START_OPTIONS)[number]
    typed[key] = many ? [...((typed[key] as unknown[] | undefined) ?? []), value] : value
  }
  const { ready } = typed as StartOptions
  if (ready === undefined) throw new UsageError(`--${given[0]?.[0]} needs --ready: --ready listening`)
  conditionsIn(typed)
  programsIn(operands)
  return [
    process.execPath,
    process.argv[1] as string,
    'start',
    ...given.map(([, argument]) => argument),
    '--',
    ...operands,
  ]
}

/** 126 and 127 are the exit codes of sh(1) and env(1). docker-run(1) uses 125 for its own failures. */
const NOT_FOUND = 127
const NOT_EXECUTABLE = 126
const NO_NETWORK = 125

/** Turns an invalid profile into a UsageError that names the flags the user typed. */
function check(profile: HostProfile): void {
  try {
    checkProfile(profile)
  } catch (error) {
    const { argument, expected, actual } = error as PortsideError
    // One family may be off. The profile as a whole is invalid only if both are.
    const typed = OPTIONS.filter(
      ({ key }) => key === argument || (argument === 'profile' && profile[key as 'ipv4'] === false),
    )
    const flags = typed.map(({ flag }) => `--${flag}`).join(' ')
    throw new UsageError(`invalid ${flags || argument}: expected ${expected}, got ${actual}`)
  }
}

function integer(text = ''): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error('expected an integer')
  return Number(text)
}

function range(text = ''): number | [number, number] {
  const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? []
  if (first === undefined) throw new Error('expected a number of ports, or FIRST-LAST')
  return last === undefined ? Number(first) : [Number(first), Number(last)]
}

function addresses(text = ''): string[] {
  const list = text.split(',')
  if (list.some((address) => isIP(address) === 0)) throw new Error('expected addresses, separated by commas')
  return list
}
