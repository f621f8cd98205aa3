import { isIP } from 'node:net'
import { codeOfOsError } from '../platform/errno.js'

/** A failure, as far as the message of an error has it. */
export interface RustFailure {
  readonly code: string
  readonly syscall?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
  readonly hostname?: string | undefined
}

/**
 * The failure in a message of Rust's standard library, which Deno and native modules pass on: `Connection refused (os error 111)`
 * (https://doc.rust-lang.org/std/io/struct.Error.html). Fetch of Deno keeps no other trace of the failure.
 */
export function rustFailure(message: string): RustFailure | undefined {
  const [, number] = /\(os error (\d+)\)/.exec(message) ?? []
  const { hostname, ...place } = placeIn(message)
  if (number !== undefined) {
    const code = codeOfOsError(Number(number))
    return code === undefined ? undefined : { code, syscall: CONNECT.test(message) ? 'connect' : undefined, ...place }
  }
  if (!UNRESOLVED.test(message)) return undefined
  return { code: /temporary failure/i.test(message) ? 'EAI_AGAIN' : 'ENOTFOUND', syscall: 'getaddrinfo', hostname }
}

/** hyper-util names the phase: `client error (Connect): tcp connect error: ...`. */
const CONNECT = /\btcp connect error\b/

/** `failed to lookup address information: Name or service not known` (std::net of Rust, with the words of the C library). */
const UNRESOLVED = /\bfailed to lookup address information\b/

/** `for http://localhost:3000/ (127.0.0.1:3000)` after the connect, `for url (http://localhost:3000/)` before. */
function placeIn(message: string): Pick<RustFailure, 'address' | 'port' | 'hostname'> {
  const [, dialled, at] = / \(\[?([0-9a-fA-F:.]+?)\]?:(\d+)\)/.exec(message) ?? []
  if (dialled !== undefined && isIP(dialled) !== 0) return { address: dialled, port: Number(at) }
  const [, url = ''] = /\burl \((\w+:\/\/[^\s)]+)\)/.exec(message) ?? []
  if (!URL.canParse(url)) return {}
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const number = port === '' ? DEFAULT_PORT[protocol] : Number(port)
  return isIP(host) === 0 ? { hostname: host, port: number } : { address: host, port: number }
}

const DEFAULT_PORT: Readonly<Record<string, number | undefined>> = { 'http:': 80, 'https:': 443 }
