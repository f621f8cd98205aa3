import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Endpoint, familyOf, formatEndpoint } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'
import { describeOwner, ownersOf, type SocketOwner } from '../loopback/owners.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { countEphemeralPorts } from '../platform/ephemeral-ports.js'
import { openFiles } from '../platform/open-files.js'
import { firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { socketTable } from '../platform/socket-table.js'
import { list } from './describe.js'
import { isExhaustion, isOfBinding, isTimeout } from './meaning.js'
import { isOfMissingFamily, type SocketFailure } from './socket-failure.js'

export interface Circumstances {
  readonly cause: string
  readonly owners: SocketOwner[]
  readonly hints: string[]
}

/** What can be found out about this one failure, in place of what is usual. */
export function circumstancesOf(failure: SocketFailure, usual: Circumstances): Circumstances {
  if (isExhaustion(failure)) return exhausted(failure, usual)
  if (isTimeout(failure)) return unanswered(failure, usual)
  switch (failure.code) {
    case 'EADDRINUSE':
      return occupied(failure, usual)
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return absent(failure, usual)
    case 'EACCES':
      return forbidden(failure, usual)
    case 'ECONNREFUSED':
      return refused(failure, usual)
    case 'ECONNRESET':
      return isHangUp(failure) ? { ...usual, cause: HANG_UP } : usual
    case 'EMFILE':
      return tooMany(usual)
    default:
      return { ...usual, owners: listenersAt(failure) }
  }
}

function occupied(failure: SocketFailure, usual: Circumstances): Circumstances {
  const owners = ownersAt(failure)
  if (owners.length === 0) {
    return failure.path === undefined
      ? {
          ...usual,
          cause:
            'nobody has it now: whoever had it has let go since, or its socket neither listens nor is connected, and no table shows it',
        }
      : {
          ...usual,
          cause: 'nobody listens on it now: a server that was killed has left the file behind',
          hints: ['remove the file before the server listens, or leave the path to listenUnix()'],
        }
  }
  const cause = list(owners.map(describeOwner))
  if (!owners.some(({ thisProcess }) => thisProcess)) return { cause, owners, hints: usual.hints }
  const hint = 'close the one of this process first, and await that: assertReleased() tells when the address is free'
  return { cause, owners, hints: [hint, ...usual.hints.slice(0, 1)] }
}

function exhausted({ syscall }: SocketFailure, usual: Circumstances): Circumstances {
  const hints = [
    'close connections as they are done with; drain() and close() leave no TIME_WAIT where both ends are in this process',
    'widen the range (net.ipv4.ip_local_port_range), or share connections',
  ]
  try {
    const { first, last, size, inUse, timeWait } = countEphemeralPorts(
      // Node binds datagram sockets only by that name, and connects none before it is bound.
      socketTable({ protocol: syscall === 'bind' ? 'udp' : 'tcp' }),
    )
    const left = inUse + timeWait < size ? ' now; some are free again, or belong to another address' : ''
    const cause = `the ephemeral range, ${first} to ${last}, has no port left for it: of ${size}, ${inUse} are in use and ${timeWait} in TIME_WAIT${left}`
    return { cause, owners: [], hints }
  } catch {
    // A system that does not tell.
    return { ...usual, cause: 'the ephemeral range has no port left for it', hints }
  }
}

function absent(failure: SocketFailure, usual: Circumstances): Circumstances {
  if (isOfMissingFamily(failure)) {
    const hints = ['run the test for each of loopbackFamilies()', ...usual.hints.slice(-1)]
    return { ...usual, cause: `this host has no IPv6: ${whyFamilyIsMissing('IPv6')}`, hints }
  }
  const { address } = failure
  if (address === undefined) return usual
  const own = tryTo(ownAddresses, [])
  const has = own.length === 0 ? '' : `; it has ${own.join(', ')}`
  return { ...usual, cause: `this host has no address ${address}${has}` }
}

function forbidden(failure: SocketFailure, usual: Circumstances): Circumstances {
  const { port, path } = failure
  if (path !== undefined) {
    // libuv gives EACCES for ENOENT of a bind (uv_pipe_bind in src/unix/pipe.c).
    const cause = existsSync(dirname(path))
      ? 'the mode of the file, or of a directory on its way, keeps this user out'
      : `there is no directory ${dirname(path)}`
    return { ...usual, cause, hints: ['leave the path to listenUnix()', 'look at the modes (namei -l PATH)'] }
  }
  const start = firstUnprivilegedPort()
  if (isOfBinding(failure) && port !== undefined && port < start) {
    const cause = `port ${port} is privileged: on this host everybody may bind those from ${start} up`
    return { ...usual, cause }
  }
  if (isOfBinding(failure)) return { ...usual, cause: 'a rule of this host forbids the port to this process' }
  const cause = 'a route prohibits it (ip route get ADDRESS), a firewall rejects it, or the address is one of broadcast'
  return { ...usual, cause, hints: ['look at the route and the firewall of this host, or network namespace'] }
}

function refused(failure: SocketFailure, usual: Circumstances): Circumstances {
  const { address, port, path } = failure
  if (path?.startsWith('\0')) return { ...usual, cause: 'nobody listens under this abstract name' }
  if (path !== undefined) {
    return { ...usual, cause: 'the file is there, and nobody listens on it: its server has ended' }
  }
  if (address === undefined || !port) return usual
  const there = listenersAt(failure)
  if (there.length > 0) {
    const cause = `nobody listened there when it was dialled; now ${list(there.map(describeOwner))}`
    return { ...usual, cause, owners: there }
  }
  const [elsewhere] = tryTo(() => [...socketTable({ protocol: 'tcp', state: 'LISTEN', port })], [])
  if (elsewhere === undefined) return usual
  const at = formatEndpoint(elsewhere.local as Endpoint)
  const cause = `you dialled ${address}, the listener is on ${(elsewhere.local as Endpoint).address}`
  const other =
    familyOf(address) === (elsewhere.local as Endpoint).family
      ? `listen on ${address}`
      : "listen on both families ({ family: 'dual' }): localhost may be either, in either order"
  const hints = [`dial ${at}, or ${other}`, ...usual.hints.slice(1)]
  return { cause, owners: [], hints }
}

function unanswered(failure: SocketFailure, usual: Circumstances): Circumstances {
  const owners = listenersAt(failure)
  const waiting = owners.reduce((sum, { receiveQueue = 0 }) => sum + receiveQueue, 0)
  if (waiting === 0) return { ...usual, owners }
  return {
    cause: `the listener accepts nobody: ${waiting} connections wait in its accept queue`,
    owners,
    hints: ['see what keeps its event loop busy, or why it does not accept', ...usual.hints.slice(-1)],
  }
}

/** Node has this code for what no peer has reset, too: lib/_http_client.js, lib/_tls_wrap.js. */
const isHangUp = ({ syscall, message }: SocketFailure): boolean =>
  syscall === undefined && /^(socket hang up|Client network socket disconnected)/.test(message)

const HANG_UP =
  'no reset: the connection ended before the answer, because the other end closed it or the request was destroyed here'

function tooMany(usual: Circumstances): Circumstances {
  const { open, limit } = openFiles()
  if (limit === undefined) return usual
  const has = open === undefined ? '' : `it has ${open} now, and `
  return { ...usual, cause: `${has}its limit is ${limit} (ulimit -n); leaked sockets are the usual reason` }
}

/** Who holds the address of a failure; nobody where the system does not tell. */
export function ownersAt(failure: SocketFailure): SocketOwner[] {
  const { address, port, path, syscall } = failure
  if (path !== undefined) return tryTo(() => ownersOf(path), [])
  if (address === undefined || !port) return []
  const owners = tryTo(() => ownersOf({ address, port }, syscall === 'bind' ? undefined : 'tcp'), [])
  // A connection in TIME_WAIT is in nobody's way, as Node binds.
  const alive = owners.filter(({ state }) => state !== 'TIME_WAIT')
  return alive.length > 0 ? alive : owners
}

const listenersAt = (failure: SocketFailure): SocketOwner[] =>
  ownersAt(failure).filter(({ state }) => state === 'LISTEN')

function tryTo<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    // The system has no table of sockets, or this process has no descriptor left to read it with.
    return otherwise
  }
}
