import dgram from 'node:dgram'
import { calledBy } from '../caller.js'
import { abortError } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, type Family, familyOf, LOOPBACK, toEndpoint } from '../loopback/endpoint.js'
import { bindAt, type Place, placeOf } from '../loopback/place.js'
import { isReservation } from '../loopback/port-reservation.js'
import { readOptions } from '../options.js'
import { datagramType } from '../platform/node-internals.js'
import { onAbort, refuseAborted } from '../signals.js'
import { checkDrainOptions, type Drain, type DrainOptions, startDrain } from '../sockets/drain.js'
import { closedBy } from '../sockets/infrastructure.js'
import { Pool } from '../sockets/pool.js'
import { turn } from '../timers.js'
import { type Binder, type Bound, bindTo, closedWhileListening } from './bind.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { UDP_CONNECT_SPEC, udpListenSpec } from './listen-options.js'
import { graceOf, ListeningServer } from './listening-server.js'
import type { ConnectOptions, ListenOptions, UdpTestServer } from './server.js'
import { askedOf, closeOf } from './stream-server.js'

/** Runs for each datagram. Answer through its `socket` argument: a dual server has two sockets. */
export type MessageHandler = (
  this: dgram.Socket,
  message: Buffer,
  from: dgram.RemoteInfo,
  socket: dgram.Socket,
) => void | Promise<void>

/**
 * Binds a UDP socket to a free port of loopback. Without a handler it echoes.
 *
 * A datagram socket has no connections (udp(7)): `connections` stays empty. `connect()` opens another socket with this one as its
 * peer. `close()` first delivers the datagrams that the kernel holds for this socket, and sends the datagrams that Node has queued.
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import { listenUdp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenUdp()
 * const client = await server.connect()
 * client.send('ping')
 * expect(String((await once(client, 'message'))[0])).toBe('ping')
 * ```
 * @see `docs/servers.md#udp`
 */
export function listenUdp(onMessage?: MessageHandler, options: ListenOptions = {}): Promise<UdpTestServer> {
  return calledBy(listenUdp, () => openUdp('listenUdp', onMessage, readOptions(options, udpListenSpec())))
}

/** The same for another opener, whose name a leak report shows. */
export async function openUdp(
  opener: string,
  onMessage: MessageHandler | undefined,
  options: ListenOptions,
): Promise<UdpTestServer> {
  const handler = handlerOr<MessageHandler>(onMessage, echoDatagram)
  validate(options)
  const place = await placeOf(options, 'udp')
  const taken = await takeSockets(place)
  const [socket = dgram.createSocket(typeFor(place.addresses.addresses[0] ?? LOOPBACK.IPv4)), second] = taken
  try {
    const bound = taken.length === 0 ? await bindAtPlace(socket, place, options) : adopted(socket, second)
    return serve(socket, bound, options, opener, handler)
  } catch (error) {
    await closeSocket(socket)
    throw error
  }
}

/** The sockets that hold a reserved port become the server's, so the port is never free in between. */
async function takeSockets({ reservation, addresses: { addresses } }: Place): Promise<dgram.Socket[]> {
  const taken = addresses.flatMap((address) => reservation?.takeSocket(address) ?? [])
  if (taken.length === addresses.length) return taken
  await Promise.all(taken.map(closeSocket))
  return []
}

function adopted(socket: dgram.Socket, second: dgram.Socket | undefined): Bound<dgram.Socket> {
  const sockets = second === undefined ? [socket] : [socket, second]
  return { second, endpoints: sockets.map((each) => toEndpoint(each.address().address, each.address().port)) }
}

/** Binds a datagram socket made elsewhere by the rules of `listenUdp()`. */
export async function listenOnSocket(
  socket: dgram.Socket,
  options: ListenOptions,
  { opener }: { readonly opener: string },
): Promise<UdpTestServer> {
  validate(options)
  const unsaid = options.host === undefined && options.family === undefined && !isReservation(options.port)
  const place = await placeOf(unsaid ? { ...options, family: familyOfSocket(socket) } : options, 'udp')
  return serve(socket, await bindAtPlace(socket, place, options), options, opener)
}

function validate(options: ListenOptions): void {
  checkDrainOptions(graceOf(options))
  refuseAborted(options.signal, askedOf(options))
}

function bindAtPlace(socket: dgram.Socket, place: Place, options: ListenOptions): Promise<Bound<dgram.Socket>> {
  const { addresses, bind } = place.addresses
  const own = familyOfSocket(socket)
  const mine = (address: string): boolean => familyOf(address) === own
  // A datagram socket keeps its family, so its own address comes first and a second socket takes the other address.
  const usable = bind === 'all' ? [...addresses.filter(mine), ...addresses.filter((other) => !mine(other))] : addresses
  const binder = datagramBinder(options.signal, askedOf(options))
  const ordered = { addresses: { addresses: usable, bind }, port: place.port }
  return bindAt(place, 'udp', () => bindTo(socket, ordered, binder))
}

function serve(
  socket: dgram.Socket,
  { endpoints, second }: Bound<dgram.Socket>,
  options: ListenOptions,
  opener: string,
  handler?: MessageHandler,
): UdpTestServer {
  for (const each of second === undefined ? [socket] : [socket, second]) closedBy(each, closeOf(opener))
  const own = familyOfSocket(socket)
  const handlerErrors = new HandlerErrors()
  second?.on('message', (message, from) => socket.emit('message', message, from))
  if (handler !== undefined) {
    const guarded = handlerErrors.guard(handler, () => {})
    socket.on('message', (message, from) => {
      const by = second !== undefined && from.family !== own ? second : socket
      guarded.call(by, message, from, by)
    })
  }
  return new DatagramServer(socket, second, endpoints, options, handlerErrors)
}

class DatagramServer extends ListeningServer<dgram.Socket> implements UdpTestServer {
  readonly connections = new Pool()
  protected readonly scheme = 'udp'
  readonly #second: dgram.Socket | undefined
  readonly #clients = new Set<dgram.Socket>()

  constructor(
    server: dgram.Socket,
    second: dgram.Socket | undefined,
    endpoints: readonly Endpoint[],
    options: ListenOptions,
    handlerErrors: HandlerErrors,
  ) {
    super(server, endpoints, options, { handlerErrors })
    this.#second = second
  }

  connect(options: ConnectOptions = {}): Promise<dgram.Socket> {
    return calledBy(this.connect, () => this.#dial(readOptions(options, UDP_CONNECT_SPEC)))
  }

  async #dial(options: ConnectOptions): Promise<dgram.Socket> {
    const asked = `connect to ${this.where}`
    refuseAborted(options.signal, asked)
    const to = this.dialled(options.family)
    const address = dialAddress(to)
    const client = dgram.createSocket(familyOf(address) === 'IPv6' ? 'udp6' : 'udp4')
    this.#clients.add(client)
    client.once('close', () => this.#clients.delete(client))
    // Node passes an error to the callback: https://nodejs.org/api/dgram.html#socketconnectport-address-callback
    await new Promise<void>((resolve, reject) => {
      client.connect(to.port, address, ((error?: Error) => (error ? reject(error) : resolve())) as () => void)
    })
    if (options.signal?.aborted) await closeSocket(client)
    refuseAborted(options.signal, asked)
    return client
  }

  protected startDrain(options: DrainOptions): Drain {
    const sockets = [this.server, ...(this.#second === undefined ? [] : [this.#second])]
    const source = {
      name: `the socket on ${this.where}`,
      // The kernel still holds datagrams for this socket. They are delivered first.
      connections: [],
      collect: () =>
        turn()
          .then(turn)
          .then(() => []),
      settled: async (expired: () => boolean) => {
        while (!expired() && sockets.some((socket) => isOpen(socket) && queued(socket) > 0)) await turn()
        await Promise.all([...sockets, ...this.#clients].map(closeSocket))
        // Node calls back before libuv has closed the handle, and lists it as an active resource until then.
        await turn()
        await turn()
      },
    }
    return startDrain(source, options)
  }
}

const typeFor = (address: string): dgram.SocketType => (familyOf(address) === 'IPv6' ? 'udp6' : 'udp4')

const familyOfSocket = (socket: dgram.Socket): Family => (datagramType(socket) === 'udp6' ? 'IPv6' : 'IPv4')

function echoDatagram(this: dgram.Socket, message: Buffer, from: dgram.RemoteInfo): void {
  this.send(message, from.port, from.address)
}

/** Deno has no such member: it passes a datagram to the kernel at once. */
const queued = (socket: dgram.Socket): number => (socket as Partial<dgram.Socket>).getSendQueueCount?.call(socket) ?? 0

function isOpen(socket: dgram.Socket): boolean {
  try {
    socket.address()
    return true
  } catch {
    // ERR_SOCKET_DGRAM_NOT_RUNNING, or EBADF if it was never bound.
    return false
  }
}

function closeSocket(socket: dgram.Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve())
    } catch {
      // ERR_SOCKET_DGRAM_NOT_RUNNING: the user's code has closed it.
      resolve()
    }
  })
}

function datagramBinder(signal: AbortSignal | undefined, asked: string): Binder<dgram.Socket> {
  return {
    async bind(socket, address, port) {
      await bound(socket, address, port, { signal, asked })
      const { address: actual, port: actualPort } = socket.address()
      return toEndpoint(actual, actualPort)
    },
    second: (address) => dgram.createSocket(typeFor(address)),
    close: closeSocket,
  }
}

function bound(
  socket: dgram.Socket,
  address: string,
  port: number,
  { signal, asked }: { signal: AbortSignal | undefined; asked: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown): void => {
      socket.off('listening', finish).off('error', finish).off('close', closed)
      forget()
      if (error === undefined) resolve()
      else reject(error)
    }
    const closed = (): void => finish(closedWhileListening(asked))
    const aborted = (): void => {
      finish(abortError(signal as AbortSignal, asked))
      void closeSocket(socket)
    }
    let forget = (): void => {}
    if (signal?.aborted) return aborted()
    socket.once('listening', finish).once('error', finish).once('close', closed)
    forget = onAbort(signal, aborted)
    try {
      socket.bind({ address, port, exclusive: true })
    } catch (error) {
      finish(error)
    }
  })
}
