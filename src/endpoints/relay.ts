import net from 'node:net'
import { readArgument } from '../argument.js'
import { dialAddress } from '../loopback/dial-address.js'
import { toEndpoint } from '../loopback/endpoint.js'
import { reset } from '../sockets/pair.js'
import { Pool } from '../sockets/pool.js'
import { registry } from '../sockets/registry.js'

/** The target of a relay: an endpoint, a portside server, the result of Node's `server.address()`, or the path of a unix socket. */
export type RelayTarget = { readonly address: string; readonly port: number } | { readonly path: string }

/** Carries the bytes of one direction from one socket to the other. */
export type Carry = (bytes: AsyncIterable<Buffer>) => AsyncIterable<Buffer>

/**
 * Joins each accepted connection with a connection to the target. The end of one ends the other, and a reset of one resets the
 * other. If the target cannot be reached, the client is reset.
 */
export class Relay {
  readonly #dial: net.NetConnectOpts
  readonly #carry: Carry
  readonly #upstreams = new Pool()

  constructor(target: RelayTarget, carry: Carry) {
    this.#dial = readArgument('target', 'an endpoint, a server, or { path }', target, () => dialOf(target))
    this.#carry = carry
  }

  /** Takes a connection of a server with `allowHalfOpen`. */
  join(client: net.Socket): void {
    const upstream = this.#upstreams.track(net.connect({ ...this.#dial, allowHalfOpen: true }))
    for (const socket of [client, upstream]) socket.setNoDelay(true)
    void this.#carryOver(client, upstream)
    void this.#carryOver(upstream, client)
  }

  async close(): Promise<void> {
    await this.#upstreams.drain({ grace: 0 })
  }

  async #carryOver(from: net.Socket, to: net.Socket): Promise<void> {
    try {
      // By default the iterator destroys the socket at the end of its input, while the other half is in use.
      for await (const piece of this.#carry(from.iterator({ destroyOnReturn: false }))) {
        if (!to.write(piece)) await drained(to)
      }
      to.end()
    } catch {
      // One of them failed or was reset, so both are closed.
      for (const socket of [to, from]) cut(socket)
    }
  }
}

/** Resets a tracked socket. Destroys it if it is not connected. */
export function cut(socket: net.Socket): void {
  const connection = registry().connectionOf.get(socket)
  if (connection !== undefined && !socket.connecting) reset(connection)
  else socket.destroy()
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      socket.off('drain', settle).off('close', settle)
      if (socket.destroyed) reject(new Error('closed while it was written to'))
      else resolve()
    }
    socket.on('drain', settle).on('close', settle)
    if (socket.destroyed) settle()
  })
}

function dialOf(target: RelayTarget): net.NetConnectOpts | undefined {
  // A unix server of portside has both a path and an address with port 0.
  if ('path' in target && typeof target.path === 'string') return { path: target.path }
  const { address, port } = target as { address: unknown; port: unknown }
  if (typeof address !== 'string' || typeof port !== 'number' || port <= 0) return undefined
  return { host: net.isIP(address) === 0 ? address : dialAddress(toEndpoint(address, port)), port }
}
