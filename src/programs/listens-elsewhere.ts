import { type Endpoint, formatEndpoint, LOOPBACK } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import type { Finder } from './finder.js'
import { describeListening, type ListensOn } from './listener.js'

interface Seen {
  /** Undefined if the system does not say. */
  readonly listensOn: ListensOn | undefined
  /** The endpoints of the wait. Empty if the program may listen anywhere. */
  readonly endpoints: readonly Endpoint[]
  readonly needs: Finder['needs']
  /** A listener was found, and another condition is missing. */
  readonly isFound: boolean
}

interface Elsewhere {
  readonly because?: string
  readonly next?: string
}

/** Where a program listens instead of the expected endpoint, and what to do about it. */
export function listensElsewhere(seen: Seen): Elsewhere | undefined {
  const { listensOn, endpoints, needs, isFound } = seen
  if (needs === 'an accept') return notAccepted(listensOn, endpoints, isFound)
  if (isFound) return undefined
  if (listensOn === undefined) return endpoints.length === 0 ? HIDDEN : { next: NOTHING }
  const places = endpoints.map(formatEndpoint).join(needs === 'all' ? ' and ' : ' or ')
  const waits = listensOn.places.length > 0 && places !== '' ? `; you wait on ${places}` : ''
  return { because: `${describeListening(listensOn)}${waits}`, next: adviceFor(listensOn, endpoints, needs) }
}

const HIDDEN: Elsewhere = {
  because: 'its sockets cannot be seen: it runs as another user, or has changed its user (proc_pid_fd(5))',
  next: 'pass the port on which it listens, or run the tests as its user or as root with CAP_SYS_PTRACE',
}

const NOTHING = 'check that the program reads PORT and find out why it does not listen, or pass a longer timeout'

/** The listening sockets that portside passed belong to the program from the start, so they are left out. */
function notAccepted(
  listensOn: ListensOn | undefined,
  endpoints: readonly Endpoint[],
  isFound: boolean,
): Elsewhere | undefined {
  const given = new Set(endpoints.map(formatEndpoint))
  const others = listensOn?.places.filter((place) => !given.has(printable(place))) ?? []
  const next = 'make it listen on descriptor 3, in Node by listen({ fd: 3 }), or leave by out'
  if (others.length > 0)
    return { because: `it listens on ${others.map(printable).join(' and ')} instead of descriptor 3`, next }
  return isFound ? undefined : { because: 'it accepts no connection on descriptor 3', next }
}

function adviceFor({ places, udp }: ListensOn, endpoints: readonly Endpoint[], needs: Finder['needs']): string {
  const tcp = places.filter((place): place is Endpoint => typeof place === 'object')
  const path = places.find((place) => typeof place === 'string')
  const [wanted] = endpoints
  if (tcp.length === 0 && path !== undefined)
    return `make the program listen on a TCP port: ${printable(path)} is a unix socket`
  if (tcp.length === 0 && udp.length > 0) return 'make the program listen on a TCP port: portside does not wait for UDP'
  if (wanted === undefined)
    return tcp.length > 0
      ? 'change match, or pass a longer timeout'
      : 'find out why the program does not listen, or pass a longer timeout'
  if (tcp.length === 0) return NOTHING
  const samePort = tcp.find(({ port }) => port === wanted.port)
  if (samePort === undefined)
    return "make the program listen on the port in PORT, or pass port: 'any' if it picks its own"
  const missing = endpoints.find(
    ({ address }) => !tcp.some((one) => one.port === wanted.port && one.address === address),
  )
  if (needs === 'all' && missing !== undefined && missing !== wanted)
    return `make the program also listen on ${missing.address}, or leave family out`
  const { address, family } = samePort
  const option = address === LOOPBACK[family] ? `family: '${family}'` : `host: '${address}'`
  return `pass ${option}, or make the program listen on ${wanted.address}`
}
