import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import type net from 'node:net'
import { codeOf } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { socketInode } from '../platform/descriptor-inode.js'
import { isOfHttp2, serverOf } from '../platform/node-internals.js'
import { isPipe } from '../platform/node-objects.js'
import { runtime } from '../platform/runtime.js'
import { type SocketDescriptor, socketDescriptors } from '../socket-table/socket-descriptors.js'
import { howToCloseOf } from '../sockets/infrastructure.js'
import { connectionTuple } from '../sockets/tuple.js'
import { howToClose } from './how-to-close.js'
import type { NativeSocket } from './natives.js'
import type { Origins } from './origins.js'
import type { Owner } from './owner.js'
import { closedTogether } from './same-client.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf } from './stack.js'
import type { Trace } from './trace.js'
import { handlesOf, type Trackable, type TrackedSocket } from './tracked-socket.js'

export function describeLeaks(records: readonly TrackedSocket[], origins: Origins): DescribedLeak[] {
  const known = descriptors()
  const described = records.flatMap((record) =>
    record.socket ? { record, leak: describe(record, origins, known) } : [],
  )
  return closedTogether(described)
}

export interface DescribedLeak {
  readonly record: TrackedSocket
  readonly leak: SocketLeak
}

/** For a socket that no tracked socket explains. */
export function describeUntracked({ descriptor, origin }: NativeSocket): SocketLeak {
  const { fd, inode, state, local, remote } = descriptor
  return {
    kind: 'untracked',
    local,
    remote,
    fd,
    inode,
    state,
    openedAt: framesOf(origin?.trace),
    ...(origin && { test: nameOfTest(origin.owner), file: origin.owner?.file, late: origin.late || undefined }),
    howToClose: origin?.howToClose ?? `the close function of the code that opened it: ${OTHER_CODE}`,
  }
}

const OTHER_CODE =
  runtime() === 'Node'
    ? 'a native module, another thread, or a handle taken from its socket'
    : 'an EventSource, a worker, a native module'

function describe(record: TrackedSocket, origins: Origins, known: ReadonlyMap<number, SocketDescriptor>): SocketLeak {
  const fd = handlesOf(record).find((handle) => typeof handle.fd === 'number' && handle.fd >= 0)?.fd
  const inode = inodeOf(fd)
  const entry = inode === undefined ? undefined : known.get(inode)
  const owner = origins.ownerOf(record)
  const openedAt = framesOf(traceOf(record, origins))
  return {
    kind: kindOf(record),
    ...endsOf(record, entry),
    fd,
    inode,
    state: entry?.state,
    openedAt,
    acceptedBy: acceptedBy(record),
    request: origins.sendingOn(record)?.request,
    test: nameOfTest(owner),
    late: isLate(record, origins) || undefined,
    file: owner?.file,
    howToClose: callThatCloses(record, openedAt, origins),
  }
}

function isLate(record: TrackedSocket, origins: Origins): boolean | undefined {
  if (record.kind !== 'accepted') return record.late
  return record.peer?.late ?? origins.nativeClientOf(record)?.late
}

/** A test has no name where its runner does not tell it. */
const nameOfTest = (owner: Owner | undefined): string | undefined =>
  owner?.kind === 'test' && owner.name !== '' ? owner.name : undefined

function kindOf({ kind, socket }: TrackedSocket): SocketLeak['kind'] {
  if (kind === 'child') return 'unix'
  return (kind === 'client' || kind === 'accepted') && isPipe(socket as net.Socket) ? 'unix' : kind
}

/** The ends of a socket as Node knows them, or else as the kernel does, if it was asked. */
export function endsOf(record: TrackedSocket, entry?: SocketDescriptor): Pick<SocketLeak, 'local' | 'remote'> {
  const { kind, socket } = record
  if (kind === 'child') return { local: `pipes to process ${(socket as ChildProcess).pid}` }
  if (kind === 'listener') return { local: addressOf(socket as net.Server) }
  const { local, remote } = connectionTuple(socket as net.Socket | dgram.Socket)
  // A socket whose handle was taken away has no address any more, but the kernel has it.
  if (local !== '' || entry === undefined) return { local, remote }
  return { local: entry.local ?? local, remote: entry.remote }
}

function addressOf(server: net.Server): Endpoint | string {
  const address = server.address()
  if (address === null) return ''
  return typeof address === 'string' ? address : { ...address, family: address.family as Endpoint['family'] }
}

/** The trace that says most about where the socket comes from. */
export function traceOf(record: TrackedSocket, origins: Origins): Trace | undefined {
  if (record.kind === 'accepted') {
    return record.peer === undefined ? origins.nativeClientOf(record)?.trace : traceOf(record.peer, origins)
  }
  const sent = origins.sendingOn(record)
  if (sent === undefined || sent.trace.length > 0) return sent?.trace ?? record.trace
  // If another test opened it, that place is not where it was left open.
  return sent.owner === record.owner ? record.trace : undefined
}

function acceptedBy({ kind, listener, socket }: TrackedSocket): SocketLeak['acceptedBy'] {
  const server = serverOf(socket as net.Socket)
  if (kind !== 'accepted' || server == null) return undefined
  // A closed listener has no address. Its connections still have it at their own end.
  const { localAddress: address, localPort: port } = socket as net.Socket
  const local = addressOf(server)
  return {
    local:
      local === '' && address !== undefined && port !== undefined
        ? (connectionTuple(socket as net.Socket).local as Endpoint)
        : local,
    openedAt: framesOf(listener?.trace),
  }
}

/** In the API that opened the socket: of portside, a package, or Node. */
function callThatCloses(record: TrackedSocket, openedAt: SocketLeak['openedAt'], origins: Origins): string {
  const { kind, socket } = record
  const told = howToCloseOf(socket as Trackable)
  if (told !== undefined) return told
  const idle = origins.isIdle(record)
  const ofPackage = kind === 'client' || kind === 'listener' ? howToClose({ kind, openedAt, idle }) : undefined
  return ofPackage ?? origins.howToEnd(record) ?? callOfNode(record)
}

function callOfNode({ kind, socket }: TrackedSocket): string {
  switch (kind) {
    case 'listener':
      return 'server.close()'
    case 'udp':
      return 'socket.close()'
    case 'child':
      return (socket as ChildProcess).exitCode === null
        ? 'child.kill()'
        : 'child.stdout.destroy(), and destroy() of its other pipes'
    case 'accepted':
      return 'socket.destroy(), or close its client'
    default:
      return isOfHttp2(socket as net.Socket) ? 'session.close()' : 'socket.destroy()'
  }
}

/** The kernel's entries for the sockets of this process, by inode. Empty where the kernel has no such table. */
function descriptors(): ReadonlyMap<number, SocketDescriptor> {
  try {
    return new Map(
      socketDescriptors().flatMap((descriptor) =>
        descriptor.inode === undefined ? [] : [[descriptor.inode, descriptor]],
      ),
    )
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return new Map()
  }
}

function inodeOf(fd: number | undefined): number | undefined {
  try {
    return fd === undefined ? undefined : socketInode(fd) || undefined
  } catch {
    // EBADF: closed meanwhile.
    return undefined
  }
}
