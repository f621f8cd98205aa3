import { now } from '../timers.js'
import { endBy, onSignals } from './signals.js'

/** `isEnd`: the signal is the first of those that end this process. */
type Reaction = (signal: NodeJS.Signals, isEnd: boolean) => void

/** Records the signal that ends this process, and reacts to it first. */
export class Interruption {
  readonly forget: () => void
  signal: NodeJS.Signals | undefined
  /** The exit code if the output cannot be written. */
  lostOutput: number | undefined
  #at = 0
  #react: Reaction = () => {}

  constructor() {
    this.forget = onSignals((signal) => {
      if (!ENDING.has(signal)) this.#react(signal, false)
      else if (this.signal === undefined) {
        this.signal = signal
        this.#at = now()
        this.#react(signal, true)
      } else if (now() - this.#at > SAME) process.exit(this.end())
    })
  }

  /** Replaces the reaction to signals. */
  do(react: Reaction): void {
    this.#react = react
  }

  outputLost(exitCode: number): void {
    this.lostOutput = exitCode
    this.#react('SIGTERM', true)
  }

  /** Ends this process by the signal. The watchdog ends the programs that still run. */
  end(): number {
    this.forget()
    return endBy(this.signal ?? 'SIGTERM')
  }
}

const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'])

/** Milliseconds. One Ctrl-C may arrive twice: from the terminal, and from npm, which passes it on. */
const SAME = 500
