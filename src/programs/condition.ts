import { types } from 'node:util'
import type { Endpoint } from '../loopback/endpoint.js'
import { thrownText } from '../thrown-text.js'

/**
 * What a program answered last when it was not ready.
 * @experimental
 */
export interface ReadyAnswer {
  /** Of an HTTP response. */
  readonly status?: number
  /** The beginning of an HTTP response, or of what a TCP server sent. */
  readonly body?: string
  /** No answer, or what a function of the user's threw. */
  readonly error?: Error
}

/** Something that has to be true before a program is ready. */
export interface Condition {
  /** What is waited for: `GET /health to answer with a status from 200 to 399`. */
  readonly expected: string
  /** Undefined once it is met. `signal` ends the attempt. */
  ask(endpoint: Endpoint, signal: AbortSignal): Promise<ReadyAnswer | undefined>
  /** What an answer was, for a message. Default `describeAnswer()`. */
  describe?(answer: ReadyAnswer): string
  forget?(): void
}

/** Without the flags that make a regular expression remember where it was. */
export const repeatable = (pattern: RegExp): RegExp => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))

/** Anything may be thrown, also an error of another realm. */
export const toError = (thrown: unknown): Error =>
  types.isNativeError(thrown) ? thrown : new Error(thrownText(thrown))

/** What was answered last to a condition that is not met; '' if nothing was. */
export function describePending({ condition, answer }: Pending): string {
  if (answer === undefined) return ''
  return condition.describe?.(answer) ?? describeAnswer(answer)
}

interface Pending {
  readonly condition: Condition
  readonly answer: ReadyAnswer | undefined
}

function describeAnswer({ status, body, error }: ReadyAnswer): string {
  const said = body === undefined ? '' : `: ${body.trimEnd().split('\n').slice(0, 5).join('\n').slice(0, 500)}`
  const thrown = error === undefined ? '' : `; the function given as status threw: ${thrownText(error)}`
  if (status !== undefined) return `status ${status}${said === ': ' ? ', an empty body' : said}${thrown}`
  if (error !== undefined) return thrownText(error)
  return 'no such line'
}
