import type { Endpoint } from '../loopback/endpoint.js'

/** At least one endpoint. The array also has the `address`, `port` and `family` of the first. */
export type Endpoints = readonly [Endpoint, ...Endpoint[]] & Endpoint

export function endpointsOf(endpoints: readonly [Endpoint, ...Endpoint[]]): Endpoints {
  const [{ address, port, family }] = endpoints
  // Not enumerable, so that the array compares and prints as its items.
  return Object.defineProperties([...endpoints], {
    address: { value: address },
    port: { value: port },
    family: { value: family },
  }) as unknown as Endpoints
}
