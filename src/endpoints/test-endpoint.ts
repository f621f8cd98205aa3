import type { Endpoint, Family } from '../loopback/endpoint.js'
import { namesOf, readOptions } from '../options.js'

/** The address of an endpoint. */
export interface EndpointOptions {
  /**
   * The loopback address: 127.0.0.1, ::1, or with `'dual'` both of them at one port.
   *
   * @default the first of `loopbackFamilies()`
   */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. */
  host?: string
}

/** Reads the common options of an endpoint, and its own. */
export function readEndpointOptions<Options extends EndpointOptions>(
  options: Options | undefined,
  name: string,
  ...more: ReadonlyArray<Exclude<keyof Options & string, keyof EndpointOptions>>
): Options {
  const instead = { port: 'leave it out: the kernel picks a port that nothing else has' }
  return readOptions(options, { of: `${name}()`, names: [...NAMES, ...more], example: "{ family: 'IPv6' }", instead })
}

const NAMES = namesOf<EndpointOptions>()('family', 'host')

/**
 * An address and port where one network failure happens, every time, until you close it.
 *
 * @see `docs/endpoints.md`
 */
export interface TestEndpoint extends Endpoint, AsyncDisposable {
  /** All its addresses: two if it is dual. */
  readonly endpoints: readonly Endpoint[]
  /** Releases everything and closes open connections immediately. Calls share one promise. */
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
