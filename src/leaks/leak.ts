import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import { fstatSync } from 'node:fs'
import type net from 'node:net'
import { codeOf } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { type SocketDescriptor, socketDescriptors } from '../socket-table/socket-descriptors.js'
import type { SocketState } from '../socket-table/socket-entry.js'
import { howToCloseOf } from '../sockets/infrastructure.js'
import { connectionTuple, isPipe } from '../sockets/tuple.js'
import { framesOf, ownFunctions, type StackFrame, type Trace } from './stack.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'
import type { Tracker } from './tracker.js'

/** A socket that was opened and not closed. */
export interface SocketLeak {
  /**
   * `client` and `accepted` are the two ends of a TCP connection; `unix` is either end of a connection over a unix socket, a
   * named pipe, or a pipe to a child process; `untracked` is one that the kernel knows and no object of Node explains.
   */
  readonly kind: 'client' | 'accepted' | 'listener' | 'udp' | 'unix' | 'untracked'
  readonly local?: Endpoint | string | undefined
  readonly remote?: Endpoint | string | undefined
  readonly fd?: number | undefined
  readonly inode?: number | undefined
  /** Of the kernel, as in its tables: `ESTABLISHED`, `CLOSE_WAIT`. Linux only. */
  readonly state?: SocketState | undefined
  /**
   * The stack that opened it, innermost first, without Node, portside and the runner; of a pooled connection the stack of its
   * last request, of an accepted one that of its client.
   */
  readonly openedAt: readonly StackFrame[]
  /** Of an accepted connection. */
  readonly acceptedBy?: { readonly local: Endpoint | string; readonly openedAt: readonly StackFrame[] } | undefined
  /** The last request on a connection of a client pool: `GET /large`. */
  readonly request?: string | undefined
  /** The full name of the test that opened it, where one did. */
  readonly test?: string | undefined
  /** True where that test had ended when it was opened: by something that it has started and not waited for. */
  readonly late?: boolean | undefined
  /** The path of that test's file. */
  readonly file?: string | undefined
  /** The call that closes it: `socket.destroy()`. */
  readonly howToClose: string
}

/** Tells of tracked sockets, each beside its record. */
export function describeLeaks(records: readonly TrackedSocket[], tracker: Tracker): DescribedLeak[] {
  const known = descriptors()
  return records.map((record) => ({ record, leak: describe(record, tracker, known) }))
}

export interface DescribedLeak {
  readonly record: TrackedSocket
  readonly leak: SocketLeak
}

/** What no tracked socket explains. */
export function describeUntracked({ fd, inode, state, local, remote }: SocketDescriptor): SocketLeak {
  return {
    kind: 'untracked',
    local,
    remote,
    fd,
    inode,
    state,
    openedAt: [],
    howToClose:
      'the close function of whatever opened it: a native module, another thread, or a handle taken from its socket',
  }
}

function describe(record: TrackedSocket, tracker: Tracker, known: ReadonlyMap<number, SocketDescriptor>): SocketLeak {
  const fd = handlesOf(record).find((handle) => typeof handle.fd === 'number' && handle.fd >= 0)?.fd
  const inode = inodeOf(fd)
  const entry = inode === undefined ? undefined : known.get(inode)
  const owner = tracker.ownerOf(record)
  return {
    kind: kindOf(record),
    ...endsOf(record, entry),
    fd,
    inode,
    state: entry?.state,
    openedAt: framesOf(traceOf(record, tracker)),
    acceptedBy: acceptedBy(record),
    request: tracker.sendingOn(record)?.request,
    test: owner?.kind === 'test' ? owner.name : undefined,
    late: (record.kind === 'accepted' ? record.peer : record)?.late === true || undefined,
    file: owner?.file,
    howToClose: tracker.howToEnd(record) ?? howToClose(record),
  }
}

function kindOf({ kind, socket }: TrackedSocket): SocketLeak['kind'] {
  if (kind === 'child') return 'unix'
  return (kind === 'client' || kind === 'accepted') && isPipe(socket as net.Socket) ? 'unix' : kind
}

/** The ends of a socket as Node knows them, and as the kernel does if it was asked. */
export function endsOf(record: TrackedSocket, entry?: SocketDescriptor): Pick<SocketLeak, 'local' | 'remote'> {
  const { kind, socket } = record
  if (kind === 'child') return { local: `pipes to process ${(socket as ChildProcess).pid}` }
  if (kind === 'listener') return { local: addressOf(socket as net.Server) }
  const { local, remote } = connectionTuple(socket as net.Socket | dgram.Socket)
  // A socket whose handle was taken away has no address of its own any more; the kernel has.
  if (local !== '' || entry === undefined) return { local, remote }
  return { local: entry.local ?? local, remote: entry.remote }
}

function addressOf(server: net.Server): Endpoint | string {
  const address = server.address()
  if (address === null) return ''
  return typeof address === 'string' ? address : { ...address, family: address.family as Endpoint['family'] }
}

/** The trace that says the most of where it comes from. */
export function traceOf(record: TrackedSocket, tracker: Tracker): Trace | undefined {
  if (record.kind === 'accepted') return record.peer && traceOf(record.peer, tracker)
  const sent = tracker.sendingOn(record)
  if (sent === undefined || framesOf(sent.trace).length > 0) return sent?.trace ?? record.trace
  // Where somebody else opened it is not where it was left open.
  return sent.owner === record.owner ? record.trace : undefined
}

function acceptedBy({ kind, listener, socket }: TrackedSocket): SocketLeak['acceptedBy'] {
  const server = (socket as { server?: net.Server | null }).server
  if (kind !== 'accepted' || server == null) return undefined
  // A closed listener has no address, and its connections still have the same at their own end.
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

/** What portside opened is closed by the object that portside gave for it. */
function howToClose({ kind, trace, socket }: TrackedSocket): string {
  const ours = ownFunctions(trace).findLast((name) => OPENERS.test(name))
  if (ours !== undefined && kind !== 'accepted') return `${CLOSERS[ours] ?? 'close()'} of what ${ours}() gave`
  const told = howToCloseOf(socket)
  if (told !== undefined) return told
  switch (kind) {
    case 'listener':
      return 'server.close()'
    case 'udp':
      return 'socket.close()'
    case 'child':
      return (socket as ChildProcess).exitCode === null
        ? 'child.kill()'
        : 'child.stdout.destroy(), and so for its other pipes'
    case 'accepted':
      return 'socket.destroy(), or the end of its client'
    default:
      return 'socket.destroy()'
  }
}

const OPENERS = /^(?:listen(?:Tcp|Tls|Https?|Http2|Udp|Unix)?|reservePorts?|spawnListening|\w+Endpoint)$/
const CLOSERS: Readonly<Record<string, string>> = {
  reservePort: 'release()',
  reservePorts: 'release()',
  spawnListening: 'stop()',
}

/** What the kernel says of the sockets of this process, by inode; nothing where it does not say. */
function descriptors(): ReadonlyMap<number, SocketDescriptor> {
  try {
    return new Map(socketDescriptors().map((descriptor) => [descriptor.inode, descriptor]))
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return new Map()
  }
}

function inodeOf(fd: number | undefined): number | undefined {
  try {
    return fd === undefined ? undefined : fstatSync(fd).ino
  } catch {
    // EBADF: closed meanwhile.
    return undefined
  }
}
