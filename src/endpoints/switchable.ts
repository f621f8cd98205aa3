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

export type SwitchableState = 'relaying' | 'refusing' | 'stalled' | 'resetting'

/** An endpoint that changes what it does while a test runs. Each switch resolves when it is in effect. */
export interface SwitchableEndpoint extends TestEndpoint {
  readonly state: SwitchableState
  /** The service has gone: its connections are reset, and new ones get ECONNREFUSED. */
  refuse(): Promise<void>
  /** The service hangs: its connections stay open and carry nothing, and new ones connect and get no answer. */
  stall(): Promise<void>
  /** The service crashes again and again: its connections are reset, and new ones as soon as they are accepted. */
  reset(): Promise<void>
  /** The service is back: new connections reach the target, and stalled ones go on where they stopped. */
  restore(): Promise<void>
}

/**
 * A relay to `target` whose behaviour a test switches: that a start succeeded says nothing about later. It begins by
 * relaying. Its port is reserved, so that it is the same after a refusal; on Linux nobody else has it meanwhile. Rejects as
 * `reservePort()` and `listenTcp()`.
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
    // The end is held back like the bytes before it.
    await gate.passed()
  })
  const reservation = await reserveFor('close() of what switchableEndpoint() gave', options)
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
  /** Switches are carried out one after the other. */
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
    // From the first connection on: whoever is to be cut must be known.
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

/** Lets through, or holds back until it is opened. */
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
    // Again each time: it may have been shut anew before we got here.
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
