import { networkInterfaces } from 'node:os'

/** The addresses of this host or network namespace. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
}
