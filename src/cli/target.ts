import { placeIn } from './place.js'
import { UsageError } from './usage-error.js'

/** The server that `portside wait` waits for. */
export type Target =
  | { readonly kind: 'url'; readonly url: URL }
  | { readonly kind: 'place'; readonly place: number | { readonly host: string; readonly port: number } }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'process'; readonly pid: number }

const EXPECTED =
  'an http: or https: URL, a port from 1 to 65535, ADDR:PORT with an IPv6 address in brackets, or the path of a unix socket that begins with / or ./'

/** Throws UsageError. */
export function targetOf(text: string): Target {
  if (/^(\.{0,2}\/|\\\\[.?]\\pipe\\)/.test(text)) return { kind: 'path', path: text }
  if (/^https?:/i.test(text) && URL.canParse(text)) {
    const url = new URL(text)
    if (url.hostname !== '' && url.port !== '0') return { kind: 'url', url }
  }
  const place = placeIn(text)
  if (place !== undefined) return { kind: 'place', place }
  throw new UsageError(`invalid TARGET: expected ${EXPECTED}, got '${text}'`)
}
