import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { HOSTILE } from './values.js'

/** Codes for an invalid argument. Such an error names the argument. */
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

/** The maximum number of characters in a message. */
const LONGEST_MESSAGE = 65_536

/** The problem of an error that a call failed with. Undefined if the error is right. */
export function wrongWith(error: unknown): string | undefined {
  try {
    const { code, argument, headline, message, name } = error as Record<string, unknown>
    if (typeof code !== 'string') return `an error without code: ${short(String(error))}`
    if (code === HOSTILE) return undefined
    if (typeof message !== 'string') return `${code} without message`
    if (message.length > LONGEST_MESSAGE) return `${code} with a message of ${message.length} characters`
    if (code === 'ABORT_ERR' && name !== 'AbortError') return `ABORT_ERR of a ${String(name)}`
    if (ABOUT_ARGUMENTS.has(code) && typeof argument !== 'string') return `${code} without argument: ${short(message)}`
    // A system error may be unchanged. An error of a Node check means that portside has not checked the argument.
    const ours = typeof headline === 'string' || code === 'ABORT_ERR'
    if (/^ERR_/.test(code) && !ours) return `a raw error of Node: ${code}, ${short(message)}`
    return undefined
  } catch (thrown) {
    return `an error that cannot be read: ${short(String((thrown as Error)?.message))}`
  }
}

const short = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 160)

/** The resources of this process, as the kernel reports them. */
interface Held {
  readonly descriptors: number
  readonly children: number
  readonly files: number
}

/** The longest time until closed resources are gone, in milliseconds. */
const PATIENCE = 3000

/** Detects leftovers of a call: unhandled errors, warnings, descriptors, child processes and files. */
export class Oracle {
  readonly #heard: string[] = []
  #before: Held = { descriptors: 0, children: 0, files: 0 }

  /** `folder` is the working directory and the TMPDIR of this process. */
  constructor(private readonly folder: string) {
    process.on('unhandledRejection', (error) => this.#heard.push(`an unhandled rejection: ${described(error)}`))
    process.on('uncaughtException', (error) => this.#heard.push(`an uncaught exception: ${described(error)}`))
    process.on('warning', (warning) => this.#heard.push(`a warning: ${described(warning)}`))
  }

  /** Records the current resources as the state before each call. */
  begin(): void {
    this.#before = this.#held()
    this.#heard.splice(0)
  }

  /** The leftovers of the last call. */
  async complaints(): Promise<string[]> {
    let now = this.#held()
    for (const until = performance.now() + PATIENCE; grown(this.#before, now).length > 0; now = this.#held()) {
      if (performance.now() > until) break
      // An asynchronous read uses the thread pool and makes the event loop poll.
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
