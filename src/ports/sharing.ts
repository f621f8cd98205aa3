import net from 'node:net'
import { codeOf } from '../errors.js'
import { type Family, LOOPBACK } from '../loopback/endpoint.js'
import { listensWhileHeld } from '../platform/port-hold.js'
import { processState } from '../process-state.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { openAnchor } from './anchor.js'

/** Whether a listener can be bound to a port while an anchor holds it. */
export class PortSharing {
  readonly #answers: Answers
  readonly #probe: Probe

  constructor(
    /** Whether the platform is known to do so. This counts until the kernel has answered. */
    readonly expected: boolean,
    answers: Answers,
    probe: Probe,
  ) {
    this.#answers = answers
    this.#probe = probe
  }

  /** The answer without a question to the kernel. */
  known(families: readonly Family[]): boolean {
    return families.every((family) => {
      const answer = this.#answers.get(family)
      return typeof answer === 'boolean' ? answer : this.expected
    })
  }

  /** Asks the kernel, unless it has answered. A failed probe is not remembered, and the platform decides. */
  ask(families: readonly Family[]): boolean | Promise<boolean> {
    if (families.every((family) => typeof this.#answers.get(family) === 'boolean')) return this.known(families)
    return Promise.all(families.map((family) => this.#answer(family))).then(() => this.known(families))
  }

  #answer(family: Family): Answer | Promise<Answer> {
    const known = this.#answers.get(family)
    if (known !== undefined) return known
    const asking = this.#probe(family).then((answer) => {
      if (answer === undefined) this.#answers.delete(family)
      else this.#answers.set(family, answer)
      return answer
    })
    this.#answers.set(family, asking)
    return asking
  }
}

/** Undefined if the kernel could not be asked. */
type Answer = boolean | undefined
type Answers = Map<Family, Answer | Promise<Answer>>
export type Probe = (family: Family) => Promise<Answer>

/** Of this kernel, which answers once for each thread. For another platform, as tests pass it, the platform alone decides. */
export function portSharing(platform?: NodeJS.Platform): PortSharing {
  if (platform !== undefined) return new PortSharing(listensWhileHeld(platform), new Map(), async () => undefined)
  return new PortSharing(
    listensWhileHeld(),
    processState('ports.sharing', (): Answers => new Map()),
    probeSharing,
  )
}

/**
 * Asks the kernel: holds a port that the kernel picks, and listens on it. A listener that fails also when the port is held no
 * longer has failed for another reason.
 */
export const probeSharing: Probe = async (family) => {
  try {
    const anchor = await openAnchor(LOOPBACK[family], 0, undefined)
    try {
      if ((await listensOn(family, anchor.port)) === undefined) return true
    } finally {
      await anchor.release()
    }
    return (await listensOn(family, anchor.port)) === undefined ? false : undefined
  } catch {
    // EMFILE, or no port left.
    return undefined
  }
}

/** Listens for a moment. Resolves to the code if the port is in use, and rejects with any other error. */
function listensOn(family: Family, port: number): Promise<string | undefined> {
  const server = infrastructure(net.createServer((socket) => socket.destroy()))
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = codeOf(error)
      // EACCES: on Windows, if the other socket is exclusive.
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(code)
      else reject(error)
    })
    server.listen({ host: LOOPBACK[family], port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
