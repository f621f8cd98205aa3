import { codeOf } from '../errors.js'
import { WILDCARD } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'

/**
 * Whether a bind without a port can have failed because the kernel had no port left: EADDRINUSE, or on macOS EADDRNOTAVAIL
 * (xnu, in_pcb.c, `in_pcbbind`). For an address that this host lacks, EADDRNOTAVAIL means only that.
 */
export function saysExhausted(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== 'EADDRNOTAVAIL') return code === 'EADDRINUSE'
  const { address } = error as { address?: unknown }
  return typeof address === 'string' && isOwn(address)
}

/** Marks the error of a port for which trying another port does not help. */
export const markExhausted = (error: unknown): unknown => Object.assign(error as object, { exhausted: true })

/** Whether an error, or the error of the system behind it, is so marked. */
export function isExhausted(error: unknown): boolean {
  const { exhausted, cause } = error as { exhausted?: boolean; cause?: { exhausted?: boolean } }
  return exhausted === true || cause?.exhausted === true
}

function isOwn(address: string): boolean {
  if (address === WILDCARD.IPv4 || address === WILDCARD.IPv6) return true
  try {
    return ownAddresses().includes(address)
  } catch {
    // No descriptor, or no memory, to read the list.
    return false
  }
}
