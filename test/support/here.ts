import { LOOPBACK } from '../../src/loopback/endpoint.js'
import { loopbackFamilies, whyFamilyIsMissing } from '../../src/loopback/probe.js'

/** The family that this host has; of two IPv4. */
export const HERE_FAMILY = loopbackFamilies()[0] ?? 'IPv4'

/** Its loopback address: what a test takes to which the family is nothing. */
export const HERE: string = LOOPBACK[HERE_FAMILY]

/** The same as the host of a URL, and before a port. */
export const HERE_IN_URL = HERE_FAMILY === 'IPv6' ? `[${HERE}]` : HERE

/** The same in a regular expression. */
export const HERE_IN_PATTERN = HERE_IN_URL.replace(/[.[\]]/g, '\\$&')

/** What `dgram.createSocket()` takes. */
export const UDP_HERE = HERE_FAMILY === 'IPv6' ? 'udp6' : 'udp4'

/** Why tests of a fact of one family are skipped; undefined where they are not. */
export const NO_IPV4 = whyFamilyIsMissing('IPv4')
export const NO_IPV6 = whyFamilyIsMissing('IPv6')
