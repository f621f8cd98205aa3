import { type PortsideError, portsideError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { isStopped } from '../platform/process-tree.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { describeDialled } from './ask.js'
import { describePending } from './condition.js'
import type { Finder } from './finder.js'
import { whereItListens } from './listener.js'
import { listensElsewhere } from './listens-elsewhere.js'
import type { Output } from './output.js'
import { type TakenPort, takenPort } from './taken-port.js'
import type { Unready } from './until-ready.js'

export interface NotReady {
  readonly asked: string
  readonly timeout: number
  readonly finder: Finder
  readonly unready: Unready
  readonly family: ProgramFamily
  /** The endpoints of the wait. Empty if the program may listen anywhere. */
  readonly endpoints: readonly Endpoint[]
  /** The output of a program that portside started. */
  readonly output?: Output | undefined
  /** The code, unless another program has the port. */
  readonly code: 'ERR_PORTSIDE_NOT_READY' | 'ERR_PORTSIDE_WAIT_TIMEOUT'
}

/** The error of a program that is not ready in time. */
export function notReady(wait: NotReady): PortsideError {
  const { asked, timeout, finder, unready, family, endpoints, output, code } = wait
  const { answers, stranger } = finder.seen()
  const { found, pending } = unready
  const listensOn = whereItListens(family)
  const elsewhere = listensElsewhere({ listensOn, endpoints, needs: finder.needs, isFound: found !== undefined })
  const taken = takenBy(stranger) ?? (found === undefined ? saidTaken(wait) : undefined)
  const last = pending.find(({ answer }) => answer !== undefined)?.answer
  const refusal = answers.find(({ error }) => error !== undefined)?.error
  const saw = found === undefined ? answers.map(describeDialled) : pending.map(describePending)
  const error = portsideError(taken?.isWanted ? 'ERR_PORTSIDE_PORT_TAKEN' : code, {
    headline: `Cannot ${asked}: it runs (pid ${family.pid}) but is not ready after ${timeout} ms`,
    expected: found === undefined ? finder.expected : pending.map(({ condition }) => condition.expected).join('; '),
    actual: [saw.filter(Boolean).join('; '), output?.describe()].filter(Boolean).join('; and '),
    because: [isStopped(family.pid) && STOPPED, !taken?.isWanted && elsewhere?.because, taken?.because]
      .filter(Boolean)
      .join('; '),
    owner: taken?.owner && describeOwner(taken.owner),
    next: taken?.next ?? elsewhere?.next ?? ANSWERS,
    cause: found === undefined ? refusal : last?.error,
  })
  return Object.assign(error, {
    lastAnswer: last ?? (refusal === undefined ? undefined : { error: refusal }),
    listensOn: listensOn?.places,
    ...(taken === undefined ? {} : { owners: [taken.owner] }),
    ...(output === undefined ? {} : { output: output.tail, stderr: output.stderr, stdout: output.stdout }),
  })
}

const ANSWERS = 'fix what the program answers or prints, or pass a longer timeout'

const STOPPED = 'a signal has stopped it; SIGCONT continues it (signal(7))'

/** Another program that the finder saw at one of the endpoints. */
const takenBy = (owner: SocketOwner | undefined): TakenPort | undefined =>
  owner && {
    because: 'another program listens on the port',
    owner,
    next: 'end that program, or leave port out',
    isWanted: true,
  }

/** A port that is in use by another process, according to the output of the program. */
function saidTaken({ output, endpoints, family }: NotReady): TakenPort | undefined {
  const taken = output && takenPort(`${output.stderr}\n${output.stdout}`, endpoints, family)
  return taken?.owner === undefined ? undefined : taken
}
