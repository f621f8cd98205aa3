import { getSystemErrorMap } from 'node:util'

/** The operating system's own short sentence for an error code: 'address already in use'. */
export function describeErrno(code: string): string | undefined {
  for (const [name, sentence] of getSystemErrorMap().values()) if (name === code) return sentence
  return undefined
}

/** Codes with which a kernel says that it lacks the address or the whole family: ip(7), ipv6(7). */
const ABSENT: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'])

export const saysAddressAbsent = (code: string | undefined): boolean => ABSENT.has(code)

/**
 * Whether EADDRINUSE of a connect says that the connection exists already: so on macOS and Windows. Linux answers
 * EADDRNOTAVAIL to that, and EADDRINUSE if a bound socket finds no ephemeral port left (connect(2)).
 */
export const saysTupleTaken = (platform: NodeJS.Platform = process.platform): boolean =>
  platform !== 'linux' && platform !== 'android'
