import type { ChildProcess } from 'node:child_process'
import { isIP } from 'node:net'
import { constants } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { codeOf, type PortsideError } from '../errors.js'
import { checkProfile, type HostProfile } from '../namespaces/profile.js'
import { spawnInNamespace } from '../namespaces/spawn-in-namespace.js'
import { UsageError } from './usage-error.js'

/** The options of `portside run`; everything from the command on is the command's. */
export function runOptions(command: Command): Command {
  return command
    .description('run a command on a host of its own: a private network (Linux)')
    .argument('<command...>', 'the command and its arguments')
    .option('--ephemeral-ports <N|FIRST-LAST>', 'so many ephemeral ports, or from the first to the last', range)
    .option('--no-ipv4', 'a host without IPv4')
    .option('--no-ipv6', 'a host without IPv6')
    .option('--first-unprivileged-port <N>', 'the first port that everybody may bind', integer)
    .option('--mtu <N>', 'the MTU of the loopback interface', integer)
    .option('--open-files <N>', 'how many descriptors each program may have', integer)
    .option('--localhost <ADDR,...>', 'what localhost resolves to, in order', addresses)
    .option('--root', 'run it as root of that host')
    .passThroughOptions()
}

/** Gives the exit code of the command; where a signal ended it, the same signal ends this process. */
export async function runPrivately(
  [command = '', ...args]: readonly string[],
  options: HostProfile & { root?: boolean },
): Promise<number> {
  const { root = false, ...profile } = options
  refuse(profile)
  let child: ChildProcess
  try {
    child = await spawnInNamespace(profile, command, args, { stdio: 'inherit', root })
  } catch (error) {
    process.stderr.write(`portside run: ${(error as Error).message}\n`)
    return { ENOENT: NOT_FOUND, EACCES: NOT_EXECUTABLE }[codeOf(error) ?? ''] ?? NO_NETWORK
  }
  const stop = forwardSignals(child)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (...how) => resolve(how))
  })
  stop()
  if (signal === null) return code ?? 1
  // Who waits for this process is to see what a shell would see of the command.
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}

/** As sh(1), env(1) and others have it; 125 is what docker-run(1) says of itself. */
const NOT_FOUND = 127
const NOT_EXECUTABLE = 126
const NO_NETWORK = 125

const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const

/** A terminal sends these to the whole foreground process group, of which the command is part (termios(3)). */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH'])

function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    if (process.stdin.isTTY && FROM_TERMINAL.has(signal)) return
    child.kill(signal)
  }
  for (const signal of FORWARDED) process.on(signal, forward)
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward)
  }
}

const FLAGS: Readonly<Record<string, string>> = {
  ephemeralPorts: '--ephemeral-ports',
  firstUnprivilegedPort: '--first-unprivileged-port',
  mtu: '--mtu',
  openFiles: '--open-files',
  localhost: '--localhost',
  profile: '--no-ipv4 --no-ipv6',
}

/** What no host could be is the fault of the arguments. */
function refuse(profile: HostProfile): void {
  try {
    checkProfile(profile)
  } catch (error) {
    const { argument: name = '', expected, actual } = error as PortsideError
    const message = `portside run: ${FLAGS[name] ?? name}: expected ${expected}, got ${actual}`
    throw new UsageError(message, 'portside run [options] -- command...')
  }
}

function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected an integer.')
  return Number(text)
}

function range(text: string): number | [number, number] {
  const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? []
  if (first === undefined) throw new InvalidArgumentError('Expected a number of ports, or FIRST-LAST.')
  return last === undefined ? Number(first) : [Number(first), Number(last)]
}

function addresses(text: string): string[] {
  const list = text.split(',')
  if (list.some((address) => isIP(address) === 0)) throw new InvalidArgumentError('Expected addresses, with commas.')
  return list
}
