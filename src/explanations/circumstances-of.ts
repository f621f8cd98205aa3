import { type Circumstances, denied, listenersAt } from './circumstances.js'
import { type Classification, isBinding } from './classify.js'
import {
  absent,
  connectedAlready,
  exhausted,
  forbidden,
  occupied,
  tooMany,
  withoutInterface,
  withoutZone,
} from './local-circumstances.js'
import { BLOCKED, hungUp, INVALID_DIAL, refused, routeless, unanswered, unresolved } from './peer-circumstances.js'
import type { SocketFailure } from './socket-failure.js'

/** Looks up the cause of one failure of a TCP or UDP socket. Returns `usual` if the lookup finds nothing. */
export function circumstancesOf(failure: SocketFailure, known: Classification, usual: Circumstances): Circumstances {
  switch (known.kind) {
    case 'conflict':
      return occupied(failure, known, usual)
    case 'exhaustion':
      return exhausted(failure, known, usual)
    case 'taken-tuple':
      return connectedAlready(failure, known)
    case 'absent-family':
    case 'absent-address':
      return absent(failure, known, usual)
    case 'privileged-port':
    case 'excluded-range':
    case 'forbidden':
      return denied(failure, usual) ?? forbidden(failure, known, usual)
    case 'missing-zone':
      return withoutZone(failure)
    case 'multicast':
      return withoutInterface(failure, usual)
    case 'invalid-call':
      return isBinding(failure.syscall) ? usual : { ...usual, ...INVALID_DIAL }
    case 'refused':
      return refused(failure, known, usual)
    case 'hang-up':
      return hungUp(failure, usual)
    case 'timed-out':
    case 'given-up-by-node':
    case 'given-up-by-library':
      return unanswered(known, listenersAt(failure, known), usual)
    case 'no-route':
      return routeless(failure, known, usual)
    case 'out-of-descriptors':
      return failure.code === 'EMFILE' ? tooMany(usual) : usual
    case 'unresolved':
      return unresolved(failure, usual)
    case 'blocked-port':
      return BLOCKED
    case 'not-network':
      return foreign(failure, known)
    default:
      return { ...usual, owners: listenersAt(failure, known) }
  }
}

function foreign({ code, message, syscall }: SocketFailure, { raisedBy }: Classification): Circumstances {
  if (raisedBy === 'kernel' || raisedBy === 'portside') {
    return {
      cause: `${syscall} is a call on a file or a program, and involves no socket`,
      owners: [],
      hints: [`look at the file or program that the message names: ${JSON.stringify(message.slice(0, 120))}`],
    }
  }
  const by = raisedBy === 'unknown' ? 'a mock or a library' : raisedBy
  return {
    cause: `the kernel did not raise this error, ${by} did: it has the code ${code} and no syscall`,
    owners: [],
    hints: [
      raisedBy === 'unknown'
        ? 'look for the code that creates this error'
        : `look at how ${raisedBy} is set up in this test: it says ${JSON.stringify(message.slice(0, 120))}`,
    ],
  }
}
