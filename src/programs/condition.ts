import { types } from 'node:util'
import type { Endpoint } from '../loopback/endpoint.js'
import { thrownText } from '../thrown-text.js'

/**
 * The last answer of a program that is not ready.
 * @experimental
 */
export interface ReadyAnswer {
  /** The status of an HTTP response. */
  readonly status?: number
  /** The beginning of the body of an HTTP response, or the end of a TCP answer. */
  readonly body?: string
  /** Why there is no answer, or the error of a function that you passed. */
  readonly error?: Error
}

/** A condition that must be true before a program is ready. */
export interface Condition {
  /** The line `expected`: `GET /health to answer with a status from 200 to 399`. */
  readonly expected: string
  /** Resolves to undefined when the condition is true. `signal` ends the attempt. */
  ask(endpoint: Endpoint, signal: AbortSignal): Promise<ReadyAnswer | undefined>
  /** Describes an answer for a message. Default: `describeAnswer()`. */
  describe?(answer: ReadyAnswer): string
  forget?(): void
}

/** Without the flags by which a regular expression keeps its position. */
export const repeatable = (pattern: RegExp): RegExp => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))

/** A thrown value may be anything, including an error of another realm. */
export const toError = (thrown: unknown): Error =>
  types.isNativeError(thrown) ? thrown : new Error(thrownText(thrown))

/** Describes the last answer to a condition that is not true yet; '' without an answer. */
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
  const thrown = error === undefined ? '' : `; the status function threw: ${thrownText(error)}`
  if (status !== undefined) return `status ${status}${said === ': ' ? ', an empty body' : said}${thrown}`
  if (error !== undefined) return thrownText(error)
  return 'no such line'
}
