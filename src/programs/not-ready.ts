import { type PortsideError, portsideError } from '../errors.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import { isStopped } from '../platform/process-tree.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { describeOwner } from '../socket-table/owners.js'
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
export function notReady({
  asked,
  timeout,
  finder,
  unready,
  family,
  endpoints,
  output,
  code,
}: NotReady): PortsideError {
  const { answers, stranger } = finder.seen()
  const listensOn = whereItListens(family)
  const waitsFor =
    unready.found === undefined ? [finder.expected] : unready.pending.map(({ condition }) => condition.expected)
  const said =
    unready.found === undefined
      ? answers.map(describeDialled).join('; ')
      : unready.pending.map(describePending).filter(Boolean).join('; ')
  const elsewhere = unready.found === undefined ? whereElse(listensOn, endpoints) : undefined
  const somewhere = listensOn !== undefined && listensOn.places.length > 0
  const waits =
    elsewhere && somewhere && endpoints.length > 0 ? `; you wait on ${endpoints.map(formatEndpoint).join(' or ')}` : ''
  const taken = stranger === undefined && unready.found === undefined ? takenElsewhere(output, endpoints) : undefined
  const last = unready.pending.find(({ answer }) => answer !== undefined)?.answer
  const dialled = answers.find(({ error }) => error !== undefined)?.error
  const owner = stranger ?? taken?.owner
  const error = portsideError(stranger === undefined ? code : 'ERR_PORTSIDE_PORT_TAKEN', {
    headline: `Cannot ${asked}: it runs (pid ${family.pid}) and is not ready after ${timeout} ms`,
    expected: waitsFor.join('; '),
    actual: [said, output?.describe()].filter(Boolean).join('; and '),
    because: stranger
      ? 'another program listens on the port'
      : [isStopped(family.pid) && STOPPED, elsewhere && `${elsewhere}${waits}`, taken?.because]
          .filter(Boolean)
          .join('; '),
    owner: owner && describeOwner(owner),
    next: stranger ? 'end that program, or leave port out' : (taken?.next ?? adviceFor(unready, listensOn, endpoints)),
    cause: unready.found === undefined ? dialled : last?.error,
  })
  return Object.assign(error, {
    lastAnswer: last ?? (dialled === undefined ? undefined : { error: dialled }),
    listensOn: listensOn?.places,
    ...(owner === undefined ? {} : { owners: [owner] }),
    ...(output === undefined ? {} : { output: output.tail, stderr: output.stderr, stdout: output.stdout }),
  })
}

function whereElse(listensOn: ListensOn | undefined, endpoints: readonly Endpoint[]): string | undefined {
  if (listensOn !== undefined) return describeListening(listensOn)
  return endpoints.length === 0 ? HIDDEN : undefined
}

const STOPPED = 'a signal has stopped it, and SIGCONT would continue it (signal(7))'

const HIDDEN = 'its sockets cannot be seen: it runs as another user, or has changed its user (proc_pid_fd(5))'

/** A port that the program says is in use, and that somebody has. */
function takenElsewhere(output: Output | undefined, endpoints: readonly Endpoint[]): TakenPort | undefined {
  const taken = output && takenPort(`${output.stderr}\n${output.stdout}`, endpoints)
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
