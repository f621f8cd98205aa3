import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, familyOf, formatEndpoint, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { isOutOfDescriptors, openFiles } from '../platform/open-files.js'
import { firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { countEphemeralPorts } from '../socket-table/ephemeral-ports.js'
import { describeOwner, listenersOn, listenersReachedAt, ownersOf, type SocketOwner } from '../socket-table/owners.js'
import { socketTable } from '../socket-table/socket-table.js'
import { list } from './describe.js'
import { hasTakenTuple, isExhaustion, isOfBinding, isTimeout, protocolOf } from './meaning.js'
import { openedAt } from './opened-at.js'
import { isOfMissingFamily, type SocketFailure } from './socket-failure.js'

export interface Circumstances {
  readonly cause: string
  readonly owners: SocketOwner[]
  readonly hints: string[]
}

/** What can be found out about this one failure of a TCP or UDP socket, in place of what is usual. */
export function circumstancesOf(failure: SocketFailure, usual: Circumstances): Circumstances {
  if (isExhaustion(failure)) return exhausted(failure, usual)
  if (isTimeout(failure)) return unanswered(listenersAt(failure), usual)
  switch (failure.code) {
    case 'EADDRINUSE':
      return occupied(failure, usual)
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return hasTakenTuple(failure) ? connectedAlready(failure) : absent(failure, usual)
    case 'EACCES':
      return forbidden(failure, usual)
    case 'EINVAL':
      return isOfBinding(failure) ? usual : { ...usual, ...WAYLESS }
    case 'ECONNREFUSED':
      return refused(failure, usual)
    case 'ECONNRESET':
      return isHangUp(failure) ? { ...usual, cause: HANG_UP } : usual
    case 'EMFILE':
      return tooMany(usual)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unresolved(usual)
    default:
      return { ...usual, owners: listenersAt(failure) }
  }
}

function occupied(failure: SocketFailure, usual: Circumstances): Circumstances {
  const owners = ownersAt(failure)
  if (owners === undefined) return usual
  if (owners.length === 0) {
    const cause =
      'nobody has it now: whoever had it has let go since, or its socket neither listens nor is connected, and no table shows it'
    return { ...usual, cause }
  }
  return heldBy(owners, usual)
}

/** What to do about somebody else is up to the user, and not about this process. */
export function heldBy(owners: SocketOwner[], usual: Circumstances): Circumstances {
  const cause = list(owners.map(describeOwner))
  const own = owners.find(({ thisProcess }) => thisProcess)
  if (own === undefined) return { cause, owners, hints: usual.hints }
  const place = openedAt(own.local)
  const opened = place === undefined ? '' : `; it was opened at ${place}`
  const hint = `close the one of this process first, and await that: assertReleased() tells when the address is free${opened}`
  return { cause, owners, hints: [hint, ...usual.hints.slice(0, 1)] }
}

function connectedAlready({ address, port, local }: SocketFailure): Circumstances {
  const peer = address === undefined || port === undefined ? 'this peer' : formatEndpoint({ address, port })
  const owners = tryTo(() => ownersOf({ port: local?.port ?? 0 }, 'tcp'), []).filter(
    ({ remote }) => remote?.port === port && remote?.address === address,
  )
  return {
    cause: `local port ${local?.port} has a connection to ${peer} already, open or in TIME_WAIT`,
    owners,
    hints: ['leave localPort out, so that the kernel picks one that is free'],
  }
}

function exhausted({ syscall }: SocketFailure, usual: Circumstances): Circumstances {
  const hints = [
    'close connections as they are done with; drain() and close() leave no TIME_WAIT where both ends are in this process',
    'widen the range (net.ipv4.ip_local_port_range), or share connections',
  ]
  try {
    const { first, last, size, inUse, timeWait, available } = countEphemeralPorts(
      // Node binds datagram sockets only by that name, and connects none before it is bound.
      socketTable({ protocol: syscall === 'bind' ? 'udp' : 'tcp' }),
    )
    const reserved = size - inUse - timeWait - available
    const counts = [
      `${inUse} ${inUse === 1 ? 'is' : 'are'} in use`,
      ...(reserved > 0 ? [`${reserved} reserved (net.ipv4.ip_local_reserved_ports)`] : []),
      `${timeWait} in TIME_WAIT`,
    ]
    const left = available > 0 ? ' now; some are free again, or belong to another address' : ''
    const cause = `the ephemeral range, ${first} to ${last}, has no port left for it: of ${size}, ${counts.slice(0, -1).join(', ')} and ${counts.at(-1)}${left}`
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
  const own = ownAddressesOrNone()
  const has = own.length === 0 ? '' : `; it has ${own.join(', ')}`
  return { ...usual, cause: `this host has no address ${address}${has}` }
}

function forbidden(failure: SocketFailure, usual: Circumstances): Circumstances {
  const { port } = failure
  const start = firstUnprivilegedPort()
  if (isOfBinding(failure) && port !== undefined && port < start) {
    const cause = `port ${port} is privileged: on this host everybody may bind those from ${start} up`
    return { ...usual, cause }
  }
  if (isOfBinding(failure)) return { ...usual, cause: 'a rule of this host forbids the port to this process' }
  const cause = 'a route prohibits it (ip route get ADDRESS), a firewall rejects it, or the address is one of broadcast'
  return { ...usual, cause, hints: ['look at the route and the firewall of this host, or network namespace'] }
}

/** EINVAL of what is not bound by its user. */
const WAYLESS = {
  cause: 'the route is a blackhole, the address needs a zone, or the socket was connected before',
  hints: [
    'look at the route (ip route get ADDRESS)',
    'give a link-local address its zone: fe80::1%eth0',
    'use a new socket for each connect',
  ],
}

function refused(failure: SocketFailure, usual: Circumstances): Circumstances {
  const { address, port } = failure
  if (address === undefined || !port || protocolOf(failure) !== 'tcp') return usual
  const there = listenersAt(failure)
  // One on `::` may leave IPv4 out.
  const certain = there.filter(({ local }) => (local as Endpoint).family === familyOf(address))
  if (certain.length > 0) {
    const cause = `nobody listened there when it was dialled; now ${list(certain.map(describeOwner))}`
    return { ...usual, cause, owners: certain }
  }
  if (!isOwn(address)) return usual
  const [elsewhere] = tryTo(() => listenersOn(port), [])
  if (elsewhere === undefined) return usual
  const local = elsewhere.local as Endpoint
  const only = there.length > 0 ? ', and takes no IPv4 (ipv6Only), or began later' : ''
  const other =
    familyOf(address) === local.family
      ? `listen on ${address}`
      : "listen on both families ({ family: 'dual' }): localhost may be either, in either order"
  return {
    cause: `you dialled ${address}, the listener is on ${local.address}${only}`,
    owners: [elsewhere],
    hints: [`dial ${formatEndpoint({ ...local, address: dialAddress(local) })}, or ${other}`, ...usual.hints.slice(1)],
  }
}

/** What somebody else's host refuses has nothing to do with who listens here. */
function isOwn(address: string): boolean {
  const { family } = toEndpoint(address, 0)
  return address.startsWith('127.') || address === WILDCARD[family] || ownAddressesOrNone().includes(address)
}

export function unanswered(owners: SocketOwner[], usual: Circumstances): Circumstances {
  const waiting = owners.reduce((sum, { receiveQueue = 0 }) => sum + receiveQueue, 0)
  if (waiting === 0) return { ...usual, owners }
  return {
    cause: `the listener accepts nobody: ${waiting === 1 ? '1 connection waits' : `${waiting} connections wait`} in its accept queue`,
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

/** A resolver that cannot open /etc/hosts, nor a socket, says that there is no such name. */
function unresolved(usual: Circumstances): Circumstances {
  if (!isOutOfDescriptors()) return usual
  return {
    ...usual,
    cause: 'this process has no descriptor left (ulimit -n), and the resolver finds no name without one',
    hints: ['close what is open: leaked sockets are the usual reason', ...usual.hints],
  }
}

/** Who holds the address of a failure; undefined where that cannot be told. */
export function ownersAt(failure: SocketFailure): SocketOwner[] | undefined {
  const { address, port, path } = failure
  if (path !== undefined) return tryTo(() => ownersOf(path), undefined)
  if (address === undefined || !port) return []
  const owners = tryTo(() => ownersOf({ address, port }, protocolOf(failure)), undefined)
  // A connection in TIME_WAIT is in nobody's way, as Node binds.
  const alive = owners?.filter(({ state }) => state !== 'TIME_WAIT')
  return alive?.length === 0 ? owners : alive
}

/** Those that a dial of the address of a failure reaches. */
function listenersAt({ address, port }: SocketFailure): SocketOwner[] {
  return address === undefined || !port ? [] : tryTo(() => listenersReachedAt({ address, port }), [])
}

const ownAddressesOrNone = (): string[] => tryTo(ownAddresses, [])

export function tryTo<T, U>(look: () => T, otherwise: U): T | U {
  try {
    return look()
  } catch {
    // The system has no table of sockets, or this process has no descriptor left to read it with.
    return otherwise
  }
}
