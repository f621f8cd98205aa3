import { CLIENT_CODES } from './client-codes.js'
import { KERNEL_CODES } from './kernel-codes.js'
import { NODE_CODES } from './node-codes.js'

/** What is known of an error code before anything is asked about the one error that has it. */
export interface CodeMeaning {
  /** What the kernel, the resolver, Node or the client decided. */
  readonly decided: string
  /** Why, most of the time. */
  readonly cause: string
  /** What to do about it, the likeliest first. */
  readonly hints: readonly [string, ...string[]]
}

/** The codes that a Node socket can raise (`docs/errors.md` has the sources); `ERR_SSL_*` is all that begin so. */
export const CODES: Readonly<Record<string, CodeMeaning>> = { ...KERNEL_CODES, ...NODE_CODES, ...CLIENT_CODES }

export function meaningOf(code: string): CodeMeaning | undefined {
  const [family] = /^(ERR_SSL_|ERR_HTTP2_|HPE_)/.exec(code) ?? []
  return CODES[code] ?? (family === undefined ? undefined : CODES[`${family}*`])
}
