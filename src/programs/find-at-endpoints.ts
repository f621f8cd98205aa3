import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import type { ProgramFamily } from '../platform/program-family.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { type Answer, dialEach, farewells } from './ask.js'
import type { Finder, Found } from './finder.js'
import { type Whose, whoseListener } from './listener.js'

/** Finds a program at known endpoints: at all of them, or at the first on which it listens. */
export class EndpointFinder implements Finder {
  #answers: readonly Answer[] = []
  readonly #strangers = new Map<Endpoint, SocketOwner>()

  constructor(
    private readonly endpoints: readonly Endpoint[],
    private readonly wanted: 'all' | 'first',
    private readonly family: ProgramFamily,
  ) {}

  get needs(): 'all' | 'one' {
    return this.wanted === 'all' ? 'all' : 'one'
  }

  get expected(): string {
    const places = this.endpoints.map(formatEndpoint).join(this.wanted === 'all' ? ' and ' : ' or ')
    return `a listener of the program on ${places}`
  }

  async find(giveUp: AbortSignal): Promise<Found | undefined> {
    // A listener of another program gets one connection only.
    const dialled = this.endpoints.filter(
      (endpoint) => !this.#strangers.has(endpoint) || this.#whose(endpoint).own !== false,
    )
    const answers = await dialEach(
      dialled.map((endpoint) => ({ host: dialAddress(endpoint), port: endpoint.port })),
      giveUp,
    )
    // If the end of the wait cuts an attempt off, the previous answers say more.
    if (this.#answers.length === 0 || (answers.length > 0 && !answers.some(({ cut }) => cut))) this.#answers = answers
    const accepting = dialled.filter((_endpoint, index) => answers[index]?.error === undefined)
    const found = this.#foundAmong(accepting)
    await farewells(answers, found === undefined ? 'to the end' : 'later')
    return found
  }

  #foundAmong(accepting: readonly Endpoint[]): Found | undefined {
    const found = accepting
      .map((endpoint) => ({ endpoint, own: this.#whose(endpoint).own }))
      .filter(({ own }) => own !== false)
    const [first, ...others] = this.wanted === 'all' ? found : found.slice(0, 1)
    if (first === undefined || (this.wanted === 'all' && found.length < this.endpoints.length)) return undefined
    const owned = [first, ...others].every(({ own }) => own === true) ? true : undefined
    return { endpoints: [first.endpoint, ...others.map(({ endpoint }) => endpoint)], owned }
  }

  holds({ endpoints }: Found): boolean {
    return endpoints.every((endpoint) => this.#whose(endpoint).own !== false)
  }

  seen() {
    return { answers: this.#answers, stranger: [...this.#strangers.values()][0] }
  }

  #whose(endpoint: Endpoint): Whose {
    const whose = whoseListener(endpoint, this.family)
    if (whose.own === false && whose.stranger !== undefined) this.#strangers.set(endpoint, whose.stranger)
    else this.#strangers.delete(endpoint)
    return whose
  }
}
