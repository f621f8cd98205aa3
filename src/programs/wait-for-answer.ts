import { invalidArgument, portsideError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { dialsOf, type EndpointLike, nameOf } from '../loopback/endpoint-like.js'
import { type Answer, ask, describeDialled } from './ask.js'
import { askHttp, expectedAnswer, type Trust } from './ask-http.js'
import { type Condition, describePending, type ReadyAnswer } from './condition.js'
import { conditionsOf } from './conditions.js'
import { type Endpoints, endpointsOf } from './endpoints.js'
import type { Finder, Found } from './finder.js'
import { checkReadyOfOthers, type HttpReady } from './ready.js'
import { type Unready, untilReady } from './until-ready.js'
import type { ListeningWaitOptions, WaitOptions } from './wait-options.js'

/** Waits until the target listens and the conditions of `ready` are true. A URL with a path must also answer. */
export async function waitForAnswer(target: EndpointLike, options: ListeningWaitOptions): Promise<Endpoints> {
  if (typeof target === 'object' && 'path' in target && target.path !== undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ready', 'no conditions for a unix socket', options.ready)
  }
  const conditions = conditionsOf(checkReadyOfOthers(options.ready), { trust: 'any' })
  if (typeof target === 'object' && 'href' in target) conditions.push(urlCondition(target, {}, 'any'))
  return wait(target, conditions, options, 'ERR_PORTSIDE_WAIT_TIMEOUT')
}

/** Waits until a URL answers. Resolves to the answer. */
export async function waitForUrl(
  url: URL,
  wanted: Pick<HttpReady, 'status' | 'body'>,
  trust: Trust,
  options: WaitOptions,
): Promise<ReadyAnswer> {
  let met: ReadyAnswer = {}
  const condition = urlCondition(url, wanted, trust, (answer) => {
    met = answer
  })
  await wait(url, [condition], options, 'ERR_PORTSIDE_NOT_READY')
  return met
}

async function wait(
  target: EndpointLike,
  conditions: readonly Condition[],
  { timeout = 10_000, interval = 20, signal }: WaitOptions,
  code: string,
): Promise<Endpoints> {
  const name = typeof target === 'object' && 'href' in target ? target.href : nameOf(target)
  const asked = `wait until ${name} is ready`
  const finder = new TargetFinder(target)
  const result = await untilReady(asked, finder, conditions, { timeout, interval, signal })
  if ('ready' in result) return endpointsOf(result.ready.endpoints)
  throw expired(asked, timeout, finder, result.unready, code)
}

/** Finds any listener at a target. */
class TargetFinder implements Finder {
  readonly expected = 'a connection'
  readonly needs = 'one'
  readonly #dials: ReturnType<typeof dialsOf>
  #answers: readonly Answer[] = []

  constructor(target: EndpointLike) {
    this.#dials = dialsOf(target)
  }

  async find(giveUp: AbortSignal): Promise<Found | undefined> {
    const answers = await ask(await this.#dials(), giveUp)
    if (this.#answers.length === 0 || (answers.length > 0 && !answers.some(({ cut }) => cut))) this.#answers = answers
    const [first, ...others] = answers.filter(({ error }) => error === undefined).map(({ place }) => place as Endpoint)
    return first === undefined ? undefined : { endpoints: [first, ...others], owned: undefined }
  }

  holds(): boolean {
    return true
  }

  seen(): { readonly answers: readonly Answer[]; readonly stranger: undefined } {
    return { answers: this.#answers, stranger: undefined }
  }
}

/** Requests a URL at the address that has accepted a connection. */
function urlCondition(
  url: URL,
  wanted: Pick<HttpReady, 'status' | 'body'>,
  trust: Trust,
  met?: (answer: ReadyAnswer) => void,
): Condition {
  const name = url.hostname.replace(/^\[|\]$/g, '')
  const path = `${url.pathname}${url.search}`
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:'
  return {
    expected: `GET ${url.origin}${path} to answer with ${expectedAnswer(wanted)}`,
    async ask({ address: host, port }, signal) {
      const { ready, answer } = await askHttp({ protocol, host, port, path, name, trust }, wanted, signal)
      if (!ready) return answer
      met?.(answer)
      return undefined
    },
  }
}

function expired(
  asked: string,
  timeout: number,
  finder: TargetFinder,
  { found, pending }: Unready,
  code: string,
): Error {
  const { answers } = finder.seen()
  const last = pending.find(({ answer }) => answer !== undefined)?.answer
  const dialled = answers.find(({ error }) => error !== undefined)?.error
  const error = portsideError(code, {
    headline: `Cannot ${asked}: it is not ready after ${timeout} ms`,
    expected: found === undefined ? finder.expected : pending.map(({ condition }) => condition.expected).join('; '),
    actual:
      found === undefined
        ? answers.map(describeDialled).join('; ') || 'a name that resolves to nothing'
        : pending.map(describePending).filter(Boolean).join('; '),
    next: adviceFor(found, last?.error, /^GET http:/.test(pending[0]?.condition.expected ?? '')),
    cause: found === undefined ? dialled : last?.error,
  })
  return Object.assign(error, { lastAnswer: last ?? (dialled === undefined ? undefined : { error: dialled }) })
}

function adviceFor(found: Found | undefined, error: Error | undefined, isPlain: boolean): string {
  if (found === undefined) return 'check that the listener is up, on this port and family, or pass a longer timeout'
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'use a name in the URL that the certificate of the server has'
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return 'pass the certificate of the server, or of its authority, as ca'
  if (/^EPROTO$|^ERR_SSL_/.test(code)) return 'write http: in the URL if the server does not speak TLS'
  if (/^HPE_|^ECONNRESET$/.test(code) && isPlain) return 'write https: in the URL if the server speaks TLS'
  return 'fix what the server answers, or pass a longer timeout'
}
