import type { Endpoint } from '../loopback/endpoint.js'

/** At least one endpoint. The array has the `address`, `port` and `family` of its first, too. */
export type Endpoints = readonly [Endpoint, ...Endpoint[]] & Endpoint

export function endpointsOf(endpoints: readonly [Endpoint, ...Endpoint[]]): Endpoints {
  const [{ address, port, family }] = endpoints
  // Not enumerable: an array is compared and printed by its items.
  return Object.defineProperties([...endpoints], {
    address: { value: address },
    port: { value: port },
    family: { value: family },
  }) as unknown as Endpoints
}
