import type net from 'node:net'
import { takeNoMore } from '../platform/backlog.js'
import { turn } from '../timers.js'
import { registry } from './registry.js'

/** Twice the longest accept queue that Linux allows by default (listen(2), somaxconn): more than that is a flood. */
const QUEUE_LIMIT = 8192

/** https://nodejs.org/api/net.html#serverlisten */
const DEFAULT_BACKLOG = 511

/** Turns with a client in each after which clients seem to come faster than they are accepted. */
const CROWDED = 64

/** Turns for clients of this process that dial, each time maybe another server. */
const DIALLING_LIMIT = 64

/** The connections that the kernel has made and Node has not accepted, of a server that stops listening. */
export class AcceptQueue {
  /** Its longest length. */
  backlog = DEFAULT_BACKLOG
  /** Of each drain that waits. */
  readonly #expired: Array<() => boolean> = []
  /** Emits what is accepted after a deadline, once the server has stopped listening. */
  #held: Array<() => void> | undefined
  /** Called with the socket that is accepted when the queue has become empty. */
  #onAccept: (() => void) | undefined

  waitUntil(expired: () => boolean): void {
    this.#expired.push(expired)
  }

  /**
   * Accepts until nothing comes, and calls `close` within the tick that shows it. A connection that is left would be reset
   * when the listener goes. Two turns hold one whole poll for I/O wherever in its loop Node is now. libuv accepts one
   * connection for each listener in a poll.
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
        // A client whose connection is served, or ended, now would dial again.
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
   * Clients that dial again and again keep a queue from being empty. When all that it held is accepted, it takes one at a
   * time, and is empty within the call that accepts this one.
   */
  #narrow(listeners: readonly net.Server[], accepted: () => number, close: () => void): void {
    for (const listener of listeners) takeNoMore(listener)
    const last = accepted() + (this.backlog + 2) * listeners.length
    this.#onAccept = () => {
      if (accepted() >= last) close()
    }
  }

  /** Whether the server is to hear of the socket later: after a deadline, at `release()`. */
  hold(socket: net.Socket, emit: (socket: net.Socket) => void): boolean {
    this.#onAccept?.()
    // A client may have reset it by then. No handler can do anything with a destroyed socket.
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
