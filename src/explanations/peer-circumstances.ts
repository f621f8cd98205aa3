import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, familyOf, formatEndpoint, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { ownAddressesOrNone } from '../loopback/own-addresses.js'
import { hostsFile } from '../platform/hosts-file.js'
import { isOutOfDescriptors } from '../platform/open-files.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { type Circumstances, listenersAt } from './circumstances.js'
import { type Classification, endpointOf, protocolOf } from './classify.js'
import { list } from './describe.js'
import type { SocketFailure } from './socket-failure.js'

export function refused(failure: SocketFailure, known: Classification, usual: Circumstances): Circumstances {
  const endpoint = endpointOf(failure)
  if (endpoint === undefined || protocolOf(failure) !== 'tcp') return usual
  const { address, port } = endpoint
  const { reached: there, all } = known.lookup.listeners(endpoint) ?? { reached: [], all: [] }
  const own = isOwn(address)
  const seen = all.length === 0 ? `no listener on port ${port}` : list(all.map(describeOwner))
  const evidence = own ? [`the socket table: ${seen}`] : []
  // A listener on `::` may not accept IPv4.
  const certain = there.filter(({ local }) => (local as Endpoint).family === familyOf(address))
  if (certain.length > 0) {
    const cause = `nothing listened there when you tried; now ${list(certain.map(describeOwner))}`
    return { ...usual, cause, owners: certain, evidence }
  }
  const [elsewhere] = all
  if (!own || elsewhere === undefined) return { ...usual, evidence }
  const local = elsewhere.local as Endpoint
  const only = there.length > 0 ? ', and does not accept IPv4 (ipv6Only), or started later' : ''
  const other =
    familyOf(address) === local.family
      ? `listen on ${address}`
      : "listen on both families ({ family: 'dual' }): localhost may be either, in either order"
  return {
    cause: `you tried ${address}, the listener is on ${local.address}${only}`,
    owners: [elsewhere],
    hints: [
      `connect to ${formatEndpoint({ ...local, address: dialAddress(local) })}, or ${other}`,
      ...usual.hints.slice(1),
    ],
    evidence,
  }
}

/** A refusal of another host has nothing to do with the listeners here. */
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
      cause: `the listener accepts no connections: ${waiting === 1 ? '1 connection waits' : `${waiting} connections wait`} in its accept queue`,
      owners,
      hints: ['see what keeps its event loop busy, or why it does not accept', ...usual.hints.slice(-1)],
      evidence: [...evidence, `${waiting} in the accept queue`],
    }
  }
  if (kind === 'given-up-by-node' && usual.cause === TIMED_OUT) return { ...BY_NODE, owners, evidence }
  return { ...usual, owners, evidence }
}

/** The cause of ETIMEDOUT. Node uses this code of the kernel for its own timeouts too. */
export const TIMED_OUT =
  'one of: packets are dropped on the way; the accept queue of the listener is full; the peer does not acknowledge what was sent'

const BY_NODE = {
  cause: 'Node gave up on this address after autoSelectFamilyAttemptTimeout, 250 ms unless set, and tried the next one',
  hints: [
    'connect to the address that answers',
    'raise the limit: net.setDefaultAutoSelectFamilyAttemptTimeout(), or autoSelectFamilyAttemptTimeout of the connect',
  ],
}

export function hungUp({ code, message, error }: SocketFailure, usual: Circumstances): Circumstances {
  if (code === 'UND_ERR_SOCKET') return staleOrCut(error, usual)
  if (/^aborted/.test(message)) return { ...usual, cause: 'not a reset: the message was aborted before its end' }
  return {
    ...usual,
    cause: `not a reset: the connection closed before the answer. One of: the other end closed it, as a server does when a kept-alive connection is idle for its keepAliveTimeout; the request was destroyed here`,
  }
}

/** The error of undici has counters of the socket. */
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

export function routeless(failure: SocketFailure, known: Classification, usual: Circumstances): Circumstances {
  const { address, code } = failure
  const owners = listenersAt(failure, known)
  if (code !== 'ENETUNREACH' || address === undefined) return { ...usual, owners }
  const family = familyOf(address)
  const own = ownAddressesOrNone().filter((each) => familyOf(each) === family && !isLocal(each))
  if (own.length > 0) return { ...usual, owners }
  return {
    cause: `this host has no ${family} address except loopback, so there is no default route for ${address}`,
    owners,
    hints: ['connect to an address of the other family', 'look at the routes (ip route, ip -6 route)'],
    evidence: [`the addresses of this host: ${ownAddressesOrNone().join(', ') || 'none'}`],
  }
}

const isLocal = (address: string): boolean =>
  address.startsWith('127.') || address === '::1' || /^fe[89ab][0-9a-f]:/i.test(address)

/** EINVAL of a call other than a bind. */
export const INVALID_DIAL = {
  cause: 'one of: the route is a blackhole; the socket was connected before; the address is of another family',
  hints: ['look at the route (ip route get ADDRESS)', 'use a new socket for each connect'],
}

/** Without a descriptor the resolver can open neither /etc/hosts nor a socket, and reports that the name does not exist. */
export function unresolved({ code, hostname = '' }: SocketFailure, usual: Circumstances): Circumstances {
  if (isOutOfDescriptors()) {
    return {
      ...usual,
      cause: 'this process has no descriptor left (ulimit -n), and the resolver needs one to look up a name',
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
    cause: `${hostname} is a name below localhost: browsers and curl resolve it to loopback, many system resolvers do not`,
    hints: [
      "connect to 127.0.0.1 and send the name in the Host header: fetch('http://127.0.0.1:PORT', { headers: { host: 'NAME' } }) of undici, or http.request()",
      `add ${hostname} to ${hostsFile()}`,
    ],
  }
}

const WITHOUT_DNS = [
  'connect to an address: tests on loopback need no names',
  'check dns.getServers(): resolve*() of node:dns asks these servers',
]

export const BLOCKED: Circumstances = {
  cause: 'this port is on the block list of fetch, so nothing was sent (https://fetch.spec.whatwg.org/#port-blocking)',
  owners: [],
  hints: [
    'use another port: reservePort() and the listenHttp*() functions never pick a port that fetch blocks',
    'connect with another client: http.request()',
  ],
}
