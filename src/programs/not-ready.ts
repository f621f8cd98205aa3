import { type PortsideError, portsideError } from '../errors.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { describeDialled } from './ask.js'
import { describeAnswer } from './condition.js'
import type { Finder } from './finder.js'
import { describeListening, type ListensOn, whereItListens } from './listener.js'
import type { Unready } from './until-ready.js'

export interface NotReady {
  readonly asked: string
  readonly timeout: number
  readonly finder: Finder
  readonly unready: Unready
  readonly family: ProgramFamily
  /** Where it was waited for; none if it may listen anywhere. */
  readonly endpoints: readonly Endpoint[]
  /** Somebody else who has the port. Default: whom the finder saw. */
  readonly stranger?: SocketOwner | undefined
  /** What a program of ours said. */
  readonly output?: string | undefined
  /** The code, unless a stranger has the port. */
  readonly code: 'ERR_PORTSIDE_NOT_READY' | 'ERR_PORTSIDE_WAIT_TIMEOUT'
}

/** That a program was not ready in time: what was waited for, what came instead, and why, as far as the system says it. */
export function notReady({
  asked,
  timeout,
  finder,
  unready,
  family,
  endpoints,
  stranger = finder.seen().stranger,
  output,
  code,
}: NotReady): PortsideError {
  const { answers } = finder.seen()
  const listensOn = whereItListens(family)
  const waitsFor =
    unready.found === undefined ? [finder.expected] : unready.pending.map(({ condition }) => condition.expected)
  const said =
    unready.found === undefined
      ? answers.map(describeDialled).join('; ')
      : unready.pending
          .map(({ answer }) => (answer === undefined ? '' : describeAnswer(answer)))
          .filter(Boolean)
          .join('; ')
  const elsewhere = unready.found === undefined && listensOn ? describeListening(listensOn) : undefined
  const somewhere = listensOn !== undefined && listensOn.places.length > 0
  const waits =
    elsewhere && somewhere && endpoints.length > 0 ? `; you wait on ${endpoints.map(formatEndpoint).join(' or ')}` : ''
  const last = unready.pending.find(({ answer }) => answer !== undefined)?.answer
  const dialled = answers.find(({ error }) => error !== undefined)?.error
  const error = portsideError(stranger === undefined ? code : 'ERR_PORTSIDE_PORT_TAKEN', {
    headline: `Cannot ${asked}: it runs (pid ${family.pid}) and is not ready after ${timeout} ms`,
    expected: waitsFor.join('; '),
    actual: [said, output].filter(Boolean).join('; and '),
    because: stranger === undefined ? elsewhere && `${elsewhere}${waits}` : 'another program listens on the port',
    owner: stranger && describeOwner(stranger),
    next: stranger === undefined ? adviceFor(unready, listensOn, endpoints) : 'end that program, or leave port out',
    cause: unready.found === undefined ? dialled : last?.error,
  })
  return Object.assign(error, {
    lastAnswer: last ?? (dialled === undefined ? undefined : { error: dialled }),
    listensOn: listensOn?.places,
    ...(stranger === undefined ? {} : { owners: [stranger] }),
    ...(output === undefined ? {} : { output }),
  })
}

function adviceFor(unready: Unready, listensOn: ListensOn | undefined, endpoints: readonly Endpoint[]): string {
  if (unready.found !== undefined) return 'fix what the program answers or prints, or pass a longer timeout'
  const tcp = listensOn?.places.filter((place): place is Endpoint => typeof place === 'object') ?? []
  const [wanted] = endpoints
  if (wanted === undefined) {
    return tcp.length > 0
      ? 'change match, or pass a longer timeout'
      : 'see why the program does not listen, or pass a longer timeout'
  }
  const samePort = tcp.find(({ port }) => port === wanted.port)
  if (samePort !== undefined)
    return `pass host: 'localhost', family: '${samePort.family}', or make the program listen on ${wanted.address}`
  if (tcp.length > 0) return "make the program listen on the port in PORT, or pass port: 'any' if it picks its own"
  const path = listensOn?.places.find((place) => typeof place === 'string')
  if (path !== undefined) return `make the program listen on a TCP port: ${printable(path)} is a unix socket`
  return 'see whether the program reads PORT and why it does not listen, or pass a longer timeout'
}
