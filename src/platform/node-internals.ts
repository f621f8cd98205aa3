import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import type http from 'node:http'
import type net from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import type tls from 'node:tls'
import { type Runtime, runtime } from './runtime.js'

// Undocumented members of Node's objects. Each was checked on Node 20, 22, 24 and 26, and test/platform/node-internals.test.ts checks
// it on the Node that runs the tests. No other module in src reads such members.

/** The libuv object below a socket, with the members that portside reads. */
export interface SocketHandle {
  readonly constructor: { readonly name: string }
  /** -1 before the handle has a kernel socket and after it is closed, and always on Windows. */
  readonly fd?: number | undefined
  /** Bytes in libuv that the kernel has not accepted yet. */
  readonly writeQueueSize?: number
  hasRef?(): boolean
  unref?(): void
  close?(closed?: () => void): void
  readStop?(): void
  /** Calls listen(2) on a listener, even if it already listens. */
  listen?(backlog: number): number
  /** Bytes that libuv has read and was asked to write, including those of TLS and HTTP/2. */
  readonly bytesRead?: number
  readonly bytesWritten?: number
  /** The handle below a TLS handle. */
  readonly _parent?: SocketHandle | null
  /** Fills in the object. 0 means success. */
  getsockname?(name: object): number
  getpeername?(name: object): number
  /** In Bun, whose handles have these instead. Undefined without a kernel socket, and for a unix socket. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/** `_handle`: no public member has the descriptor, or shows whether the kernel has a socket. Null once closed. */
export function handleOf(owner: object | null | undefined): SocketHandle | null | undefined {
  return (owner as { _handle?: SocketHandle | null } | null | undefined)?._handle
}

/**
 * Whether a handle has a kernel socket. Its descriptor is -1 before it has one, and again as soon as it is closed, before 'close' is
 * emitted. A handle without descriptors, such as one for which a cluster's primary listens, counts as open until its owner is
 * destroyed. So do all handles on Windows, where `fd` is always -1.
 */
export function isHandleOpen(
  handle: SocketHandle | null | undefined,
  destroyed: boolean,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (handle == null) return false
  if (platform === 'win32' || typeof handle.fd !== 'number') return !destroyed
  return handle.fd >= 0
}

/** Whether a handle keeps its process alive: a socket has `ref()`, but no way to read it back. For TLS it asks the handle below. */
export function isRef(handle: SocketHandle | null | undefined): boolean {
  return (handle?.hasRef?.() ?? handle?._parent?.hasRef?.()) !== false
}

/** Stops reading from the kernel, so the socket does not see a reset. `pause()` stops only the stream above. */
export function stopReading(socket: net.Socket): void {
  handleOf(socket)?.readStop?.()
}

/** The handle of the kernel socket, below the handle of TLS. Null once closed. */
export function transportOf(socket: net.Socket): SocketHandle | null | undefined {
  let handle = handleOf(socket)
  while (handle?._parent != null) handle = handle._parent
  return handle
}

/**
 * The bytes that the transport of a socket has read and was asked to write. Deno's handles do not count them: there the socket has the
 * numbers, but those of a TLS socket leave out what TLS adds: undefined. Empty once closed.
 */
export function transferred(
  socket: net.Socket,
  of: Runtime = runtime(),
): Pick<SocketHandle, 'bytesRead' | 'bytesWritten'> | undefined {
  const transport = transportOf(socket)
  if (of !== 'Deno' || transport == null) return transport ?? {}
  if ((socket as Partial<tls.TLSSocket>).encrypted === true) return undefined
  return { bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten - socket.writableLength }
}

/**
 * The parsers of an HTTP/1 server that are between two messages, from the list that Node keeps for its timeouts. `bytesRead` of the
 * socket is no substitute: it counts the first bytes of a pipelined request with the previous request. Undefined for a server without
 * the list.
 */
export function parsersAtRest(server: net.Server): ReadonlySet<unknown> | undefined {
  connections ??= Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'http.server.connections',
  )
  const list = connections && (server as unknown as Record<symbol, { idle?(): unknown[] } | undefined>)[connections]
  return list?.idle === undefined ? undefined : new Set(list.idle())
}

let connections: symbol | undefined

/** `parser`: reads the requests of an accepted HTTP/1 socket. Null when it has finished. */
export function parserOf(socket: net.Socket): object | null | undefined {
  return (socket as { parser?: object | null }).parser
}

/**
 * The open streams of the HTTP/2 session on a socket. The session is recognized by its methods, because the key under which Node keeps
 * it differs between versions.
 */
export function http2StreamsOn(socket: net.Socket): Iterable<Duplex> {
  const session = http2SessionOn(socket)
  const key = session && Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state')
  const state = key && (session as Record<symbol, { streams?: Map<number, Duplex> } | undefined>)[key]
  return state?.streams?.values() ?? []
}

/** Whether an HTTP/2 session reads and writes on a socket. */
export const isOfHttp2 = (socket: net.Socket): boolean => http2SessionOn(socket) !== undefined

function http2SessionOn(socket: net.Socket): object | undefined {
  return Reflect.ownKeys(socket)
    .map((key) => Reflect.get(socket, key) as { goaway?: unknown } | null | undefined)
    .find((value) => typeof value === 'object' && typeof value?.goaway === 'function') as object | undefined
}

/** Hides the sessions of an HTTP/2 server until the undo: on Node 24 and newer its `close()` would close them. */
export function hideHttp2Sessions(server: net.Server): (() => void) | undefined {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'sessions')
  if (key === undefined) return undefined
  const holder = server as unknown as Record<symbol, unknown>
  const sessions = holder[key]
  holder[key] = new Set()
  return () => {
    holder[key] = sessions
  }
}

/** `_last`: the headers that were sent contain `Connection: close`. */
export function endsConnection(response: http.ServerResponse): boolean {
  return response.headersSent && (response as { _last?: boolean })._last === true
}

/** The private state of a datagram socket: reading `_handle` prints a deprecation (DEP0112). Null once closed. */
export function datagramHandle(socket: dgram.Socket): SocketHandle | null | undefined {
  datagramState ??= Object.getOwnPropertySymbols(socket).find(({ description = '' }) => DATAGRAM_STATE.has(description))
  const state =
    datagramState && (socket as unknown as Record<symbol, { handle?: SocketHandle | null } | undefined>)[datagramState]
  return state?.handle
}

let datagramState: symbol | undefined

/** In Node, and in Deno. */
const DATAGRAM_STATE: ReadonlySet<string> = new Set(['state symbol', 'kStateSymbol'])

/** `type`: the only member of an unbound datagram socket that shows its family. */
export function datagramType(socket: dgram.Socket): dgram.SocketType {
  return (socket as unknown as { type: dgram.SocketType }).type
}

/** The IPC channel: only `ref()` and `unref()` are documented, but it is a handle with a descriptor. */
export function channelOf(child: ChildProcess): SocketHandle | null | undefined {
  return child.channel as unknown as SocketHandle | null | undefined
}

/** `server`: an accepted socket has no public way back to its server. Null for a client. */
export function serverOf(socket: object): net.Server | null | undefined {
  return (socket as { server?: net.Server | null }).server
}

/** `_parent`: the raw socket below a TLS socket that a server made. Undefined for a client. */
export function rawSocketOf(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as { _parent?: net.Socket })._parent ?? undefined
}

/** `_connections`: getConnections() has the same number, but only in a callback. */
export function connectionCount(server: net.Server): number {
  return (server as { _connections?: number })._connections ?? 0
}

/** `_connectionKey`: set when a server is bound and never cleared. `listening` is false before, during and after. */
export function wasEverBound(server: net.Server): boolean {
  return (server as { _connectionKey?: string })._connectionKey !== undefined
}

/** Node keeps the key of a failed bind, so the server would look closed. */
export function forgetBind(server: net.Server): void {
  ;(server as { _connectionKey?: string | undefined })._connectionKey = undefined
}

/** The options that a server applies to each accepted socket: Node keeps them, but does not document the members. */
export function acceptOptionsOf(server: net.Server): net.ServerOpts {
  const { allowHalfOpen, pauseOnConnect, noDelay, keepAlive, keepAliveInitialDelay, highWaterMark } =
    server as unknown as Required<net.ServerOpts>
  const options = { allowHalfOpen, pauseOnConnect, noDelay, keepAlive, keepAliveInitialDelay, highWaterMark }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** `_httpMessage`: the current request of a pooled socket. An agent only shows which sockets are free. */
export function requestOn(socket: net.Socket): http.ClientRequest | undefined {
  return (socket as { _httpMessage?: http.ClientRequest | null })._httpMessage ?? undefined
}

/** `res`: otherwise only listeners of 'response' get the answer to a request. */
export function answerTo(request: object): http.IncomingMessage | undefined {
  return (request as { res?: http.IncomingMessage | null }).res ?? undefined
}

/** `agent`: a request has no documented way to its agent. */
export function agentOf(request: http.ClientRequest): http.Agent | undefined {
  return (request as { agent?: http.Agent }).agent
}

/** `_final`: sends the FIN. No public hook runs between `end()` and the FIN. */
export type Finishing = { _final: (done: (error?: Error | null) => void) => void }

/** `_writableState`: bytes of the chunk that the stream has passed to the handle. `writableLength` still counts them. */
export function bytesUnderWay(stream: Writable): number {
  const state = (stream as { _writableState?: { writelen?: number; writing?: boolean } })._writableState
  return state?.writing ? (state.writelen ?? 0) : 0
}

/** Sets `resetAndClosing`: every later `destroy()` resets the connection. `resetAndDestroy()` would act immediately. */
export function resetOnDestroy(socket: net.Socket): void {
  ;(socket as { resetAndClosing?: boolean }).resetAndClosing = true
}

/** `secureConnecting`: a TLS client is connected, but its handshake is not complete. */
export function isHandshaking(socket: net.Socket): boolean {
  return socket.connecting || (socket as { secureConnecting?: boolean }).secureConnecting === true
}

/** `_readableState.ended`: the other end has closed, even if the stream is not read to its end. */
export function hasReadEnd(socket: net.Socket): boolean {
  return (socket as unknown as { _readableState?: { ended?: boolean } })._readableState?.ended === true
}

/** Internal members of a timer. */
interface TimerState {
  readonly _destroyed?: boolean
  readonly _idleStart?: number
  readonly _idleTimeout?: number
}

/** Whether a timer has fired for the last time, or was cleared. */
export function isTimerOver(timer: NodeJS.Timeout): boolean {
  return (timer as TimerState)._destroyed === true
}

/** Milliseconds until a timer fires. A timer that starts now supplies the current time of the same clock. */
export function dueIn(timer: NodeJS.Timeout, started: NodeJS.Timeout): number {
  const { _idleStart = 0, _idleTimeout = 0 } = timer as TimerState
  return _idleStart + _idleTimeout - ((started as TimerState)._idleStart ?? 0)
}
