import type { Client } from '../schedule.js'
import type { Seen } from '../seen.js'
import type { Playing, Target } from './connection.js'
import { playPooled } from './pooled.js'
import { playSteps } from './steps.js'

/** Clients by their numbers in the schedule. */
export type Cast = readonly (readonly [number: number, client: Client])[]

/** Longest that a client's connection may stay open when its server has closed it, in milliseconds. */
const CLOSING = 5000

/** Plays the clients of a schedule that are in this process. */
export class Clients {
  readonly seen: Seen = { connections: [], requests: [] }
  readonly #playing: Playing[] = []
  readonly #waiting: NodeJS.Timeout[] = []

  constructor(target: Target, cast: Cast) {
    for (const [number, client] of cast) {
      this.#waiting.push(setTimeout(() => this.#playing.push(play(target, this.seen, number, client)), client.at))
    }
  }

  /** Waits until every connection is closed, at most for `CLOSING`. */
  async finish(): Promise<Seen> {
    for (const timer of this.#waiting) clearTimeout(timer)
    for (const each of this.#playing) each.finish()
    const begun = performance.now()
    while (this.seen.connections.some(({ closed }) => !closed) && performance.now() - begun < CLOSING) {
      await new Promise((resolve) => void setTimeout(resolve, 2))
    }
    const seen = structuredClone(this.seen)
    for (const each of this.#playing) each.discard()
    return seen
  }
}

function play(target: Target, seen: Seen, number: number, client: Client): Playing {
  return client.kind === 'steps'
    ? playSteps(target, seen, number, client.steps, client.allowHalfOpen)
    : playPooled(target, seen, number, client)
}
