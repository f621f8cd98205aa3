import type net from 'node:net'
import { type Finishing, http2StreamsOn, resetOnDestroy, stopReading, transportOf } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { pause, turn } from '../timers.js'
import { leaveAgent } from './agent.js'
import type { Connection } from './connection.js'
import type { Pair } from './registry.js'

/**
 * Closing a connection whose two ends both live in this process.
 *
 * Whoever sends the first FIN is left with a TIME_WAIT for a minute, unless the other end answers it with a reset
 * (RFC 9293 §3.6.1, §3.10.7.4). Both ends are in our hands, so the accepted end never sends a FIN: when it is done
 * writing and the client has read everything, the client's stream gets its end of file from us; the client closes, as
 * it does for any server that hangs up; the accepted end reads up to that FIN and then resets a connection that nobody
 * uses any more. User code at both ends sees 'end' and 'close' as ever, and no error.
 */
export function closeTogether({ accepted, client }: Pair): void {
  const stream = accepted.stream as net.Socket & Finishing
  if (armed.has(stream)) return
  armed.add(stream)
  const undo = patch(
    stream,
    '_final',
    (final) => (done) => {
      undo()
      holding.add(stream)
      letGo(accepted, client)
        // A client whose methods its user has replaced: a FIN of our own, as for a client we cannot see.
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

/** Neither end holds a byte that the other has not read. */
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

/** Tells whether the accepted end has read what the client had written when this was called. */
export function received({ accepted, client }: Pair): () => boolean {
  const asked = client.bytesWritten
  let written: number | undefined
  return () => {
    if (client.destroyed || accepted.stream.destroyed) return true
    // What waits in the client's stream is counted by its handle, below TLS, when the handle gets it.
    if (client.bytesWritten - client.writableLength < asked) return false
    written ??= transportOf(client)?.bytesWritten ?? 0
    return (transportOf(accepted.socket)?.bytesRead ?? written) >= written
  }
}

/**
 * Ends both sides at once, without an error at the client. The reset goes first: a FIN of the client would meet an end
 * that has sent its own, and leave the TIME_WAIT there. A client that still has all that was written to read in the
 * kernel keeps it: only its other end goes.
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

/** Resets the connection where it can be: unix sockets know no reset, nor does one that sends its FIN now. */
export function reset(connection: Connection): boolean {
  const { socket, stream } = connection
  if (socket.destroyed) return false
  if (sendsFin(stream)) {
    stream.destroy()
    return false
  }
  try {
    // The raw socket, for a TLSSocket refuses: https://github.com/nodejs/node/issues/49484
    socket.resetAndDestroy()
    return true
  } catch {
    // ERR_INVALID_HANDLE_TYPE: a pipe.
    stream.destroy()
    return false
  }
}

/** Below TLS and HTTP/2, so that it is right for every protocol. Of an end that is closed there is nothing to read. */
function hasRead(from: net.Socket, to: net.Socket): boolean {
  const { bytesWritten } = transportOf(from) ?? {}
  const { bytesRead } = transportOf(to) ?? {}
  return bytesWritten === undefined || bytesRead === undefined || bytesRead >= bytesWritten
}

/**
 * True while libuv carries out a shutdown(2). It refuses a reset meanwhile (EINVAL), and Node then drops the handle
 * without closing it.
 */
function sendsFin(stream: net.Socket): boolean {
  return stream.writableEnded && !stream.writableFinished && stream.writableLength === 0 && !holding.has(stream)
}

const armed = new WeakSet<net.Socket>()

/** Ended streams whose FIN is held back until the client has let go. */
const holding = new WeakSet<net.Socket>()

/** Turns of the event loop that a client gets to close by itself after its end of file; it needs three. */
const TURNS_TO_CLOSE = 8

/**
 * Makes the client let go of the connection: afterwards nothing at its side touches the kernel's socket again. A client that
 * does not read is waited for. Within one tick if there is nothing to wait for, so that the client cannot begin anything
 * between the last look at it and its end of file.
 */
async function letGo(accepted: Connection, client: net.Socket): Promise<void> {
  const { stream } = accepted
  const waits = (): boolean =>
    !hasRead(accepted.socket, client) || (accepted.protocol.state() === 'http2' && reads(client))
  for (let turns = 0; !client.destroyed && !stream.destroyed && waits(); turns++) await pause(turns)
  // The deadline came. The client still has everything to read in the kernel.
  if (stream.destroyed) return
  if (client.allowHalfOpen && !client.destroyed) {
    // Its user has the end of what we say, and says when it has said its own.
    hangUp(client)
    await finished(client)
  }
  // The GOAWAY tells an HTTP/2 client, and it closes by itself, given the turns to read it.
  const hangUpAt = accepted.protocol.state() === 'http2' ? TURNS_TO_CLOSE : 0
  for (let turns = 0; turns < hangUpAt + TURNS_TO_CLOSE && !client.destroyed; turns++) {
    if (turns === hangUpAt) {
      // Whatever destroys the accepted end from here on resets it: an HTTP server, a TLS socket, the user's listener.
      resetOnDestroy(accepted.socket)
      leaveAgent(client)
      hangUp(client)
      // Answering the client's FIN with one of its own is the first that an unfinished TLS socket would do.
      if (accepted.protocol.state() === 'tls-handshake') reset(accepted)
    }
    await turn()
  }
  if (!client.destroyed) {
    if (client.readableLength > 0) {
      // All that came is in the stream, and its user may yet read it up to the end.
      client.end()
      await turn()
    } else {
      client.destroy()
    }
  }
  await turn()
}

/** A stream of an HTTP/2 client has not been read to its end, though the transport has given all of it. */
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

/** What the client's stream would see, had its peer sent a FIN. The kernel has nothing more to say to it. */
function hangUp(client: net.Socket): void {
  client.push(null)
  client.read(0)
  stopReading(client)
}

/** The client has closed: its FIN stands behind all that it wrote. */
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
