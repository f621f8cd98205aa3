import { calledBy } from '../caller.js'
import { type ReserveOptions, readReserve, reserveFor } from '../ports/reserve-port.js'
import { type TestEndpoint, testEndpoint } from './test-endpoint.js'

export type RefusedOptions = Omit<ReserveOptions, 'protocol'>

/**
 * An endpoint that refuses: each connect fails with ECONNREFUSED as long as it is held. Not one connects to itself by
 * chance, as a dial to a merely unused port of the ephemeral range does once in as many times as the range has ports,
 * when the kernel picks that very port for the client (a simultaneous open, RFC 9293 §3.5).
 *
 * It is a reserved port on which nobody listens: a kernel answers a SYN to such a port with a reset (RFC 9293 §3.10.7.1).
 * Rejects as `reservePort()`.
 */
export function refusedEndpoint(options: RefusedOptions = {}): Promise<TestEndpoint> {
  return calledBy(refusedEndpoint, async () => {
    const read = readReserve(options, 'refusedEndpoint()')
    const reservation = await reserveFor('close() of what refusedEndpoint() gave', read)
    return testEndpoint(reservation.endpoints, () => reservation.release())
  })
}
