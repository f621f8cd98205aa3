import type { ChildProcess } from 'node:child_process'
import type { Endpoint, Family } from '../loopback/endpoint.js'
import { closedBy } from '../sockets/infrastructure.js'
import type { Child, ChildExit } from './child.js'
import type { EndedProcess } from './end-family.js'
import type { Found } from './finder.js'
import type { ListeningChild } from './listening-child.js'

/** A program that is ready. */
export class ListeningProgram implements ListeningChild {
  readonly endpoint: Endpoint
  readonly endpoints: readonly Endpoint[]
  readonly address: string
  readonly port: number
  readonly family: Family
  readonly owned: true | undefined
  readonly exited: Promise<ChildExit>
  readonly #child: Child

  constructor(child: Child, { endpoints, owned }: Found) {
    this.#child = child
    closedBy(child.process, 'stop() on the result of spawnListening()')
    this.endpoints = endpoints
    this.endpoint = endpoints[0]
    this.address = this.endpoint.address
    this.port = this.endpoint.port
    this.family = this.endpoint.family
    this.owned = owned
    this.exited = child.exited
  }

  get child(): ChildProcess {
    return this.#child.process
  }
  get stderr(): string {
    return this.#child.stderr
  }
  get stdout(): string {
    return this.#child.stdout
  }
  get ended(): readonly EndedProcess[] {
    return this.#child.ended
  }

  stop(signal?: NodeJS.Signals): Promise<ChildExit> {
    return this.#child.stop(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { endedByItself } = this.#child
    const exit = await this.stop()
    if (endedByItself && exit.code !== 0) {
      throw this.#child.failure(exit, { listened: true })
    }
  }
}
