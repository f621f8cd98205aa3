import net from 'node:net'
import { calledBy } from '../caller.js'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { list } from '../explanations/describe.js'
import { Lookup } from '../explanations/lookup.js'
import { openedAt } from '../explanations/opened-at.js'
import { thrown } from '../explanations/thrown.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import { readOptions } from '../options.js'
import { refuseDenied } from '../platform/permissions.js'
import { kindOfFile, longestUnixPath, makeUnixPath, unixPathExists, whyNoSocketName } from '../platform/unix-path.js'
import { describeOwner } from '../socket-table/owners.js'
import { closedBy } from '../sockets/infrastructure.js'
import { type TrackedServer, trackServer } from '../sockets/tracked-server.js'
import { listening } from './bind.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { unixListenSpec } from './listen-options.js'
import type { UnixEndpoint, UnixListenOptions, UnixTestServer } from './server.js'
import { closeOf, prepare, type Setup, StreamServer } from './stream-server.js'
import { abandonSocket, type ConnectionHandler, echo } from './tcp.js'

/**
 * Starts a server on a unix socket in a new private directory, or on a named pipe on Windows. Without a handler it echoes.
 *
 * `close()` removes the socket and the directory, and so does the exit of this process. If the process is killed, the next process
 * that calls `listenUnix()` removes them. With `path`, it listens there and makes no directory; only `close()` removes the socket.
 *
 * @throws EADDRINUSE if the path exists; the message says whether something listens on it
 * @throws ENAMETOOLONG if the path is longer than the kernel's field for it (unix(7))
 * @throws EACCES if the directory is missing or closed to you
 * @throws ERR_INVALID_ARG_TYPE if the handler is not a function, or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `path` contains a null byte or is a number
 * @throws ERR_OUT_OF_RANGE if `backlog` or `grace` is out of its range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ABORT_ERR if `signal` is aborted before the server is bound
 * @example
 * ```ts
 * import { text } from 'node:stream/consumers'
 * import { listenUnix } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenUnix((socket) => void socket.end('hello'))
 * expect(await text(await server.connect())).toBe('hello')
 * ```
 * @see `docs/servers.md#unix-sockets`
 */
export function listenUnix(onConnection?: ConnectionHandler, options: UnixListenOptions = {}): Promise<UnixTestServer> {
  return calledBy(listenUnix, async () => {
    const read = readOptions(options, unixListenSpec('listenUnix'))
    const handlerErrors = new HandlerErrors()
    const server = net.createServer()
    server.on('connection', handlerErrors.guard(handlerOr(onConnection, echo), abandonSocket))
    return listenOnPath(server, read, { opener: 'listenUnix', handlerErrors })
  })
}

export async function listenOnPath<S extends net.Server>(
  server: S,
  options: UnixListenOptions,
  setup: Setup,
): Promise<UnixTestServer<S>> {
  const backlog = prepare(server, options)
  for (const name of ['host', 'port', 'family'] as const) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) {
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        name,
        'undefined, because a path has no host, port or family',
        value,
      )
    }
  }
  if (options.path !== undefined) await refusePath(options.path)
  refuseDenied('net', `listen on ${options.path === undefined ? 'a unix socket' : printable(options.path)}`)
  const made = options.path === undefined ? await newPath() : undefined
  const path = options.path ?? (made?.path as string)
  try {
    const tracked = trackServer(server)
    if (backlog !== undefined) tracked.queue.backlog = backlog
    closedBy(server, closeOf(setup.opener))
    await listening(server, { path }, { backlog, signal: options.signal, asked: `listen on ${printable(path)}` })
    const release = made === undefined ? {} : { release: () => made.remove() }
    return new UnixServer(path, tracked, server, options, { ...setup, ...release }) as unknown as UnixTestServer<S>
  } catch (error) {
    await made?.remove()
    throw thrown(error, `listen on ${printable(path)}`)
  }
}

const newPath = (): ReturnType<typeof makeUnixPath> =>
  makeUnixPath().catch((error: unknown) => {
    throw thrown(error, 'make a directory for the unix socket')
  })

class UnixServer<S extends net.Server> extends StreamServer<S> {
  readonly path: string

  constructor(path: string, tracked: TrackedServer, server: S, options: UnixListenOptions, setup: Setup) {
    const endpoint: UnixEndpoint = { address: path, port: 0, family: 'Unix' }
    super(tracked, server, [endpoint as unknown as Endpoint], options, setup)
    this.path = path
  }

  override get url(): URL {
    const url = new URL(`unix:${this.path.split('/').map(encodeURIComponent).join('/')}`)
    // A URL takes what follows two slashes for its host, and resolves the dots of "/tmp/../s.sock". So these are encoded as one part.
    return decodeURIComponent(url.pathname) === this.path ? url : new URL(`unix:${encodeURIComponent(this.path)}`)
  }

  protected override target(): net.NetConnectOpts {
    return { path: this.path }
  }

  protected override get where(): string {
    return printable(this.path)
  }
}

async function refusePath(path: unknown): Promise<void> {
  if (typeof path !== 'string' || path === '') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'path', 'a string that is not empty', path)
  }
  // A leading null byte makes the path abstract (unix(7)). Node would cut off the path at any later one.
  if (path.indexOf('\0') > 0) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'path', 'a path without null bytes', path)
  }
  // net.Server takes a number for a port (`isPipeName` in Node's lib/net.js).
  if (Number(path) >= 0) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'path', 'a path that is not a number', path, `write ./${path}`)
  }
  const wrong = whyNoSocketName(path)
  if (wrong !== undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'path', `a name for a socket: ${wrong}`, path, 'leave path out')
  }
  const longest = longestUnixPath()
  const length = Buffer.byteLength(path)
  if (longest !== undefined && length > longest) {
    throw portsideError('ENAMETOOLONG', {
      headline: `Cannot listen on ${path}`,
      expected: `a path of at most ${longest} bytes`,
      actual: `${length}`,
      because: 'the kernel keeps the path of a socket in a field of fixed size (unix(7)), and Node would cut it off',
      next: 'leave path out, or use a shorter directory',
    })
  }
  if (!(await unixPathExists(path))) return
  const actual = await whatIsAt(path)
  const owners = actual === LISTENED_ON ? (new Lookup().owners(path, undefined) ?? []) : []
  const error = portsideError('EADDRINUSE', {
    headline: `Cannot listen on ${path}: EADDRINUSE (address already in use)`,
    expected: 'a path that does not exist',
    actual,
    owner: owners.length === 0 ? undefined : list(owners.map(describeOwner)),
    openedAt: owners.some(({ thisProcess }) => thisProcess) ? openedAt(path) : undefined,
    next:
      actual === LISTENED_ON
        ? 'leave path out to get a new one, or close the listener first'
        : 'leave path out to get a new one, or remove the file if its owner is gone',
  })
  throw Object.assign(error, { kind: 'conflict', owners, syscall: 'listen', address: path })
}

const LISTENED_ON = 'a socket that has a listener'

async function whatIsAt(path: string): Promise<string> {
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = net.connect({ path })
    socket
      .once('connect', () => resolve(socket.destroy() && undefined))
      .once('error', (error) => resolve(codeOf(error)))
  })
  if (code === undefined) return LISTENED_ON
  if (code === 'ECONNREFUSED') {
    const kind = kindOfFile(path)
    return kind === 'socket' ? 'a socket that its owner left behind: nothing listens on it' : `a ${kind}, not a socket`
  }
  return `a file, to which a connect fails with ${code}`
}
