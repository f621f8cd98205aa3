import type { Endpoint, Family } from '../loopback/endpoint.js'
import { namesOf, readOptions } from '../options.js'

export interface EndpointOptions {
  /** Default: the first of `loopbackFamilies()`. `'dual'`: one port on 127.0.0.1 and ::1. */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. */
  host?: string
}

/** Reads the options of an endpoint, with those that only it has. */
export function readEndpointOptions<Options extends EndpointOptions>(
  options: Options | undefined,
  name: string,
  ...more: ReadonlyArray<Exclude<keyof Options & string, keyof EndpointOptions>>
): Options {
  const instead = { port: 'leave it out: the kernel picks a port that nothing else has' }
  return readOptions(options, { of: `${name}()`, names: [...NAMES, ...more], example: "{ family: 'IPv6' }", instead })
}

const NAMES = namesOf<EndpointOptions>()('family', 'host')

/** An endpoint of known behaviour: an address and a port at which one thing happens, until it is closed. */
export interface TestEndpoint extends Endpoint, AsyncDisposable {
  /** Two when dual. */
  readonly endpoints: readonly Endpoint[]
  /** Gives everything back. Later calls share the promise. */
  close(): Promise<void>
}

export function testEndpoint(endpoints: readonly Endpoint[], release: () => Promise<unknown>): TestEndpoint {
  const { address, port, family } = endpoints[0] as Endpoint
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= release().then(() => {})
    return closed
  }
  return { address, port, family, endpoints, close, [Symbol.asyncDispose]: close }
}
