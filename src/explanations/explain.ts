import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { describeErrno } from '../platform/errno.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { circumstancesOf } from './circumstances.js'
import { meaningOf } from './codes.js'
import { describeCodeless, describeFailure, list } from './describe.js'
import { Fields, isErrorLike } from './fields.js'
import { isExhaustion } from './meaning.js'
import { circumstancesOfPath } from './path-circumstances.js'
import { CODELESS, failuresIn, type SocketFailure } from './socket-failure.js'

/** What an error of a socket means. */
export interface SocketExplanation {
  /** The code that is explained; undefined where the error has none. */
  readonly code: string | undefined
  /** One sentence: what failed, where, and what the kernel or Node decided. */
  readonly summary: string
  /** Why, as far as it can be found out now. */
  readonly cause: string
  /** Where; of a unix socket the path. Undefined where the error does not say it. */
  readonly endpoint?: Endpoint | string | undefined
  /** Who holds the address now. */
  readonly owners: SocketOwner[]
  /** What to do, the likeliest first. */
  readonly hints: string[]
}

/**
 * Explains an error of a socket: what the kernel or Node decided and why, who holds the address now, and what to do. Takes
 * whatever was thrown; errors inside `cause` and `errors` are found. Of several addresses that were tried the first is
 * explained, and the summary names all. Never rejects: of what is no error it says so.
 */
export async function explainSocketError(error: unknown): Promise<SocketExplanation> {
  const [failure, ...others] = failuresIn(error)
  if (failure === undefined) return unknown(error)
  const explanation = explainFailure(failure)
  if (others.length === 0) return explanation
  const rest = list(others.map(describeFailure))
  return { ...explanation, summary: `${explanation.summary}; the other addresses: ${rest}` }
}

/** The same within the call, of one failure. */
export function explainFailure(failure: SocketFailure): SocketExplanation {
  const { code, error } = failure
  const meaning = meaningOf(code)
  const sentence = describeErrno(code)
  // What portside itself refuses says why.
  const fields = new Fields(error as object)
  const because = fields.text('because')
  const usual = {
    cause: meaning?.cause ?? because ?? 'not known to portside',
    owners: [],
    hints: [...(meaning?.hints ?? [fields.text('next') ?? 'see the message'])],
  }
  const { path } = failure
  return {
    code: code === CODELESS ? undefined : code,
    summary: `${describeFailure(failure)}${sentence ? ` (${sentence})` : ''}: ${isExhaustion(failure) ? EXHAUSTED : (meaning?.decided ?? because ?? failure.message)}`,
    endpoint: endpointOf(failure),
    ...(path === undefined ? circumstancesOf(failure, usual) : circumstancesOfPath(path, failure, usual)),
  }
}

const EXHAUSTED = 'the kernel found no ephemeral port that is free'

function unknown(error: unknown): SocketExplanation {
  return {
    code: undefined,
    summary: describeCodeless(error),
    cause: isErrorLike(error)
      ? 'it is not an error of a socket, or who wrapped it has left the cause out'
      : 'something else than an error was thrown',
    owners: [],
    hints: ['pass the error that the socket raised: look for it where it is caught first'],
  }
}

function endpointOf({ address, port, path }: SocketFailure): Endpoint | string | undefined {
  if (path !== undefined) return path
  return address === undefined ? undefined : toEndpoint(address, port ?? 0)
}
