import { constants } from 'node:os'

/** Signals that portside passes on to the command. */
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

/** A terminal sends these to the whole foreground process group, which includes the command (termios(3)). */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH'])

export const isForGroup = (signal: NodeJS.Signals): boolean => FROM_TERMINAL.has(signal)

/** Whether the terminal has sent the signal to the command already. */
export const isFromTerminal = (signal: NodeJS.Signals): boolean => process.stdin.isTTY && isForGroup(signal)

/** Calls back with each signal. The returned function stops that. */
export function onSignals(callback: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of FORWARDED) process.on(signal, callback)
  return () => {
    for (const signal of FORWARDED) process.off(signal, callback)
  }
}

/**
 * Ends this process by a signal, so the parent sees the same status as for the command. Returns an exit code because the signal does
 * not end the first process of a container (pid_namespaces(7)).
 */
export function endBy(signal: NodeJS.Signals): number {
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}
