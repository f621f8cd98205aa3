import { familyOf, formatEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { ownAddressesOrNone } from '../loopback/own-addresses.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { ephemeralRange, rangeSetting } from '../platform/ephemeral-range.js'
import { excludedRanges } from '../platform/excluded-ports.js'
import { hasLimitOfFiles, openFiles } from '../platform/open-files.js'
import { firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { describeOwner } from '../socket-table/owners.js'
import { type Circumstances, heldBy, openedHints } from './circumstances.js'
import { type Classification, endpointOf, isBinding, protocolOf } from './classify.js'
import { list } from './describe.js'
import type { Lookup } from './lookup.js'
import type { SocketFailure } from './socket-failure.js'

export function occupied(failure: SocketFailure, { lookup }: Classification, usual: Circumstances): Circumstances {
  const { address, port } = failure
  if (!port) return usual
  const protocol = protocolOf(failure)
  // A worker of a cluster does not know the address, so this looks at all of them.
  const place = address === undefined ? { port } : { address, port }
  const found = lookup.owners(place, protocol)
  const hints = protocol === 'udp' ? [SHARED_UDP, ...usual.hints] : usual.hints
  if (found === undefined) return { ...usual, hints }
  // TIME_WAIT does not block a bind: Node sets SO_REUSEADDR.
  const alive = found.filter(({ state }) => state !== 'TIME_WAIT')
  const owners = alive.length > 0 ? alive : found
  const looked = [
    `the socket table: ${owners.length === 0 ? `nothing on port ${port}` : list(owners.map(describeOwner))}`,
  ]
  const ephemeral = inEphemeralRange(port)
  if (owners.length === 0) {
    const cause =
      'one of: the socket that had it has closed since; a socket has it that is bound, but neither listens nor is connected, and no table shows these'
    return { cause, owners, hints: [...hints, ...ephemeral.hints], evidence: [...looked, ...ephemeral.evidence] }
  }
  const held = heldBy(owners, { ...usual, hints: [...hints, ...ephemeral.hints] })
  const client = owners.every(({ state, protocol }) => protocol === 'tcp' && state !== 'LISTEN')
  if (!client) return { ...held, evidence: [...looked, ...ephemeral.evidence] }
  return {
    cause: `${held.cause}: a connection uses it as its local port, and nothing listens there${ephemeral.cause}`,
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
  'to share a UDP port, create both sockets with { reuseAddr: true }; otherwise leave the port out: the kernel then picks a free one'

/** The kernel may give a fixed port of the ephemeral range to an outgoing connection at any time (ip(7), ip_local_port_range). */
function inEphemeralRange(port: number): { cause: string; hints: string[]; evidence: string[] } {
  const { first, last } = ephemeralRange()
  if (port < first || port > last) return { cause: '', hints: [], evidence: [] }
  return {
    cause: `; port ${port} lies in the ephemeral range, ${first} to ${last}, from which the kernel picks`,
    hints: [
      `use a fixed port outside the ephemeral range (${first} to ${last}): the kernel may give a port inside it to any outgoing connection`,
    ],
    evidence: [`the ephemeral range is ${first} to ${last}`],
  }
}

export function connectedAlready(failure: SocketFailure, { lookup }: Classification): Circumstances {
  const { address, port, local } = failure
  const peer = endpointOf(failure)
  const owners = local === undefined ? undefined : lookup.connections(local, { address, port })
  return {
    cause: `local port ${local?.port ?? 'of the socket'} already has a connection to ${peer === undefined ? 'this peer' : formatEndpoint(peer)}, open or in TIME_WAIT`,
    owners: owners ?? [],
    hints: ['leave localPort out: the kernel then picks a free one'],
  }
}

export function exhausted({ syscall }: SocketFailure, { lookup }: Classification, usual: Circumstances): Circumstances {
  const hints = [
    'close connections when you are done with them; drain() and close() leave no TIME_WAIT if both ends are in this process',
    `widen the range (${rangeSetting()}), or share connections`,
  ]
  // Only datagram sockets have the call 'bind' in Node, and they bind before they connect.
  const counted = lookup.ephemeralPorts(syscall === 'bind' ? 'udp' : 'tcp')
  if (counted === undefined) return { ...usual, cause: 'the ephemeral range has no port left for it', hints }
  const { first, last, size, inUse, timeWait, available } = counted
  const reserved = size - inUse - timeWait - available
  const counts = [
    `${inUse} ${inUse === 1 ? 'is' : 'are'} in use`,
    ...(reserved > 0 ? [`${reserved} reserved (net.ipv4.ip_local_reserved_ports)`] : []),
    `${timeWait} in TIME_WAIT`,
  ]
  const now = `of ${size}, ${counts.slice(0, -1).join(', ')} and ${counts.at(-1)}`
  // The current state is the cause only if the same call would fail now.
  const cause =
    available > 0
      ? `the ephemeral range, ${first} to ${last}, had no port left for it then; now, ${now}`
      : `the ephemeral range, ${first} to ${last}, has no port left for it: ${now}`
  return { cause, owners: [], hints, evidence: [`the socket table: ${inUse} of ${size} ports in use`] }
}

export function absent(failure: SocketFailure, { kind }: Classification, usual: Circumstances): Circumstances {
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
  // The current state is a cause only if the same call would fail now.
  if (own.includes(address)) return { ...usual, cause: `this host had no address ${address} then; it has it now` }
  const has = own.length === 0 ? '' : `; it has ${own.join(', ')}`
  const looked = own.length === 0 ? [] : [`the addresses of this host: ${own.join(', ')}`]
  const hints = isBinding(syscall) ? ['leave the host out for loopback', ...usual.hints] : usual.hints
  return { ...usual, cause: `this host has no address ${address}${has}`, hints: [...new Set(hints)], evidence: looked }
}

export function forbidden(
  failure: SocketFailure,
  { kind, lookup }: Classification,
  usual: Circumstances,
): Circumstances {
  const { port, syscall, address } = failure
  if (kind === 'privileged-port') {
    const start = firstUnprivilegedPort()
    return { ...usual, cause: `port ${port} is privileged: on this host, every user may bind ports from ${start} up` }
  }
  if (kind === 'excluded-range') return excluded(failure, lookup, usual)
  if (isBinding(syscall)) return { ...usual, cause: RULE }
  if (syscall === 'send' && address !== undefined && /\.255$/.test(address)) {
    return {
      ...usual,
      cause: `${address} is a broadcast address, or a route or a firewall forbids it`,
      hints: ['call socket.setBroadcast(true) before send()', ROUTE],
    }
  }
  const cause =
    'one of: a route prohibits it (ip route get ADDRESS); a firewall rejects it; the address is a broadcast address'
  return { ...usual, cause, hints: [ROUTE] }
}

const RULE =
  'one of: a security module of this host (SELinux, AppArmor) forbids the port to this process; the program runs in a sandbox'

const ROUTE = 'look at the route and the firewall of this host, or network namespace'

function excluded(failure: SocketFailure, lookup: Lookup, usual: Circumstances): Circumstances {
  const { address, port } = failure
  const protocol = protocolOf(failure) ?? 'tcp'
  const range = excludedRanges(protocol).find(({ first, last }) => port !== undefined && port >= first && port <= last)
  const hints = [
    `look at the excluded ranges: netsh int ipv4 show excludedportrange protocol=${protocol}`,
    'leave the port out: the system then picks one',
  ]
  if (range !== undefined) {
    const cause = `Windows keeps the ports ${range.first} to ${range.last} for another service, such as Hyper-V or WinNAT`
    return { ...usual, cause, hints }
  }
  // Windows refuses a port that another socket has exclusively with the same code (SO_EXCLUSIVEADDRUSE).
  const owners = (port && lookup.owners(address === undefined ? { port } : { address, port }, protocol)) || []
  if (owners.length > 0) return heldBy(owners, { ...usual, hints })
  const cause = 'one of: Windows keeps the port for another service; another process has bound it exclusively'
  return { ...usual, cause, hints }
}

export function withoutZone({ address }: SocketFailure): Circumstances {
  return {
    cause: `${address} is link-local and needs the zone of its interface`,
    owners: [],
    hints: [`give the address its zone: ${address}%eth0, with the name of the interface`],
  }
}

export function withoutInterface(failure: SocketFailure, usual: Circumstances): Circumstances {
  const joining = failure.syscall !== undefined && /membership/i.test(failure.syscall)
  return {
    ...usual,
    cause: joining
      ? 'one of: the host has no multicast route from which the kernel could pick the interface; no interface has the given address'
      : 'one of: the host has no multicast route; the multicast interface is not set',
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

export function tooMany(usual: Circumstances, { open, limit } = openFiles()): Circumstances {
  if (limit === undefined) return hasLimitOfFiles() ? usual : { ...usual, ...WITHOUT_LIMIT }
  const has =
    open === undefined ? 'this process has an unknown number of open files' : `this process has ${open} open files`
  // If there is room for more than the few that Node itself needs, the files were closed after the failure.
  const past = open !== undefined && open < limit - SPARE
  return {
    ...usual,
    cause: `${has}, and its limit is ${limit} (ulimit -n); ${past ? 'it was at the limit when the call failed' : 'leaked sockets are the usual reason'}`,
    evidence: [`${open ?? 'an unknown number of'} open files, limit ${limit}`],
  }
}

const WITHOUT_LIMIT = {
  cause: 'this process has no room for another socket; leaked sockets are the usual reason',
  hints: ['close what is open: findLeaks() lists it'],
}

/** Descriptors that a failed call may have given back since. */
const SPARE = 32
