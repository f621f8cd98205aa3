import net from 'node:net'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { refuseDenied } from '../platform/permissions.js'
import { unlessAborted } from '../signals.js'
import { type Family, familyOf, LOOPBACK } from './endpoint.js'
import { loopbackFamilies, whyFamilyIsMissing } from './probe.js'

/** Where to bind, as the user passes it. */
export interface AddressOptions {
  family?: Family | 'dual' | undefined
  host?: string | undefined
  /** When it aborts, the call does not wait for the lookup of a name. */
  signal?: AbortSignal | undefined
}

/** The addresses to bind. */
export interface Addresses {
  readonly addresses: readonly string[]
  /** `all`: the same port on each of them; `first`: the first that can be bound. */
  readonly bind: 'all' | 'first'
}

/**
 * Turns `family` and `host` into addresses. Throws ERR_INVALID_ARG_VALUE, ERR_PORTSIDE_FAMILY_UNAVAILABLE, or the
 * resolver's code (ENOTFOUND, EAI_AGAIN) for a name that does not resolve. `asked` begins the headline of an error.
 */
export function addressesFor(options: AddressOptions, asked = 'listen on'): Addresses | Promise<Addresses> {
  const { family, host } = options
  if (family !== undefined && !(FAMILIES as readonly unknown[]).includes(family)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', "'IPv4', 'IPv6' or 'dual'", family)
  }
  refuseDenied('net', `${asked} ${typeof host === 'string' ? host : LOOPBACK[family === 'IPv6' ? 'IPv6' : 'IPv4']}`)
  if (host !== undefined) return addressesOfHost(options, asked)
  if (family === 'dual') return { addresses: [available('IPv4', asked), available('IPv6', asked)], bind: 'all' }
  return { addresses: [available(family ?? anyFamily(), asked)], bind: 'first' }
}

export function validPort(port: unknown = 0, name = 'port'): number {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw invalidArgument('ERR_SOCKET_BAD_PORT', name, 'an integer from 0 to 65535', port)
}

const FAMILIES = ['IPv4', 'IPv6', 'dual'] as const

function available(family: Family, asked: string): string {
  const reason = whyFamilyIsMissing(family)
  if (reason === undefined) return LOOPBACK[family]
  throw portsideError('ERR_PORTSIDE_FAMILY_UNAVAILABLE', {
    headline: `Cannot ${asked} ${LOOPBACK[family]}`,
    expected: `a host with ${family}`,
    actual:
      loopbackFamilies().length === 0
        ? 'a host without loopback'
        : `a host with ${loopbackFamilies().join(' and ')} only`,
    because: reason,
    next: 'leave family out, or run the test for each of loopbackFamilies()',
  })
}

function anyFamily(): Family {
  return whyFamilyIsMissing('IPv4') !== undefined && whyFamilyIsMissing('IPv6') === undefined ? 'IPv6' : 'IPv4'
}

function addressesOfHost({ host, family, signal }: AddressOptions, asked: string): Addresses | Promise<Addresses> {
  if (typeof host !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'host', 'a string', host)
  // The resolver stops at a null byte.
  if (host.includes('\0')) throw invalidArgument('ERR_INVALID_ARG_VALUE', 'host', 'a name without null bytes', host)
  if (family === 'dual') {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'family',
      "'IPv4' or 'IPv6' with host, because 'dual' means both loopback addresses",
      family,
    )
  }
  if (net.isIP(host) === 0) return unlessAborted(signal, `${asked} '${host}'`, resolved(host, family, asked))
  if (family !== undefined && familyOf(host) !== family) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'host', `an ${family} address, because family is '${family}'`, host)
  }
  return { addresses: [host], bind: 'first' }
}

async function resolved(host: string, family: Family | undefined, asked: string): Promise<Addresses> {
  try {
    if (host === '') throw Object.assign(new Error('an empty name resolves to nothing'), { code: 'ENOTFOUND' })
    const { lookup } = await import('node:dns/promises')
    const found = await lookup(host, {
      all: true,
      family: family === undefined ? 0 : family === 'IPv4' ? 4 : 6,
    })
    return { addresses: found.map(({ address }) => address), bind: 'first' }
  } catch (cause) {
    throw portsideError(codeOf(cause) ?? 'ENOTFOUND', {
      headline: `Cannot ${asked} '${host}'`,
      expected: `a name that resolves to an ${family === undefined ? '' : `${family} `}address of this host`,
      because: (cause as Error).message,
      next: 'pass an address of this host, or leave host out for loopback',
      cause,
    })
  }
}
