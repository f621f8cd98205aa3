import type { PortsideError } from '../errors.js'
import { messageOf } from '../message.js'

/** The names of function options on the command line. */
const TYPED: ReadonlyArray<readonly [RegExp, string]> = [
  [/port: 'any'/g, '--port any'],
  [/leave port out/g, 'leave --port out'],
  [/\bas ca\b/g, 'by --ca FILE'],
  [/a longer timeout/g, 'a longer --timeout'],
  [/pass family: 'IPv[46]', or make/g, 'make'],
]

/** The message of an error, with options as a user types them. `lines` replace the lines of the error. */
export function typedMessage(error: unknown, lines: { actual?: string | undefined; owner?: string | undefined } = {}) {
  const { headline, expected, actual, because, owner, next, message } = error as PortsideError
  if (headline === undefined) return String(message ?? error)
  const typed = TYPED.reduce((text, [name, option]) => text.replace(name, option), next ?? '')
  return messageOf(headline, { expected, actual, because, owner, next: typed, ...lines })
}
