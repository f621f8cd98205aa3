import { getSystemErrorMap } from 'node:util'

/** The operating system's own short sentence for an error code: 'address already in use'. */
export function describeErrno(code: string): string | undefined {
  for (const [name, sentence] of getSystemErrorMap().values()) if (name === code) return sentence
  return undefined
}

/** Codes with which a kernel says that it lacks the address or the whole family: ip(7), ipv6(7). */
const ABSENT: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'])

export const saysAddressAbsent = (code: string | undefined): boolean => ABSENT.has(code)
