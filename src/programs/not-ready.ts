import { type PortsideError, portsideError } from '../errors.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import { isStopped } from '../platform/process-tree.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { describeDialled } from './ask.js'
import { describePending } from './condition.js'
import type { Finder } from './finder.js'
import { describeListening, type ListensOn, whereItListens } from './listener.js'
import type { Output } from './output.js'
import { type TakenPort, takenPort } from './taken-port.js'
import type { Unready } from './until-ready.js'

export interface NotReady {
  readonly asked: string
  readonly timeout: number
  readonly finder: Finder
  readonly unready: Unready
  readonly family: ProgramFamily
  /** Where it was waited for; none if it may listen anywhere. */
  readonly endpoints: readonly Endpoint[]
  /** What a program of ours said. */
  readonly output?: Output | undefined
  /** The code, unless a stranger has the port. */
  readonly code: 'ERR_PORTSIDE_NOT_READY' | 'ERR_PORTSIDE_WAIT_TIMEOUT'
}

/** That a program was not ready in time: what was waited for, what came instead, and why, as far as the system says it. */
export function notReady(wait: NotReady): PortsideError {
  const { asked, timeout, finder, unready, family, endpoints, output, code } = wait
  const { answers, stranger } = finder.seen()
  const { found, pending } = unready
  const listensOn = whereItListens(family)
  const taken = takenBy(stranger) ?? (found === undefined ? saidTaken(wait) : undefined)
  const last = pending.find(({ answer }) => answer !== undefined)?.answer
  const refusal = answers.find(({ error }) => error !== undefined)?.error
  const saw = found === undefined ? answers.map(describeDialled) : pending.map(describePending)
  const error = portsideError(taken?.isWanted ? 'ERR_PORTSIDE_PORT_TAKEN' : code, {
    headline: `Cannot ${asked}: it runs (pid ${family.pid}) and is not ready after ${timeout} ms`,
    expected: found === undefined ? finder.expected : pending.map(({ condition }) => condition.expected).join('; '),
    actual: [saw.filter(Boolean).join('; '), output?.describe()].filter(Boolean).join('; and '),
    because: [
      isStopped(family.pid) && STOPPED,
      found === undefined && !taken?.isWanted && whereElse(listensOn, endpoints),
      taken?.because,
    ]
      .filter(Boolean)
      .join('; '),
    owner: taken?.owner && describeOwner(taken.owner),
    next: taken?.next ?? adviceFor(unready, listensOn, endpoints),
    cause: found === undefined ? refusal : last?.error,
  })
  return Object.assign(error, {
    lastAnswer: last ?? (refusal === undefined ? undefined : { error: refusal }),
    listensOn: listensOn?.places,
    ...(taken === undefined ? {} : { owners: [taken.owner] }),
    ...(output === undefined ? {} : { output: output.tail, stderr: output.stderr, stdout: output.stdout }),
  })
}

function whereElse(listensOn: ListensOn | undefined, endpoints: readonly Endpoint[]): string | undefined {
  if (listensOn === undefined) return endpoints.length === 0 ? HIDDEN : undefined
  const places = endpoints.map(formatEndpoint).join(' or ')
  const waits = listensOn.places.length > 0 && places !== '' ? `; you wait on ${places}` : ''
  return `${describeListening(listensOn)}${waits}`
}

const STOPPED = 'a signal has stopped it, and SIGCONT would continue it (signal(7))'

const HIDDEN = 'its sockets cannot be seen: it runs as another user, or has changed its user (proc_pid_fd(5))'

/** A stranger that the finder saw at one of the endpoints. */
const takenBy = (owner: SocketOwner | undefined): TakenPort | undefined =>
  owner && {
    because: 'another program listens on the port',
    owner,
    next: 'end that program, or leave port out',
    isWanted: true,
  }

/** A port that the program says is in use, and that another process has. */
function saidTaken({ output, endpoints, family }: NotReady): TakenPort | undefined {
  const taken = output && takenPort(`${output.stderr}\n${output.stdout}`, endpoints, family)
  return taken?.owner === undefined ? undefined : taken
}

function adviceFor(unready: Unready, listensOn: ListensOn | undefined, endpoints: readonly Endpoint[]): string {
  if (unready.found !== undefined) return 'fix what the program answers or prints, or pass a longer timeout'
  const tcp = listensOn?.places.filter((place): place is Endpoint => typeof place === 'object') ?? []
  const [wanted] = endpoints
  if (wanted === undefined) {
    if (listensOn === undefined)
      return 'name the port on which it listens, or run the tests as its user or as root with CAP_SYS_PTRACE'
    return tcp.length > 0
      ? 'change match, or pass a longer timeout'
      : 'see why the program does not listen, or pass a longer timeout'
  }
  const samePort = tcp.find(({ port }) => port === wanted.port)
  if (samePort !== undefined)
    return `pass family: '${samePort.family}', or make the program listen on ${wanted.address}`
  if (tcp.length > 0) return "make the program listen on the port in PORT, or pass port: 'any' if it picks its own"
  const path = listensOn?.places.find((place) => typeof place === 'string')
  if (path !== undefined) return `make the program listen on a TCP port: ${printable(path)} is a unix socket`
  return 'see whether the program reads PORT and why it does not listen, or pass a longer timeout'
}
