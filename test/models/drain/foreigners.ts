import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Target } from './clients/connection.js'
import type { Cast } from './clients/play.js'
import type { Seen } from './seen.js'

/** Another process with clients. */
export class Foreigners implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #gone: Promise<never>
  readonly #asked = new Map<number, (seen: Seen) => void>()

  constructor() {
    const path = fileURLToPath(new URL('foreign-clients.ts', import.meta.url))
    this.#child = fork(path, { execArgv: ['--import', 'tsx'], serialization: 'advanced' })
    this.#gone = once(this.#child, 'exit').then(() =>
      Promise.reject(new Error('the process with the clients has exited')),
    )
    this.#gone.catch(() => {})
    this.#child.on('message', ({ schedule, seen }: { schedule: number; seen: Seen }) =>
      this.#asked.get(schedule)?.(seen),
    )
  }

  play(schedule: number, target: Target, cast: Cast): void {
    this.#child.send({ schedule, target, cast })
  }

  async finish(schedule: number): Promise<Seen> {
    const seen = new Promise<Seen>((resolve) => void this.#asked.set(schedule, resolve))
    this.#child.send({ schedule, finish: true })
    return Promise.race([seen, this.#gone]).finally(() => this.#asked.delete(schedule))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}
