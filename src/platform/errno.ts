import { getSystemErrorMap } from 'node:util'

/** The operating system's own short sentence for an error code: 'address already in use'. */
export function describeErrno(code: string): string | undefined {
  for (const [name, sentence] of getSystemErrorMap().values()) if (name === code) return sentence
  return undefined
}

/** Codes of a kernel that lacks the address or the whole family: ip(7), ipv6(7). */
const ABSENT: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'])

export const saysAddressAbsent = (code: string | undefined): boolean => ABSENT.has(code)

/**
 * Whether EADDRNOTAVAIL of a bind to port 0 can mean that no ephemeral port is left: `in_pcbbind` of xnu and `in_pcb_lport` of FreeBSD
 * answer so. Linux and Windows answer EADDRINUSE.
 */
export const saysExhaustedAsAbsent = (platform: NodeJS.Platform = process.platform): boolean => BSD.has(platform)

const BSD: ReadonlySet<NodeJS.Platform> = new Set(['darwin', 'freebsd', 'netbsd', 'openbsd'])

/** Whether a bind to port 0, of an address that this host has, found no free port. */
export const saysNoPortLeft = (code: string | undefined, platform?: NodeJS.Platform): boolean =>
  code === 'EADDRINUSE' || (code === 'EADDRNOTAVAIL' && saysExhaustedAsAbsent(platform))

/**
 * Whether EADDRINUSE of a connect means that the connection already exists, as on macOS and Windows. Linux answers EADDRNOTAVAIL in
 * that case, and EADDRINUSE if a bound socket finds no free ephemeral port (connect(2)).
 */
export const saysTupleTaken = (platform: NodeJS.Platform = process.platform): boolean =>
  platform !== 'linux' && platform !== 'android'

/** The code of an error number of the system. On Windows libraries keep the numbers of Winsock. */
export function codeOfOsError(number: number, platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'win32') return WINSOCK[number]
  return getSystemErrorMap().get(-number)?.[0]
}

/** https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2 */
const WINSOCK: Readonly<Record<number, string>> = {
  10013: 'EACCES',
  10048: 'EADDRINUSE',
  10049: 'EADDRNOTAVAIL',
  10051: 'ENETUNREACH',
  10053: 'ECONNABORTED',
  10054: 'ECONNRESET',
  10060: 'ETIMEDOUT',
  10061: 'ECONNREFUSED',
  10065: 'EHOSTUNREACH',
}
