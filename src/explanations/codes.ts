import { CLIENT_CODES } from './client-codes.js'
import type { CodeMeaning } from './code-meaning.js'
import { KERNEL_CODES } from './kernel-codes.js'
import { NODE_CODES } from './node-codes.js'

/** The codes that a Node socket can raise (sources: `docs/errors.md`). `ERR_SSL_*` covers all codes with this beginning. */
export const CODES: Readonly<Record<string, CodeMeaning>> = { ...KERNEL_CODES, ...NODE_CODES, ...CLIENT_CODES }

export function meaningOf(code: string): CodeMeaning | undefined {
  if (CODES[code] === undefined && /^ERR_SSL_\w+_ALERT_/.test(code)) return CODES['ERR_SSL_*_ALERT_*']
  const [family] = /^(ERR_SSL_|ERR_HTTP2_(?:INVALID_)?|HPE_)/.exec(code) ?? []
  return CODES[code] ?? (family === undefined ? undefined : CODES[`${family}*`])
}
