import { type Endpoint, type Family, familyOf, LOOPBACK, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { loopbackFamilies } from '../loopback/probe.js'
import type { ProgramFamily } from '../platform/program-family.js'
import type { SocketEntry } from '../socket-table/socket-entry.js'
import { socketsOf } from '../socket-table/sockets-of.js'
import { type Answer, dialEach, farewells } from './ask.js'
import type { Finder, Found } from './finder.js'
import { whoseListener } from './listener.js'

/**
 * Selects one of several listeners of a program.
 * @experimental
 */
export interface Match {
  /** The family that reaches it. */
  family?: Family
  /** Its port, or a list of ports in the order of preference. */
  port?: number | readonly number[]
  /**
   * The index of the listener among those that fit, from 0, in the order in which the program opened them.
   * @default 0
   */
  order?: number
}

/** Finds a program at the ports on which it listens. */
export class AnywhereFinder implements Finder {
  #looks = 0
  /** Processes that have left their parents. */
  #strays: readonly number[] = []
  #before = ''

  constructor(
    private readonly family: ProgramFamily,
    private readonly match: Match = {},
  ) {}

  readonly needs = 'one'

  get expected(): string {
    const { family, port, order } = this.match
    return [
      'a listener of the program',
      ...(port === undefined ? [] : [`on port ${[port].flat().join(' or ')}`]),
      ...(family === undefined ? [] : [`by ${family}`]),
      ...(order === undefined ? [] : [`that is number ${order}, counted from 0`]),
    ].join(' ')
  }

  async find(giveUp: AbortSignal): Promise<Found | undefined> {
    const listeners = this.#look()
    const now = listeners.map(({ local, inode }) => `${JSON.stringify(local)} ${inode}`).join()
    const settled = now === this.#before
    this.#before = now
    // A program may open several ports one after the other.
    if (listeners.length === 0 || !settled) return undefined
    const found: Endpoint[] = []
    const answers: Answer[] = []
    for (const { local } of listeners) {
      const endpoint = await this.#reached(local as Endpoint, giveUp, answers)
      if (endpoint !== undefined) found.push(endpoint)
    }
    const chosen = this.#chosenOf(found)
    await farewells(answers, chosen === undefined ? 'to the end' : 'later')
    if (chosen === undefined) return undefined
    return { endpoints: [chosen, ...found.filter((one) => one !== chosen)], owned: true }
  }

  holds({ endpoints: [endpoint] }: Found): boolean {
    return whoseListener(endpoint, this.family).own !== false
  }

  seen() {
    return { answers: [], stranger: undefined }
  }

  /** Looks for processes that have left their parents only now and then, because that reads every process of the host. */
  #look(): readonly SocketEntry[] {
    const tree = this.family.tree()
    if (this.#looks++ % 16 === 8) {
      const members = this.family.members().map(({ pid }) => pid)
      this.#strays = members.filter((pid) => !tree.includes(pid))
    }
    return socketsOf([...tree, ...this.#strays], { protocol: 'tcp', state: 'LISTEN' }).sockets
  }

  /** Where a client reaches a listener. `::` also accepts IPv4 unless the program sets IPV6_V6ONLY (ipv6(7)). */
  async #reached({ address, port }: Endpoint, giveUp: AbortSignal, answers: Answer[]): Promise<Endpoint | undefined> {
    const wanted = this.match.family
    const families = [...loopbackFamilies()].sort((one, other) => Number(other === wanted) - Number(one === wanted))
    const addresses =
      address === WILDCARD.IPv6
        ? families.map((family) => LOOPBACK[family])
        : [address === WILDCARD.IPv4 ? LOOPBACK.IPv4 : address].filter((one) => families.includes(familyOf(one)))
    for (const dialled of addresses) {
      const endpoint = toEndpoint(dialled, port)
      const [answer] = (await dialEach([{ host: dialled, port }], giveUp)) as [Answer]
      answers.push(answer)
      if (answer.error === undefined && whoseListener(endpoint, this.family).own !== false) return endpoint
    }
    return undefined
  }

  #chosenOf(found: readonly Endpoint[]): Endpoint | undefined {
    const { family, port, order = 0 } = this.match
    const fits = found.filter((endpoint) => family === undefined || endpoint.family === family)
    if (port === undefined) return fits[order]
    return [port].flat().flatMap((one) => fits.filter((endpoint) => endpoint.port === one))[order]
  }
}
