import type net from 'node:net'
import { type Finishing, http2StreamsOn, resetOnDestroy, stopReading, transferred } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { pause, turn } from '../timers.js'
import { leaveAgent } from './agent.js'
import type { Connection } from './connection.js'
import type { Pair } from './registry.js'

/**
 * Closes a connection whose two ends are both in this process.
 *
 * The end that sends the first FIN keeps a TIME_WAIT for a minute, unless the other end answers with a reset
 * (RFC 9293 §3.6.1, §3.10.7.4). So the accepted end sends no FIN. When it has finished writing and the client has read
 * everything, portside ends the client's stream. The client closes, as for any server that hangs up. The accepted end reads up to
 * that FIN and then resets the connection. User code at both ends sees 'end' and 'close' as usual, and no error.
 */
export function closeTogether({ accepted, client }: Pair): void {
  const stream = accepted.stream as net.Socket & Finishing
  if (armed.has(stream) || !isCounted(accepted.socket, client)) return
  armed.add(stream)
  const undo = patch(
    stream,
    '_final',
    (final) => (done) => {
      undo()
      holding.add(stream)
      letGo(accepted, client)
        // The user has replaced methods of the client. The accepted end sends a FIN, as to a client of another process.
        .then(
          () => true,
          () => false,
        )
        .then((gone) => {
          holding.delete(stream)
          if (gone && !stream.destroyed) void resetWhenRead(accepted, done)
          else final.call(stream, done)
        })
    },
    'the FIN waits until the client at the other end, in this process, has closed',
  )
}

/** Without the numbers of bytes an end could close before the other has read everything. */
const isCounted = (...ends: readonly net.Socket[]): boolean => ends.every((end) => transferred(end) !== undefined)

/** True if neither end holds a byte that the other has not read. */
export function quiet({ accepted, client }: Pair): boolean {
  return (
    client.destroyed ||
    accepted.stream.destroyed ||
    (client.writableLength === 0 &&
      accepted.stream.writableLength === 0 &&
      hasRead(client, accepted.socket) &&
      hasRead(accepted.socket, client))
  )
}

/** Returns a check: has the accepted end read everything that the client had written at the time of this call? */
export function received({ accepted, client }: Pair): () => boolean {
  const asked = client.bytesWritten
  let written: number | undefined
  return () => {
    if (client.destroyed || accepted.stream.destroyed) return true
    // The client's handle, below TLS, counts bytes only when its stream passes them on.
    if (client.bytesWritten - client.writableLength < asked) return false
    written ??= transferred(client)?.bytesWritten ?? 0
    return (transferred(accepted.socket)?.bytesRead ?? written) >= written
  }
}

/**
 * Closes both ends at once, without an error at the client. The reset goes first: if the accepted end has sent its FIN, a FIN of
 * the client would leave the TIME_WAIT there. If the client still has unread data in the kernel, it keeps that data, and only the
 * accepted end is destroyed.
 */
export function destroyTogether({ accepted, client }: Pair): void {
  if (holding.has(accepted.stream) && !hasRead(accepted.socket, client)) {
    accepted.stream.destroy()
    return
  }
  stopReading(client)
  reset(accepted)
  client.destroy()
}

/** Resets the connection, or destroys it: a unix socket, and a socket that is sending its FIN, cannot be reset. */
export function reset(connection: Connection): boolean {
  const { socket, stream } = connection
  if (socket.destroyed) return false
  if (sendsFin(stream)) {
    stream.destroy()
    return false
  }
  try {
    // The raw socket, because a TLSSocket cannot be reset: https://github.com/nodejs/node/issues/49484
    socket.resetAndDestroy()
    return true
  } catch {
    // ERR_INVALID_HANDLE_TYPE: a pipe.
    stream.destroy()
    return false
  }
}

/** Counts below TLS and HTTP/2, so it is right for every protocol. A closed end has nothing to read. */
function hasRead(from: net.Socket, to: net.Socket): boolean {
  const { bytesWritten } = transferred(from) ?? {}
  const { bytesRead } = transferred(to) ?? {}
  return bytesWritten === undefined || bytesRead === undefined || bytesRead >= bytesWritten
}

/**
 * True while libuv runs a shutdown(2). A reset fails meanwhile (EINVAL), and Node then drops the handle without closing it.
 */
function sendsFin(stream: net.Socket): boolean {
  return stream.writableEnded && !stream.writableFinished && stream.writableLength === 0 && !holding.has(stream)
}

const armed = new WeakSet<net.Socket>()

/** Ended streams whose FIN is held back until the client has closed. */
const holding = new WeakSet<net.Socket>()

/** Turns of the event loop that a client has to close after its end of file. It needs three. */
const TURNS_TO_CLOSE = 8

/**
 * Makes the client close the connection; afterwards its side does not touch the kernel's socket again. Waits for a client that does
 * not read. If there is nothing to wait for, it acts within one tick, so the client cannot begin a request before its end of file.
 */
async function letGo(accepted: Connection, client: net.Socket): Promise<void> {
  const { stream } = accepted
  const waits = (): boolean =>
    !hasRead(accepted.socket, client) || (accepted.protocol.state() === 'http2' && reads(client))
  for (let turns = 0; !client.destroyed && !stream.destroyed && waits(); turns++) await pause(turns)
  // The deadline has passed. The client still has data to read in the kernel.
  if (stream.destroyed) return
  if (client.allowHalfOpen && !client.destroyed) {
    // A half-open client gets the end of the server's half, and ends its own half later.
    hangUp(client)
    await finished(client)
  }
  // An HTTP/2 client closes when it has read the GOAWAY, so it gets the turns for that.
  const hangUpAt = accepted.protocol.state() === 'http2' ? TURNS_TO_CLOSE : 0
  for (let turns = 0; turns < hangUpAt + TURNS_TO_CLOSE && !client.destroyed; turns++) {
    if (turns === hangUpAt) {
      // From here on, any code that destroys the accepted end resets it: an HTTP server, a TLS socket, the user's listener.
      resetOnDestroy(accepted.socket)
      leaveAgent(client)
      hangUp(client)
      // A TLS socket in its handshake would immediately answer the client's FIN with its own.
      if (accepted.protocol.state() === 'tls-handshake') reset(accepted)
    }
    await turn()
  }
  if (!client.destroyed) {
    if (client.readableLength > 0) {
      // All data is in the stream, and the user's code may still read it to the end.
      client.end()
      await turn()
    } else {
      client.destroy()
    }
  }
  await turn()
}

/** True while a stream of an HTTP/2 client is not read to its end, although the transport has delivered all of it. */
function reads(client: net.Socket): boolean {
  for (const { destroyed, readableEnded } of http2StreamsOn(client)) if (!destroyed && !readableEnded) return true
  return false
}

function finished(client: net.Socket): Promise<void> {
  if (client.writableFinished || client.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    client.once('finish', resolve).once('close', () => resolve())
  })
}

/** Ends the client's stream as a FIN of its peer would. Nothing more comes from the kernel. */
function hangUp(client: net.Socket): void {
  client.push(null)
  client.read(0)
  stopReading(client)
}

/** For a client that has closed: its FIN comes behind everything it wrote. */
async function resetWhenRead(accepted: Connection, done: () => void): Promise<void> {
  const { stream } = accepted
  resetOnDestroy(accepted.socket)
  done()
  if (stream.listenerCount('readable') === 0) stream.resume()
  await readToEnd(stream)
  await turn()
  reset(accepted)
}

function readToEnd(stream: net.Socket): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    stream.once('end', resolve).once('close', () => resolve())
  })
}
