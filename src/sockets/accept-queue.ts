import type net from 'node:net'
import { turn } from '../timers.js'

/** Longest accept queue that Linux allows by default (listen(2), somaxconn): more than that is a flood. */
const QUEUE_LIMIT = 4096

/** Node's default backlog, and two turns: at the deadline the queue may be full. */
const LATE_LIMIT = 513

/** The connections that the kernel has made and Node has not accepted, of a server that stops listening. */
export class AcceptQueue {
  /** Of each drain that waits. */
  readonly #expired: Array<() => boolean> = []
  /** Emits what is accepted after a deadline, once the server has stopped listening. */
  #held: Array<() => void> | undefined

  waitUntil(expired: () => boolean): void {
    this.#expired.push(expired)
  }

  /**
   * Accepts until nothing comes. A connection that is left would be reset when the listener goes. Two turns hold one
   * whole poll for I/O wherever in its loop Node is now. libuv accepts one connection for each listener in a poll.
   */
  async empty(accepted: () => number): Promise<void> {
    let lateTurns = 0
    for (let turns = 0, before = -1; turns < 2 || before !== accepted(); turns++) {
      if (this.#expired.some((expired) => expired())) {
        // A client whose connection is served, or ended, now would dial again.
        this.#held ??= []
        lateTurns++
      }
      if (turns > QUEUE_LIMIT || lateTurns > LATE_LIMIT) return
      before = accepted()
      await turn()
    }
  }

  /** After a deadline, keeps the socket until `release()`. */
  hold(socket: net.Socket, emit: (socket: net.Socket) => void): boolean {
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
