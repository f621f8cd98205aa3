import net from 'node:net'
import { codeOf } from '../errors.js'
import { type Endpoint, formatEndpoint, LOOPBACK, toEndpoint } from '../loopback/endpoint.js'
import { dialsOf, type EndpointLike, namedBy, nameOf, printable } from '../loopback/endpoint-like.js'
import { ownersOf } from '../loopback/owners.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { describeErrno } from '../platform/errno.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { AssertionDetails } from './assertion-error.js'
import { namedOf } from './released.js'

/** Why nobody listens there; undefined where somebody does. Of a server its own word, of an endpoint the kernel's. */
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
    next: 'see whether its server is up, and on which address: readSocketTable({ state: "LISTEN" })',
  }
}

/** What a dial of each address came to. */
export interface Answer {
  readonly place: string
  /** Undefined: it accepted. */
  readonly error: unknown
}

/** Dials every address of a server or endpoint once; who accepts is left by a reset. */
export async function dialAll(target: unknown): Promise<Answer[]> {
  const dials = await dialsOf(endpointLikeOf(target))()
  return Promise.all(dials.map(dial))
}

/** Why not every address accepts; undefined where each does. */
export function whyNotAccepting(target: unknown, answers: readonly Answer[]): AssertionDetails | undefined {
  if (answers.length > 0 && answers.every(({ error }) => error === undefined)) return undefined
  return {
    expected: `${nameOf(endpointLikeOf(target))} to accept connections`,
    actual: said(answers),
    next: 'see whether its server is up, and on which address: readSocketTable({ state: "LISTEN" })',
    cause: answers.find(({ error }) => error !== undefined)?.error,
  }
}

/** Why not every address refuses; undefined where each does. */
export function whyNotRefusing(target: unknown, answers: readonly Answer[]): AssertionDetails | undefined {
  if (answers.length > 0 && answers.every(({ error }) => REFUSALS.has(codeOf(error)))) return undefined
  const owners = namedBy(endpointLikeOf(target)).flatMap((place) =>
    tryTo(() => ('path' in place ? ownersOf(place.path) : ownersOf(hostless(place), 'tcp')), []),
  )
  return {
    expected: `${nameOf(endpointLikeOf(target))} to refuse connections`,
    actual: said(answers),
    owners,
    next: 'close what listens there, and await that: close() of portside resolves when the port refuses',
  }
}

/** Of a unix socket also that there is no file. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT'])

/** How long a listener gets to answer, in milliseconds: one whose accept queue is full does not. */
const PATIENCE = 1000

function dial(to: net.NetConnectOpts): Promise<Answer> {
  const place = 'path' in to ? printable(to.path) : formatEndpoint({ address: to.host as string, port: to.port })
  return new Promise((resolve) => {
    const socket = net.connect(to)
    const settle = (error?: unknown): void => {
      clearTimeout(timer)
      socket.once('close', () => resolve({ place, error }))
      if (error === undefined && !('path' in to)) socket.resetAndDestroy()
      else socket.destroy()
    }
    const timer = setTimeout(() => settle(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE)
    socket.once('connect', () => settle())
    socket.once('error', (error) => {
      clearTimeout(timer)
      resolve({ place, error })
    })
  })
}

function said(answers: readonly Answer[]): string {
  if (answers.length === 0) return 'a name that resolves to nothing'
  return answers
    .map(({ place, error }) => {
      if (error === undefined) return `${place} accepted`
      const code = codeOf(error)
      return `${place}: ${code === undefined ? (error as Error).message : `${code} (${describeErrno(code) ?? 'no connection'})`}`
    })
    .join('; ')
}

function serverOf(target: unknown): object | undefined {
  if (typeof target !== 'object' || target === null) return undefined
  if ('server' in target && typeof target.server === 'object' && target.server !== null) return target.server
  return 'listen' in target || ('bind' in target && 'send' in target) ? target : undefined
}

function isListening(server: object): boolean {
  if ('listening' in server) return server.listening === true
  try {
    // Of a datagram socket that is bound.
    return (server as { address(): { port: number } }).address().port > 0
  } catch {
    return false
  }
}

function hasListener(place: Endpoint | string): boolean {
  const owners = ownersOf(place)
  return owners.some(({ state }) => state === 'LISTEN' || state === 'UNCONN')
}

/** Within the call, so a name can be `localhost` only: any other one is taken for this host. */
function placesOf(target: EndpointLike): Array<Endpoint | string> {
  return namedBy(target).flatMap((place): Array<Endpoint | string> => {
    if ('path' in place) return [place.path]
    if (net.isIP(place.host) !== 0) return [toEndpoint(place.host, place.port)]
    const both = loopbackFamilies().map((family) => toEndpoint(LOOPBACK[family], place.port))
    // A listener on either is one on the name.
    return both
      .filter(hasListener)
      .slice(0, 1)
      .concat(both.some(hasListener) ? [] : both)
  })
}

function hostless({ host, port }: { host: string; port: number }): { address?: string; port: number } {
  return net.isIP(host) === 0 ? { port } : { address: host, port }
}

function endpointLikeOf(target: unknown): EndpointLike {
  const { server, endpoint } = (target ?? {}) as { server?: unknown; endpoint?: unknown }
  // A server of portside is an endpoint itself, also after its close.
  return (endpoint !== undefined && server !== undefined ? target : namedOf(target)) as EndpointLike
}

function tryTo<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    return otherwise
  }
}
