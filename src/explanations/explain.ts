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

/** What an error of a socket means. */
export interface SocketExplanation {
  /** What the failure is, whichever code says it: `conflict`, `exhaustion`, `refused`. */
  readonly kind: FailureKind
  /** The code that is explained; undefined if the error has none. */
  readonly code: string | undefined
  /** One sentence: what failed, where, and what the kernel or Node decided. */
  readonly summary: string
  /** Why. 'one of: ...' if nothing that could be looked at tells, the likeliest first. */
  readonly cause: string
  /** What was looked at: the fields of the error, the kernel's table, the state of this host. */
  readonly evidence: string[]
  /** `kernel`, `node`, the name of a package, or `unknown`. */
  readonly raisedBy: 'kernel' | 'node' | (string & {})
  /** Where; of a unix socket the path. Undefined if the error does not say it. */
  readonly endpoint?: Endpoint | string | undefined
  /** The sockets that hold the address now. */
  readonly owners: SocketOwner[]
  /** What to do, the likeliest first. */
  readonly hints: string[]
}

/**
 * Explains an error of a socket: what the kernel or Node decided and why, what holds the address now, and what to do. Takes
 * whatever was thrown; errors inside `cause` and `errors` are found. Of several addresses that were tried the first is
 * explained, and the summary names all. A cause is given as a fact only if something was looked at that says so, which
 * `evidence` lists. Reads the kernel's table of sockets once at the most. Never rejects: if the value is not an error, it says so.
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

/** The same within the call, of one failure. */
export function explainFailure(failure: SocketFailure): SocketExplanation {
  const { code, error, path } = failure
  const known = classify(failure)
  // A client that gives up may borrow the code of the kernel, and not what that means.
  const meaning = meaningOf(known.kind === 'given-up-by-library' && isErrno(code) ? TIMEOUT : code)
  // What portside itself refuses says why.
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
  'blocked-port': 'fetch did not dial the port',
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
