import net from 'node:net'
import { calledBy } from '../caller.js'
import { portsideError } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import { reserveFor } from '../ports/reserve-port.js'
import type { TestServer } from '../servers/server.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { cut, Relay, type RelayTarget } from './relay.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The current behaviour of a switchable endpoint. */
export type SwitchableState = 'relaying' | 'refusing' | 'stalled' | 'resetting'

/**
 * A relay whose behaviour your test switches. Each switch resolves when it is in effect; switches happen in the order of the calls.
 * After `close()` they reject with ERR_PORTSIDE_SERVER_CLOSED.
 *
 * @see `docs/endpoints.md#switchableendpoint`
 */
export interface SwitchableEndpoint extends TestEndpoint {
  /** The current behaviour. */
  readonly state: SwitchableState
  /** Acts like a service that is down: open connections are reset, and new connects fail with ECONNREFUSED. */
  refuse(): Promise<void>
  /** Acts like a service that hangs: open connections carry nothing, and new connections get no answer. */
  stall(): Promise<void>
  /** Acts like a service that keeps crashing: open connections are reset, and new connections as soon as they are accepted. */
  reset(): Promise<void>
  /** Acts like a service that is back: new connections reach the target, and stalled connections continue where they stopped. */
  restore(): Promise<void>
}

/**
 * Relays to `target`, and your test switches its behaviour between relaying, refusing, stalling and resetting.
 *
 * It begins by relaying. Its port is reserved, so it stays the same after a refusal; on Linux no other process gets it meanwhile. If the
 * target cannot be reached, the client is reset.
 *
 * @throws ERR_INVALID_ARG_TYPE if `target` is not an endpoint, a server or `{ path }`
 * @throws the codes of `reservePort()` and `listenTcp()`
 * @example
 * ```ts
 * import { listenHttp, switchableEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenHttp((_request, response) => response.end('hello'))
 * await using endpoint = await switchableEndpoint(server, { family: server.family })
 * await endpoint.refuse()
 * const fetching = fetch(Object.assign(server.url, { port: endpoint.port }))
 * await expect(fetching).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
 * ```
 * @see `docs/endpoints.md#switchableendpoint`
 */
export function switchableEndpoint(target: RelayTarget, options: EndpointOptions = {}): Promise<SwitchableEndpoint> {
  return calledBy(switchableEndpoint, () => openSwitchable(target, readEndpointOptions(options, 'switchableEndpoint')))
}

async function openSwitchable(target: RelayTarget, options: EndpointOptions): Promise<SwitchableEndpoint> {
  const gate = new Gate()
  const relay = new Relay(target, async function* (bytes) {
    for await (const data of bytes) {
      await gate.passed()
      yield data
    }
    // The end is held back like the bytes.
    await gate.passed()
  })
  const reservation = await reserveFor('close() on the result of switchableEndpoint()', options)
  const endpoint = new Switchable(reservation, relay, gate)
  try {
    await endpoint.restore()
  } catch (error) {
    await endpoint.close()
    throw error
  }
  const methods = testEndpoint(reservation.endpoints, () => endpoint.close())
  return Object.defineProperty(
    {
      ...methods,
      refuse: () => endpoint.switch('refusing'),
      stall: () => endpoint.switch('stalled'),
      reset: () => endpoint.switch('resetting'),
      restore: () => endpoint.restore(),
    },
    'state',
    { get: () => endpoint.state, enumerable: true },
  ) as unknown as SwitchableEndpoint
}

class Switchable {
  state: SwitchableState = 'refusing'
  readonly #reservation: PortReservation
  readonly #relay: Relay
  readonly #gate: Gate
  #server: TestServer | undefined
  /** Switches happen one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(reservation: PortReservation, relay: Relay, gate: Gate) {
    this.#reservation = reservation
    this.#relay = relay
    this.#gate = gate
  }

  restore(): Promise<void> {
    return this.switch('relaying')
  }

  switch(state: SwitchableState): Promise<void> {
    if (this.#closed) return Promise.reject(closedEndpoint(this.#reservation, state))
    return this.#next(async () => {
      this.state = state
      if (state === 'stalled') this.#gate.shut()
      else this.#gate.open()
      if (state === 'refusing' || state === 'resetting') this.#cutAll()
      if (state === 'refusing') await this.#stopListening()
      else if (this.#server === undefined) await this.#listen()
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#next(async () => {
      await this.#stopListening()
      await this.#relay.close()
      this.#gate.open()
      await this.#reservation.release()
    })
  }

  #next(action: () => Promise<void>): Promise<void> {
    const done = this.#last.then(action)
    this.#last = done.catch(() => {})
    return done
  }

  async #listen(): Promise<void> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#take(socket))
    this.#server = await listenOnAddress(server, { port: this.#reservation }, { opener: 'switchableEndpoint' })
    // Tracks connections from the first on, because a switch may reset them.
    void this.#server.connections
  }

  async #take(socket: net.Socket): Promise<void> {
    await this.#gate.passed()
    if (this.state === 'relaying') this.#relay.join(socket)
    else cut(socket)
  }

  #cutAll(): void {
    for (const socket of this.#server?.connections ?? []) cut(socket)
  }

  async #stopListening(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.close({ grace: 0 })
  }
}

/** Lets callers pass, or holds them back until it is opened. */
class Gate {
  #shut: { promise: Promise<void>; open: () => void } | undefined

  shut(): void {
    if (this.#shut !== undefined) return
    let open = (): void => {}
    const promise = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#shut = { promise, open }
  }

  open(): void {
    this.#shut?.open()
    this.#shut = undefined
  }

  async passed(): Promise<void> {
    // Repeated, because it may have been shut again in the meantime.
    while (this.#shut !== undefined) await this.#shut.promise
  }
}

function closedEndpoint({ endpoints }: PortReservation, state: SwitchableState): Error {
  return portsideError('ERR_PORTSIDE_SERVER_CLOSED', {
    headline: `Cannot switch the endpoint ${endpoints.map(formatEndpoint).join(' and ')} to ${state}`,
    because: 'it is closed, or closing',
    next: 'switch it before the end of the test',
  })
}
