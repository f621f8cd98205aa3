import { now } from '../timers.js'
import { endBy, onSignals } from './signals.js'

/** `isEnd`: the signal is the first of those that end this process. */
type Reaction = (signal: NodeJS.Signals, isEnd: boolean) => void

/** The signal that ends this process, and what is done before that. */
export class Interruption {
  readonly forget: () => void
  signal: NodeJS.Signals | undefined
  /** The exit code, if nobody can have the output. */
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

  /** What is done with a signal from now on. */
  do(react: Reaction): void {
    this.#react = react
  }

  outputLost(exitCode: number): void {
    this.lostOutput = exitCode
    this.#react('SIGTERM', true)
  }

  /** Ends this process by the signal. What still runs, the watchdog ends. */
  end(): number {
    this.forget()
    return endBy(this.signal ?? 'SIGTERM')
  }
}

const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'])

/** One Ctrl-C may come twice: by the terminal, and by npm, which passes it on. In milliseconds. */
const SAME = 500
