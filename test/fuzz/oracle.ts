import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { HOSTILE } from './values.js'

/** Codes for an argument that a function refuses. Such an error names the argument. */
const ABOUT_ARGUMENTS: ReadonlySet<string> = new Set([
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_INVALID_URL',
  'ERR_MISSING_ARGS',
  'ERR_OUT_OF_RANGE',
  'ERR_PORTSIDE_UNKNOWN_OPTION',
  'ERR_SOCKET_BAD_PORT',
  'ERR_UNKNOWN_SIGNAL',
])

/** The most characters of a message. */
const LONGEST_MESSAGE = 65_536

/** What is wrong with an error that a call failed with; undefined if nothing is. */
export function wrongWith(error: unknown): string | undefined {
  try {
    const { code, argument, headline, message, name } = error as Record<string, unknown>
    if (typeof code !== 'string') return `an error without code: ${short(String(error))}`
    if (code === HOSTILE) return undefined
    if (typeof message !== 'string') return `${code} without message`
    if (message.length > LONGEST_MESSAGE) return `${code} with a message of ${message.length} characters`
    if (code === 'ABORT_ERR' && name !== 'AbortError') return `ABORT_ERR of a ${String(name)}`
    if (ABOUT_ARGUMENTS.has(code) && typeof argument !== 'string') return `${code} without argument: ${short(message)}`
    // An error of the system may come as it is. One of Node's own checks comes after portside's should have.
    const ours = typeof headline === 'string' || code === 'ABORT_ERR'
    if (/^ERR_/.test(code) && !ours) return `a raw error of Node: ${code}, ${short(message)}`
    return undefined
  } catch (thrown) {
    return `an error that cannot be read: ${short(String((thrown as Error)?.message))}`
  }
}

const short = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 160)

/** What this process has open, as the kernel says it. */
interface Held {
  readonly descriptors: number
  readonly children: number
  readonly files: number
}

/** How long what was closed may take to be gone, in milliseconds. */
const PATIENCE = 3000

/** Notices what a call leaves behind: errors nobody handles, warnings, descriptors, child processes and files. */
export class Oracle {
  readonly #heard: string[] = []
  #before: Held = { descriptors: 0, children: 0, files: 0 }

  /** `folder` is the working directory and the TMPDIR of this process. */
  constructor(private readonly folder: string) {
    process.on('unhandledRejection', (error) => this.#heard.push(`an unhandled rejection: ${described(error)}`))
    process.on('uncaughtException', (error) => this.#heard.push(`an uncaught exception: ${described(error)}`))
    process.on('warning', (warning) => this.#heard.push(`a warning: ${described(warning)}`))
  }

  /** What is there now is there before each call. */
  begin(): void {
    this.#before = this.#held()
    this.#heard.splice(0)
  }

  /** What the last call has left behind. */
  async complaints(): Promise<string[]> {
    let now = this.#held()
    for (const until = performance.now() + PATIENCE; grown(this.#before, now).length > 0; now = this.#held()) {
      if (performance.now() > until) break
      // A reader of the thread pool makes the event loop poll.
      await readdir('/proc/self/fd')
      await sleep(2)
    }
    const left = grown(this.#before, now)
    this.#before = now
    return [...this.#heard.splice(0), ...left]
  }

  #held(): Held {
    return {
      descriptors: readdirSync('/proc/self/fd').length,
      children: readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').length,
      files: readdirSync(this.folder).length,
    }
  }
}

function grown(before: Held, now: Held): string[] {
  return (Object.keys(now) as Array<keyof Held>).flatMap((name) =>
    now[name] > before[name] ? [`${now[name] - before[name]} ${name} left`] : [],
  )
}

function described(error: unknown): string {
  try {
    const stack = (error as Partial<Error>)?.stack
    return stack === undefined ? short(String(error)) : stack.split('\n').slice(0, 3).join(' | ').slice(0, 400)
  } catch {
    return 'one that cannot be read'
  }
}
