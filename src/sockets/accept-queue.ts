import type net from 'node:net'
import { takeNoMore } from '../platform/backlog.js'
import { turn } from '../timers.js'
import { registry } from './registry.js'

/** Twice the longest accept queue that Linux allows by default (listen(2), somaxconn): more than that is a flood. */
const QUEUE_LIMIT = 8192

/** https://nodejs.org/api/net.html#serverlisten */
const DEFAULT_BACKLOG = 511

/** After this many turns with a new client in each, clients seem to come faster than they are accepted. */
const CROWDED = 64

/** Turns that wait for clients of this process that are connecting, perhaps to another server. */
const DIALLING_LIMIT = 64

/** The connections of a server that the kernel has made and Node has not accepted. */
export class AcceptQueue {
  /** The longest that the queue can be. */
  backlog = DEFAULT_BACKLOG
  /** The deadline of each drain that waits. */
  readonly #expired: Array<() => boolean> = []
  /** Emits the connections accepted after a deadline, once the server has stopped listening. */
  #held: Array<() => void> | undefined
  /** Called with the socket that is accepted when the queue has become empty. */
  #onAccept: (() => void) | undefined

  waitUntil(expired: () => boolean): void {
    this.#expired.push(expired)
  }

  /**
   * Accepts until no connection comes, and calls `close` within that tick. The kernel resets connections that are left when the
   * listener closes. Two turns contain one whole poll for I/O, wherever in its loop Node is now. libuv accepts one connection for
   * each listener in a poll.
   */
  async empty(listeners: readonly net.Server[], accepted: () => number, close: () => void): Promise<void> {
    let open = true
    const closeOnce = (): void => {
      this.#onAccept = undefined
      if (open) close()
      open = false
    }
    let lateTurns = 0
    let busyTurns = 0
    for (let turns = 0, quiet = false; open && (turns < 2 || !quiet); turns++) {
      if (this.#expired.some((expired) => expired())) {
        // A client whose connection is served or closed now would reconnect.
        this.#held ??= []
        lateTurns++
      }
      if (turns > QUEUE_LIMIT || lateTurns > this.backlog + 2) break
      const before = accepted()
      const { dials } = registry()
      await turn()
      if (accepted() > before && ++busyTurns === CROWDED) this.#narrow(listeners, accepted, closeOnce)
      quiet = accepted() === before && (registry().dials === dials || turns > DIALLING_LIMIT)
    }
    closeOnce()
  }

  /**
   * Clients that keep reconnecting keep the queue from becoming empty. With a backlog of 0 it holds one connection at a time. Once
   * the older connections are accepted, it is empty within the call that accepts the next.
   */
  #narrow(listeners: readonly net.Server[], accepted: () => number, close: () => void): void {
    for (const listener of listeners) takeNoMore(listener)
    const last = accepted() + (this.backlog + 2) * listeners.length
    this.#onAccept = () => {
      if (accepted() >= last) close()
    }
  }

  /** True if the server gets the socket only at `release()`, because a deadline has passed. */
  hold(socket: net.Socket, emit: (socket: net.Socket) => void): boolean {
    this.#onAccept?.()
    // The client may reset it in the meantime. No handler can use a destroyed socket.
    this.#held?.push(() => {
      if (!socket.destroyed) emit(socket)
    })
    return this.#held !== undefined
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const emit of held) emit()
  }
}
