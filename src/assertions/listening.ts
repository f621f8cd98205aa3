import net from 'node:net'
import { readArgument } from '../argument.js'
import { codeOf, invalidArgument } from '../errors.js'
import { type Endpoint, LOOPBACK, toEndpoint } from '../loopback/endpoint.js'
import { dialsOf, type EndpointLike, namedBy, nameOf, printable } from '../loopback/endpoint-like.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { describeErrno } from '../platform/errno.js'
import { canListen, isDatagram } from '../platform/node-objects.js'
import { type Answer, ask } from '../programs/ask.js'
import { listenersReachedAt, ownersOf, type SocketOwner } from '../socket-table/owners.js'
import type { AssertionDetails } from './assertion-error.js'
import { namedOf } from './released.js'

/** Why nothing listens there; undefined if something does. It asks a server itself, and the kernel about an endpoint. */
export function whyNotListening(target: unknown): AssertionDetails | undefined {
  const server = serverOf(target)
  if (server !== undefined) {
    if (isListening(server)) return undefined
    return {
      expected: 'a server that listens',
      actual: 'one that does not',
      next: "await 'listening', or the listen*() functions, which resolve once bound; after close() it does not listen",
    }
  }
  const missing = placesOf(target as EndpointLike).filter((place) => !hasListener(place))
  if (missing.length === 0) return undefined
  return {
    expected: `a listener on ${nameOf(target as EndpointLike)}`,
    actual: `none on ${missing.map(printable).join(' and ')}`,
    endpoint: missing[0],
    next: "see whether its server is up, and on which address: readSocketTable({ state: 'LISTEN' })",
  }
}

/** The answers of all places, and of all addresses of each: a name may have several. */
export type Answers = ReadonlyArray<readonly Answer[]>

/** Connects to every address of a server or endpoint once, as `waitForListening()` does. */
export async function dialAll(target: unknown): Promise<Answers> {
  if (isDatagram(serverOf(target))) {
    throw invalidArgument(
      'ERR_INVALID_ARG_TYPE',
      'server',
      'a server that accepts connections, which a UDP server does not',
      target,
    )
  }
  const places = namedBy(endpointLikeOf(target))
  return Promise.all(places.map(async (place) => ask(await dialsOf(place)(), new AbortController().signal)))
}

const accepts = ({ error }: Answer): boolean => error === undefined
const refuses = ({ error }: Answer): boolean => REFUSALS.has(codeOf(error))

/** Why not every place accepts; undefined if each does. A name accepts if one of its addresses does. */
export function whyNotAccepting(target: unknown, answers: Answers): AssertionDetails | undefined {
  if (answers.every((ofPlace) => ofPlace.some(accepts))) return undefined
  return {
    expected: `${nameOf(endpointLikeOf(target))} to accept connections`,
    actual: said(answers),
    next: "see whether its server is up, and on which address: readSocketTable({ state: 'LISTEN' })",
    cause: answers.flat().find((answer) => !accepts(answer))?.error,
  }
}

/** Why not every address refuses; undefined if each does. */
export function whyNotRefusing(target: unknown, answers: Answers): AssertionDetails | undefined {
  if (answers.every((ofPlace) => ofPlace.length > 0 && ofPlace.every(refuses))) return undefined
  return {
    expected: `${nameOf(endpointLikeOf(target))} to refuse connections`,
    actual: said(answers),
    // A getter: the lookup is needed only when the message is printed.
    get owners() {
      return listenersAt(target)
    },
    next: 'close the listener and await that; close() of portside resolves when the port refuses',
  }
}

/** The details of a failed expectation with `.not`. */
export const unwantedListener = (target: unknown): AssertionDetails => ({
  expected: 'no listener there',
  actual: 'a listener',
  owners: serverOf(target) === undefined ? listenersAt(target) : [],
})
export const unwantedAccepting = (target: unknown, answers: Answers): AssertionDetails => ({
  expected: `${nameOf(endpointLikeOf(target))} not to accept connections`,
  actual: said(answers),
  owners: listenersAt(target),
})
export const unwantedRefusing = (target: unknown, answers: Answers): AssertionDetails => ({
  expected: `${nameOf(endpointLikeOf(target))} not to refuse connections`,
  actual: said(answers),
})

/** ENOENT: a unix socket without a file. A client that connected to itself found no listener. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT', 'ERR_PORTSIDE_SELF_CONNECT'])

function said(answers: Answers): string {
  const all = answers.flat()
  if (all.length === 0) return 'a name that resolves to nothing'
  return all
    .map(({ place, error }) => {
      if (error === undefined) return `${printable(place)} accepted`
      const code = codeOf(error)
      const sentence = code === undefined ? undefined : describeErrno(code)
      return `${printable(place)}: ${code === undefined ? (error as Error).message : `${code} (${sentence ?? 'no answer'})`}`
    })
    .join('; ')
}

function serverOf(target: unknown): object | undefined {
  return readArgument('endpoint', 'an endpoint or a server', target, () => ({ server: serverIn(target) })).server
}

function serverIn(target: unknown): object | undefined {
  if (typeof target !== 'object' || target === null) return undefined
  if ('server' in target && typeof target.server === 'object' && target.server !== null) return target.server
  return canListen(target) || isDatagram(target) ? target : undefined
}

function isListening(server: object): boolean {
  if ('listening' in server) return server.listening === true
  try {
    // A datagram socket that is not bound throws.
    return (server as { address(): { port: number } }).address().port > 0
  } catch {
    return false
  }
}

const hasListener = (place: Endpoint | string): boolean => listenersOf(place).length > 0

const listenersOf = (place: Endpoint | string): SocketOwner[] =>
  typeof place === 'string' ? ownersOf(place).filter(({ state }) => state === 'LISTEN') : listenersReachedAt(place)

/** The listeners that the kernel lists. Empty if the system has no table. */
function listenersAt(target: unknown): SocketOwner[] {
  try {
    return placesOf(endpointLikeOf(target)).flatMap(listenersOf)
  } catch {
    // The system has no table of sockets.
    return []
  }
}

/** Synchronous, so `localhost` is the only name that it can resolve. A listener on either of its addresses counts. */
function placesOf(target: EndpointLike): Array<Endpoint | string> {
  return namedBy(target).flatMap((place): Array<Endpoint | string> => {
    if ('path' in place) return [place.path]
    if (net.isIP(place.host) !== 0) return [toEndpoint(place.host, place.port)]
    const all = loopbackFamilies().map((family) => toEndpoint(LOOPBACK[family], place.port))
    const listening = all.filter(hasListener)
    return listening.length > 0 ? listening : all
  })
}

function endpointLikeOf(target: unknown): EndpointLike {
  const { server, endpoint } = readArgument('endpoint', 'an endpoint or a server', target, () => {
    const { server, endpoint } = (target ?? {}) as { server?: unknown; endpoint?: unknown }
    return { server, endpoint }
  })
  // A server of portside is an endpoint, even after its close.
  return (endpoint !== undefined && server !== undefined ? target : namedOf(target)) as EndpointLike
}
