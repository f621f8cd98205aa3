import { networkInterfaces } from 'node:os'

/** The addresses of this host or network namespace. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
}

/** The same, or none if this process has no descriptor left. */
export function ownAddressesOrNone(): string[] {
  try {
    return ownAddresses()
  } catch {
    // There is no descriptor left to ask with.
    return []
  }
}
