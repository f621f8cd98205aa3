import { calledBy } from '../caller.js'
import { type ReserveOptions, readReserve, reserveFor } from '../ports/reserve-port.js'
import { type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The options of `reservePort()` except `protocol`. */
export type RefusedOptions = Omit<ReserveOptions, 'protocol'>

/**
 * Reserves a port that refuses: every connect to it fails with ECONNREFUSED until you close the endpoint.
 *
 * A kernel answers a SYN to a port without a listener with a reset (RFC 9293 §3.10.7.1). The reservation also prevents a client from
 * connecting to itself. With an unused port that happens when the kernel picks the same port for the client (a simultaneous open,
 * RFC 9293 §3.5).
 *
 * @throws the codes of `reservePort()`
 * @example
 * ```ts
 * import { formatEndpoint, refusedEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await refusedEndpoint()
 * const fetching = fetch(`http://${formatEndpoint(endpoint)}`)
 * await expect(fetching).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
 * ```
 * @see `docs/endpoints.md#refusedendpoint`
 */
export function refusedEndpoint(options: RefusedOptions = {}): Promise<TestEndpoint> {
  return calledBy(refusedEndpoint, async () => {
    const read = readReserve(options, 'refusedEndpoint()')
    const reservation = await reserveFor('close() on the result of refusedEndpoint()', read)
    return testEndpoint(reservation.endpoints, () => reservation.release())
  })
}
