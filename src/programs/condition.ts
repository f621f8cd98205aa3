import type { Endpoint } from '../loopback/endpoint.js'

/** What a program answered last when it was not ready. */
export interface ReadyAnswer {
  /** Of an HTTP response. */
  readonly status?: number
  /** The beginning of an HTTP response, or of what a TCP server sent. */
  readonly body?: string
  /** No answer, or a function that threw. */
  readonly error?: Error
}

/** One condition, as it is asked. */
export interface Condition {
  /** What is waited for: `GET /health to answer with a status from 200 to 399`. */
  readonly expected: string
  /** Undefined once it is met. `signal` ends the attempt. */
  ask(endpoint: Endpoint, signal: AbortSignal): Promise<ReadyAnswer | undefined>
  forget?(): void
}

/** Without the flags that make a regular expression remember where it was. */
export const repeatable = (pattern: RegExp): RegExp => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))

/** What an answer was, for a message. */
export function describeAnswer({ status, body, error }: ReadyAnswer): string {
  if (error !== undefined) return error.message
  const said = body === undefined ? '' : `: ${body.split('\n').slice(0, 5).join('\n').slice(0, 500)}`
  if (status !== undefined) return `status ${status}${said === ': ' ? ', an empty body' : said}`
  return body === undefined
    ? 'no such line'
    : body === ''
      ? 'an empty answer'
      : `the answer ${JSON.stringify(body.slice(0, 500))}`
}
