import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, familyOf, formatEndpoint, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { ephemeralRange } from '../platform/ephemeral-range.js'
import { excludedRanges } from '../platform/excluded-ports.js'
import { isOutOfDescriptors, openFiles } from '../platform/open-files.js'
import { firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { type Classification, endpointOf, isBinding, isMulticast, protocolOf } from './classify.js'
import { list } from './describe.js'
import { openedAt } from './opened-at.js'
import type { SocketFailure } from './socket-failure.js'

/** Why one failure came about, and what to do. */
export interface Circumstances {
  readonly cause: string
  readonly owners: SocketOwner[]
  readonly hints: string[]
  /** What was looked at for the cause, beyond the classification. */
  readonly evidence?: readonly string[]
}

/** What can be found out about this one failure of a TCP or UDP socket, in place of what is usual. */
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
      return forbidden(failure, known, usual)
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

function occupied(failure: SocketFailure, { lookup }: Classification, usual: Circumstances): Circumstances {
  const { address, port } = failure
  if (!port) return usual
  const protocol = protocolOf(failure)
  // A worker of a cluster does not know the address: its port is looked for on all of them.
  const place = address === undefined ? { port } : { address, port }
  const found = lookup.owners(place, protocol)
  const hints = protocol === 'udp' ? [SHARED_UDP, ...usual.hints] : usual.hints
  if (found === undefined) return { ...usual, hints }
  // A connection in TIME_WAIT is in nobody's way, as Node binds.
  const alive = found.filter(({ state }) => state !== 'TIME_WAIT')
  const owners = alive.length > 0 ? alive : found
  const looked = [
    `the socket table: ${owners.length === 0 ? `nothing on port ${port}` : list(owners.map(describeOwner))}`,
  ]
  const ephemeral = inEphemeralRange(port)
  if (owners.length === 0) {
    const cause =
      'one of: the socket that had it has closed since; a socket that is bound and neither listens nor is connected has it, and no table shows those'
    return { cause, owners, hints: [...hints, ...ephemeral.hints], evidence: [...looked, ...ephemeral.evidence] }
  }
  const held = heldBy(owners, { ...usual, hints: [...hints, ...ephemeral.hints] })
  const client = owners.every(({ state, protocol }) => protocol === 'tcp' && state !== 'LISTEN')
  if (!client) return { ...held, evidence: [...looked, ...ephemeral.evidence] }
  return {
    cause: `${held.cause}: a connection uses the port at its own end, and nothing listens there${ephemeral.cause}`,
    owners,
    hints: [
      ...ephemeral.hints,
      'listen on port 0, or keep the port from the start: reservePort()',
      ...openedHints(owners),
    ],
    evidence: [...looked, ...ephemeral.evidence],
  }
}

const SHARED_UDP =
  'to share a UDP port, create both sockets with { reuseAddr: true }; otherwise leave the port out, so that the kernel picks a free one'

/** A fixed port of the ephemeral range is given to outgoing connections, too, at any time (ip(7), ip_local_port_range). */
function inEphemeralRange(port: number): { cause: string; hints: string[]; evidence: string[] } {
  const { first, last } = ephemeralRange()
  if (port < first || port > last) return { cause: '', hints: [], evidence: [] }
  return {
    cause: `; port ${port} lies in the ephemeral range, ${first} to ${last}, from which the kernel picks`,
    hints: [
      `take a fixed port outside of the ephemeral range (${first} to ${last}): the kernel may give one inside of it to any outgoing connection`,
    ],
    evidence: [`the ephemeral range is ${first} to ${last}`],
  }
}

/** What to do about another process is up to the user; this process can close its own. */
export function heldBy(owners: SocketOwner[], usual: Circumstances): Circumstances {
  const cause = list(owners.map(describeOwner))
  return { cause, owners, hints: [...openedHints(owners), ...usual.hints].slice(0, MOST_HINTS) }
}

const MOST_HINTS = 3

function openedHints(owners: readonly SocketOwner[]): string[] {
  const own = owners.find(({ thisProcess }) => thisProcess)
  if (own === undefined) return []
  const place = openedAt(own.local)
  const opened = place === undefined ? '' : `; it was opened at ${place}`
  return [
    `close the one of this process first, and await that: assertReleased() tells when the address is free${opened}`,
  ]
}

function connectedAlready(failure: SocketFailure, { lookup }: Classification): Circumstances {
  const { address, port, local } = failure
  const peer = endpointOf(failure)
  const owners = local === undefined ? undefined : lookup.connections(local, { address, port })
  return {
    cause: `local port ${local?.port ?? 'of the socket'} has a connection to ${peer === undefined ? 'this peer' : formatEndpoint(peer)} already, open or in TIME_WAIT`,
    owners: owners ?? [],
    hints: ['leave localPort out, so that the kernel picks one that is free'],
  }
}

function exhausted({ syscall }: SocketFailure, { lookup }: Classification, usual: Circumstances): Circumstances {
  const hints = [
    'close connections as they are done with; drain() and close() leave no TIME_WAIT where both ends are in this process',
    'widen the range (net.ipv4.ip_local_port_range), or share connections',
  ]
  // Node binds datagram sockets only by that name, and connects none before it is bound.
  const counted = lookup.ephemeralPorts(syscall === 'bind' ? 'udp' : 'tcp')
  if (counted === undefined) return { ...usual, cause: 'the ephemeral range has no port left for it', hints }
  const { first, last, size, inUse, timeWait, available } = counted
  const reserved = size - inUse - timeWait - available
  const counts = [
    `${inUse} ${inUse === 1 ? 'is' : 'are'} in use`,
    ...(reserved > 0 ? [`${reserved} reserved (net.ipv4.ip_local_reserved_ports)`] : []),
    `${timeWait} in TIME_WAIT`,
  ]
  const left = available > 0 ? ' now; some are free again, or belong to another address' : ''
  const cause = `the ephemeral range, ${first} to ${last}, has no port left for it: of ${size}, ${counts.slice(0, -1).join(', ')} and ${counts.at(-1)}${left}`
  return { cause, owners: [], hints, evidence: [`the socket table: ${inUse} of ${size} ports in use`] }
}

function absent(failure: SocketFailure, { kind }: Classification, usual: Circumstances): Circumstances {
  const { address, syscall } = failure
  if (kind === 'absent-family') {
    const family = address === undefined ? 'IPv6' : familyOf(address)
    const missing = whyFamilyIsMissing(family)
    const elsewhere = isBinding(syscall) && address === WILDCARD.IPv6
    const hints = [
      ...(elsewhere ? [`leave the host out: Node then listens on 0.0.0.0 if there is no IPv6`] : []),
      'run the test for each of loopbackFamilies()',
      ...usual.hints.slice(-1),
    ]
    const cause =
      missing === undefined
        ? `the kernel that raised it has no ${family}; this host has it now`
        : `this host has no ${family}: ${missing}`
    return { ...usual, cause, hints: [...new Set(hints)] }
  }
  if (address === undefined) return usual
  const own = ownAddressesOrNone()
  // The state of now is a cause only if the same call would fail now.
  if (own.includes(address)) return { ...usual, cause: `this host had no address ${address} then; it has it now` }
  const has = own.length === 0 ? '' : `; it has ${own.join(', ')}`
  const looked = own.length === 0 ? [] : [`the addresses of this host: ${own.join(', ')}`]
  const hints = isBinding(syscall) ? ['leave the host out for loopback', ...usual.hints] : usual.hints
  return { ...usual, cause: `this host has no address ${address}${has}`, hints: [...new Set(hints)], evidence: looked }
}

function forbidden(failure: SocketFailure, { kind }: Classification, usual: Circumstances): Circumstances {
  const { port, syscall, address } = failure
  if (kind === 'privileged-port') {
    const start = firstUnprivilegedPort()
    return { ...usual, cause: `port ${port} is privileged: on this host everybody may bind those from ${start} up` }
  }
  if (kind === 'excluded-range') return excluded(failure, usual)
  if (isBinding(syscall)) return { ...usual, cause: 'a rule of this host forbids the port to this process' }
  if (syscall === 'send' && address !== undefined && /\.255$/.test(address)) {
    return {
      ...usual,
      cause: `${address} is an address of broadcast, or a route or a firewall forbids it`,
      hints: ['call socket.setBroadcast(true) before send()', ROUTE],
    }
  }
  const cause =
    'one of: a route prohibits it (ip route get ADDRESS); a firewall rejects it; the address is one of broadcast'
  return { ...usual, cause, hints: [ROUTE] }
}

const ROUTE = 'look at the route and the firewall of this host, or network namespace'

function excluded(failure: SocketFailure, usual: Circumstances): Circumstances {
  const { port } = failure
  const protocol = protocolOf(failure) ?? 'tcp'
  const range = excludedRanges(protocol).find(({ first, last }) => port !== undefined && port >= first && port <= last)
  const hints = [
    `look at the excluded ranges: netsh int ipv4 show excludedportrange protocol=${protocol}`,
    'leave the port out, so that the system picks one',
  ]
  if (range !== undefined) {
    const cause = `Windows keeps the ports ${range.first} to ${range.last} for another service, such as Hyper-V or WinNAT`
    return { ...usual, cause, hints }
  }
  const cause = 'one of: Windows keeps the port for another service; another process has bound it for itself alone'
  return { ...usual, cause, hints }
}

function withoutZone({ address }: SocketFailure): Circumstances {
  return {
    cause: `${address} is link-local, and means nothing without the zone of its interface`,
    owners: [],
    hints: [`give the address its zone: ${address}%eth0, with the name of the interface`],
  }
}

function withoutInterface(failure: SocketFailure, usual: Circumstances): Circumstances {
  const joining = failure.syscall !== undefined && /membership/i.test(failure.syscall)
  return {
    ...usual,
    cause: joining
      ? 'one of: the host has no route for multicast, by which the kernel picks the interface to join on; no interface has the address that was given'
      : 'one of: the host has no route for multicast; the interface for it is not set',
    hints: joining
      ? [
          "name the interface: socket.addMembership(group, '127.0.0.1') for loopback",
          'give the host a route: ip route add 224.0.0.0/4 dev lo',
        ]
      : [
          "name the interface: socket.setMulticastInterface('127.0.0.1') for loopback",
          'give the host a route: ip route add 224.0.0.0/4 dev lo',
        ],
  }
}

/** EINVAL of what is not bound by its user. */
const INVALID_DIAL = {
  cause: 'one of: the route is a blackhole; the socket was connected before; the address is of another family',
  hints: ['look at the route (ip route get ADDRESS)', 'use a new socket for each connect'],
}

function refused(failure: SocketFailure, known: Classification, usual: Circumstances): Circumstances {
  const endpoint = endpointOf(failure)
  if (endpoint === undefined || protocolOf(failure) !== 'tcp') return usual
  const { address, port } = endpoint
  const { reached: there, all } = known.lookup.listeners(endpoint) ?? { reached: [], all: [] }
  const evidence = [
    `the socket table: ${all.length === 0 ? `no listener on port ${port}` : list(all.map(describeOwner))}`,
  ]
  // One on `::` may leave IPv4 out.
  const certain = there.filter(({ local }) => (local as Endpoint).family === familyOf(address))
  if (certain.length > 0) {
    const cause = `nobody listened there when it was dialled; now ${list(certain.map(describeOwner))}`
    return { ...usual, cause, owners: certain, evidence }
  }
  const [elsewhere] = all
  if (!isOwn(address) || elsewhere === undefined) return { ...usual, evidence }
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
    evidence,
  }
}

/** What another host refuses has nothing to do with the listeners here. */
function isOwn(address: string): boolean {
  const { family } = toEndpoint(address, 0)
  return address.startsWith('127.') || address === WILDCARD[family] || ownAddressesOrNone().includes(address)
}

/** The cause is the accept queue only if connections wait in it now. */
export function unanswered(
  { kind }: Pick<Classification, 'kind'>,
  owners: SocketOwner[],
  usual: Circumstances,
): Circumstances {
  const waiting = owners.reduce((sum, { receiveQueue = 0 }) => sum + receiveQueue, 0)
  const evidence = owners.length === 0 ? [] : [`the socket table: ${list(owners.map(describeOwner))}`]
  if (waiting > 0) {
    return {
      cause: `the listener accepts nobody: ${waiting === 1 ? '1 connection waits' : `${waiting} connections wait`} in its accept queue`,
      owners,
      hints: ['see what keeps its event loop busy, or why it does not accept', ...usual.hints.slice(-1)],
      evidence: [...evidence, `${waiting} in the accept queue`],
    }
  }
  if (kind === 'given-up-by-node' && usual.cause === TIMED_OUT) return { ...BY_NODE, owners, evidence }
  return { ...usual, owners, evidence }
}

/** Of ETIMEDOUT, for which Node borrows the code of the kernel. */
export const TIMED_OUT =
  'one of: packets are dropped on the way; the accept queue of the listener is full; the peer does not acknowledge what was sent'

const BY_NODE = {
  cause:
    'Node gave up on this address after autoSelectFamilyAttemptTimeout, 250 ms unless set, and went on with the next one',
  hints: [
    'dial the address that answers',
    'raise the limit: net.setDefaultAutoSelectFamilyAttemptTimeout(), or autoSelectFamilyAttemptTimeout of the connect',
  ],
}

function hungUp({ code, message, error }: SocketFailure, usual: Circumstances): Circumstances {
  if (code === 'UND_ERR_SOCKET') return staleOrCut(error, usual)
  if (/^aborted/.test(message)) return { ...usual, cause: 'no reset: the message was aborted before its end' }
  return {
    ...usual,
    cause: `no reset: the connection ended before the answer. One of: the other end closed it, as a server does with a kept-alive connection that was idle for its keepAliveTimeout; the request was destroyed here`,
  }
}

/** undici puts what it knows of the socket into its error. */
function staleOrCut(error: unknown, usual: Circumstances): Circumstances {
  const { bytesRead } = ((error as { socket?: unknown }).socket ?? {}) as { bytesRead?: unknown }
  if (typeof bytesRead !== 'number' || bytesRead === 0) return usual
  return {
    ...usual,
    cause: `one of: the server closed a kept-alive connection that had answered before (${bytesRead} bytes read); it closed it before the response was complete`,
    hints: ['retry the request: the next one opens another connection', ...usual.hints],
    evidence: [`${bytesRead} bytes read on the connection`],
  }
}

function routeless(failure: SocketFailure, known: Classification, usual: Circumstances): Circumstances {
  const { address, code } = failure
  const owners = listenersAt(failure, known)
  if (code !== 'ENETUNREACH' || address === undefined) return { ...usual, owners }
  const family = familyOf(address)
  const own = ownAddressesOrNone().filter((each) => familyOf(each) === family && !isLocal(each))
  if (own.length > 0) return { ...usual, owners }
  return {
    cause: `this host has no address of ${family} beyond loopback, so there is no default route for ${address}`,
    owners,
    hints: [`dial an address of the other family`, 'look at the routes (ip route, ip -6 route)'],
    evidence: [`the addresses of this host: ${ownAddressesOrNone().join(', ') || 'none'}`],
  }
}

const isLocal = (address: string): boolean =>
  address.startsWith('127.') || address === '::1' || /^fe[89ab][0-9a-f]:/i.test(address)

function tooMany(usual: Circumstances): Circumstances {
  const { open, limit } = openFiles()
  if (limit === undefined) return usual
  const has =
    open === undefined ? 'this process has an unknown number of open files' : `this process has ${open} open files`
  return {
    ...usual,
    cause: `${has}, and its limit is ${limit} (ulimit -n); leaked sockets are the usual reason`,
    evidence: [`${open ?? 'an unknown number of'} open files, limit ${limit}`],
  }
}

/** A resolver that cannot open /etc/hosts, nor a socket, says that there is no such name. */
const WITHOUT_DNS = [
  'dial an address: tests on loopback need no names',
  'look at dns.getServers(), which resolve*() of node:dns asks',
]

function unresolved({ code, hostname = '' }: SocketFailure, usual: Circumstances): Circumstances {
  if (isOutOfDescriptors()) {
    return {
      ...usual,
      cause: 'this process has no descriptor left (ulimit -n), and the resolver finds no name without one',
      hints: ['close what is open: leaked sockets are the usual reason', ...usual.hints],
      evidence: ['no descriptor left'],
    }
  }
  if (code === 'ECONNREFUSED') {
    return { ...usual, cause: 'no name server listens at the addresses of dns.getServers()', hints: WITHOUT_DNS }
  }
  if (!/\.localhost\.?$/i.test(hostname)) return usual
  return {
    ...usual,
    cause: `${hostname} is a name below localhost: browsers and curl take it for loopback, the resolver of many systems does not`,
    hints: [
      "dial 127.0.0.1 and send the name in the Host header: fetch('http://127.0.0.1:PORT', { headers: { host: 'NAME' } }) of undici, or http.request()",
      `give ${hostname} a line in /etc/hosts`,
    ],
  }
}

const BLOCKED: Circumstances = {
  cause:
    'fetch refuses the number of the port itself, whatever listens there: nothing was sent (https://fetch.spec.whatwg.org/#port-blocking)',
  owners: [],
  hints: [
    'use another port: reservePort() and the listenHttp*() functions pick none that fetch refuses',
    'dial it with another client: http.request()',
  ],
}

function foreign({ code, message, syscall }: SocketFailure, { raisedBy }: Classification): Circumstances {
  if (raisedBy === 'kernel' || raisedBy === 'portside') {
    return {
      cause: `${syscall} is a call for a file or a program, and no socket has to do with it`,
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
        ? 'look for the code that makes this error'
        : `look at how ${raisedBy} is set up in this test: it says ${JSON.stringify(message.slice(0, 120))}`,
    ],
  }
}

/** Those that a dial of the address of a failure reaches. */
function listenersAt(failure: SocketFailure, { lookup }: Classification): SocketOwner[] {
  const endpoint = endpointOf(failure)
  return endpoint === undefined || isMulticast(failure) ? [] : (lookup.listeners(endpoint)?.reached ?? [])
}

export function ownAddressesOrNone(): string[] {
  try {
    return ownAddresses()
  } catch {
    // No descriptor left to ask with.
    return []
  }
}
