import type { TestContext } from 'vitest'
import { LOOPBACK } from '../../src/loopback/endpoint.js'
import { loopbackFamilies, whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { openFiles } from '../../src/platform/open-files.js'

/** The family of this host: IPv4 if it has both. */
export const HERE_FAMILY = loopbackFamilies()[0] ?? 'IPv4'

/** The loopback address for tests in which the family does not matter. */
export const HERE: string = LOOPBACK[HERE_FAMILY]

/** A documentation address (RFC 5737, RFC 3849) of the same family, which this host does not have. */
export const ELSEWHERE = HERE_FAMILY === 'IPv4' ? '192.0.2.200' : '2001:db8::1'

/** `HERE` as the host of a URL, and before a port. */
export const HERE_IN_URL = HERE_FAMILY === 'IPv6' ? `[${HERE}]` : HERE

/** `HERE_IN_URL` in a regular expression. */
export const HERE_IN_PATTERN = HERE_IN_URL.replace(/[.[\]]/g, '\\$&')

/** The type for `dgram.createSocket()`. */
export const UDP_HERE = HERE_FAMILY === 'IPv6' ? 'udp6' : 'udp4'

/** Skips a test that needs IPv4, with the reason, if this host has none. */
export function needsIPv4(context: TestContext): void {
  const why = whyFamilyIsMissing('IPv4')
  if (why !== undefined) context.skip(why)
}

/** Skips a test that opens so many descriptors if the limit of this process is lower. */
export function needsDescriptors(context: TestContext, count: number): void {
  const { limit } = openFiles()
  if (limit !== undefined && limit < count) context.skip(`this process may have ${limit} descriptors, and not ${count}`)
}

/** Skips a test that takes so many ephemeral ports if this host has fewer. */
export function needsPorts(context: TestContext, count: number): void {
  const { first, last } = ephemeralRange()
  const size = last - first + 1
  if (size < count) context.skip(`this host has ${size} ephemeral ports, and not ${count}`)
}
