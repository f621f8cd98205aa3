import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { bounded, MOST_ITEMS } from '../message.js'
import { describeErrno } from '../platform/errno.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { circumstancesOf } from './circumstances-of.js'
import { classify } from './classify.js'
import { CODELESS, TIMEOUT } from './code-meaning.js'
import { meaningOf } from './codes.js'
import { describeCodeless, describeFailure, list } from './describe.js'
import type { FailureKind } from './failure-kind.js'
import { Fields, isErrorLike } from './fields.js'
import { circumstancesOfPath } from './path-circumstances.js'
import { isErrno } from './raised-by.js'
import { failuresIn, type SocketFailure } from './socket-failure.js'

/**
 * The meaning of a socket error.
 * @see `docs/errors.md#explainsocketerror`
 */
export interface SocketExplanation {
  /** The kind of failure, independent of its code: `conflict`, `exhaustion`, `refused`. */
  readonly kind: FailureKind
  /** The explained code; `'TIMEOUT'` if a client gave up waiting and has no code for it; undefined if the error has no code. */
  readonly code: string | undefined
  /** One sentence: what failed, where, and what the kernel, Node or the client decided. */
  readonly summary: string
  /** Why. It begins with 'one of:' if portside cannot tell which, the likeliest first. */
  readonly cause: string
  /** The facts behind the answer: fields of the error, the kernel's table, the state of this host. */
  readonly evidence: string[]
  /** The origin of the error: `kernel`, `node`, the name of a package, or `unknown`. */
  readonly raisedBy: 'kernel' | 'node' | (string & {})
  /** Where; for a unix socket the path. Undefined if the error does not say. */
  readonly endpoint?: Endpoint | string | undefined
  /** The sockets that hold the address now. */
  readonly owners: SocketOwner[]
  /** Advice, the likeliest first. */
  readonly hints: string[]
}

/**
 * Explains an error of a socket: what failed and why, which sockets hold the address now, and what to do.
 *
 * It takes any value, and looks inside `cause` and `errors`. If several addresses were tried, it explains the first, and the
 * summary names all. It states a cause as a fact only if `evidence` supports it. It reads the kernel's table of sockets at most
 * once, and shows the state at the time of the call. It never rejects: if the value is not an error, it says so.
 *
 * @example
 * ```ts
 * import { explainSocketError, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const error = await listenTcp(undefined, { port: server.port }).catch((error: unknown) => error)
 * const explanation = await explainSocketError(error)
 * expect(explanation).toMatchObject({ kind: 'conflict', code: 'EADDRINUSE' })
 * ```
 * @see `docs/errors.md#explainsocketerror`
 */
export async function explainSocketError(error: unknown): Promise<SocketExplanation> {
  const [failure, ...others] = failuresIn(error)
  if (failure === undefined) return shortened(unknown(error))
  const explanation = explainFailure(failure)
  if (others.length === 0) return shortened(explanation)
  const rest = list(others.map(describeFailure))
  return shortened({ ...explanation, summary: `${bounded(explanation.summary)}; the other addresses: ${rest}` })
}

/** An error may have a message of any length. */
function shortened(explanation: SocketExplanation): SocketExplanation {
  const { summary, cause, evidence, hints } = explanation
  const first = (texts: readonly string[]): string[] => texts.slice(0, MOST_ITEMS).map((text) => bounded(text))
  return {
    ...explanation,
    summary: bounded(summary),
    cause: bounded(cause),
    evidence: first(evidence),
    hints: first(hints),
  }
}

/** The same for one failure, synchronously. */
export function explainFailure(failure: SocketFailure): SocketExplanation {
  const { code, error, path } = failure
  const known = classify(failure)
  // A client that gives up may use the kernel's code, but not with its meaning.
  const meaning = meaningOf(known.kind === 'given-up-by-library' && isErrno(code) ? TIMEOUT : code)
  // An error of portside has its own cause.
  const fields = new Fields(error as object)
  const because = fields.text('because')
  const usual = {
    cause: meaning?.cause ?? because ?? 'not known to portside',
    owners: [],
    hints: [...(meaning?.hints ?? [fields.text('next') ?? 'see the message'])],
  }
  const { evidence = [], ...found } =
    path === undefined || known.kind === 'not-network'
      ? circumstancesOf(failure, known, usual)
      : circumstancesOfPath(path, failure, known, usual)
  return {
    kind: known.kind,
    code: code === CODELESS ? undefined : code,
    summary: summaryOf(failure, known, meaning?.decided ?? because ?? failure.message),
    ...found,
    evidence: [...known.evidence, ...evidence],
    raisedBy: known.raisedBy,
    endpoint: endpointOf(failure),
  }
}

const DECIDED: Readonly<Partial<Record<FailureKind, string>>> = {
  exhaustion: 'the kernel found no ephemeral port that is free',
  'blocked-port': 'fetch did not connect to the port',
  'given-up-by-node': 'Node gave up waiting for an answer',
  'missing-zone': 'the kernel cannot tell which interface the address belongs to',
  'path-too-long': 'the path is too long for a socket',
  multicast: 'the kernel found no interface for the multicast group',
}

function summaryOf(failure: SocketFailure, { kind, raisedBy }: ReturnType<typeof classify>, usual: string): string {
  const sentence = describeErrno(failure.code)
  const decided =
    kind === 'not-network'
      ? `${NAMED[raisedBy] ?? raisedBy} raised it with the message ${JSON.stringify(failure.message.slice(0, 120))}`
      : (DECIDED[kind] ?? usual)
  return `${describeFailure(failure)}${sentence ? ` (${sentence})` : ''}: ${decided}`
}

const NAMED: Readonly<Record<string, string>> = { unknown: 'something other than the kernel', kernel: 'the kernel' }

function unknown(error: unknown): SocketExplanation {
  return {
    kind: 'not-network',
    code: undefined,
    summary: describeCodeless(error),
    cause: isErrorLike(error)
      ? 'it is not a socket error, or the code that wrapped it dropped the cause'
      : 'the thrown value is not an error',
    evidence: [],
    raisedBy: 'unknown',
    owners: [],
    hints: ['pass the error that the socket raised: look for it where it is caught first'],
  }
}

function endpointOf({ address, port, path }: SocketFailure): Endpoint | string | undefined {
  if (path !== undefined) return path
  return address === undefined ? undefined : toEndpoint(address, port ?? 0)
}
