import { constants } from 'node:os'

/** Signals that are meant for the command which runs here. */
export const FORWARDED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
] as const satisfies readonly NodeJS.Signals[]

/** A terminal sends these to the whole foreground process group, of which the command is part (termios(3)). */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH'])

export const isForGroup = (signal: NodeJS.Signals): boolean => FROM_TERMINAL.has(signal)

/** Whether the command has got the signal already. */
export const isFromTerminal = (signal: NodeJS.Signals): boolean => process.stdin.isTTY && isForGroup(signal)

/** Calls back with each signal, and returns what ends that. */
export function onSignals(callback: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of FORWARDED) process.on(signal, callback)
  return () => {
    for (const signal of FORWARDED) process.off(signal, callback)
  }
}

/**
 * Ends this process by a signal, so that its parent sees what a shell would see of the command. Gives the exit code for a process
 * that the signal does not end, as the first of a container.
 */
export function endBy(signal: NodeJS.Signals): number {
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}
