import type net from 'node:net'
import { type Finishing, resetOnDestroy, stopReading } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { now, setTimeout, turn } from '../timers.js'
import type { Connection } from './connection.js'
import type { Pair } from './registry.js'

/**
 * Closing a connection whose two ends both live in this process.
 *
 * Whoever sends the first FIN is left with a TIME_WAIT for a minute, unless the other end answers it with a reset
 * (RFC 9293 §3.6.1, §3.10.7.4). Both ends are in our hands, so the accepted end never sends a FIN: when it is done
 * writing and the client has read everything, the client's stream gets its end of file from us; the client closes, as
 * it does for any server that hangs up; the accepted end reads that FIN and then resets a connection that nobody
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
      letGo(accepted, client).then(
        (verdict) => {
          holding.delete(stream)
          if (stream.destroyed) final.call(stream, done)
          else if (verdict === 'gone') resetWhenDone(accepted, done)
          else final.call(stream, (error) => leave(accepted, error, done))
        },
        // A client whose methods its user has replaced: a FIN of our own, as for a client we cannot see.
        () => {
          holding.delete(stream)
          final.call(stream, done)
        },
      )
    },
    'the FIN waits until the client at the other end, in this process, has closed',
  )
}

/**
 * Ends both sides at once, without an error at the client. The reset goes first: a FIN of the client would meet an end
 * that has sent its own, and leave the TIME_WAIT there.
 */
export function destroyTogether({ accepted, client }: Pair): void {
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

/**
 * Waits until all that one end wrote has been read by the other. False where the reader has stopped reading, so that
 * nobody can say when it will.
 */
export async function delivered(from: net.Socket, to: net.Socket): Promise<boolean> {
  let missingBefore = -1
  let since = now()
  for (let turns = 0; ; turns++) {
    if (from.destroyed || to.destroyed) return true
    const missing = from.bytesWritten - to.bytesRead
    if (missing <= 0) return true
    if (missing !== missingBefore) {
      missingBefore = missing
      since = now()
    } else if (now() - since > STALLED) {
      return false
    }
    await pause(turns)
  }
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

/** A reader that took nothing for so many milliseconds is held up by its user, not by the machine. */
const STALLED = 100

/** Turns of the event loop that a client gets to close by itself after its end of file; it needs three. */
const TURNS_TO_CLOSE = 8

/**
 * Makes the client let go of the connection.
 * - `gone`: nothing at the client's side will touch the kernel's socket again.
 * - `stalled`: its user has stopped reading, so the rest must wait in the kernel for it.
 */
async function letGo(accepted: Connection, client: net.Socket): Promise<'gone' | 'stalled'> {
  // An HTTP/2 session reads and writes below its sockets, whose counts stand still. Its GOAWAY tells the client, which
  // then closes by itself, given the turns to read it.
  const http2 = accepted.protocol.state() === 'http2'
  if (!http2 && !(await delivered(accepted.stream, client))) return 'stalled'
  if (client.allowHalfOpen && !client.destroyed) {
    // Its user has the end of what we say, and says when it has said its own.
    hangUp(client)
    await finished(client)
  }
  const hangUpAt = http2 ? TURNS_TO_CLOSE : 1
  for (let turns = 0; turns < hangUpAt + TURNS_TO_CLOSE && !client.destroyed; turns++) {
    if (turns === hangUpAt) {
      // Whatever destroys the accepted end from here on resets it: an HTTP server, a TLS socket, the user's listener.
      resetOnDestroy(accepted.socket)
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
  return 'gone'
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

function resetWhenDone(accepted: Connection, done: () => void): void {
  const { stream } = accepted
  resetOnDestroy(accepted.socket)
  done()
  stream.resume()
  turn()
    .then(turn)
    .then(() => reset(accepted))
}

/** Our FIN is on its way; what the client has not read waits in the kernel without us. */
function leave({ stream }: Connection, error: Error | null | undefined, done: (error?: Error | null) => void): void {
  done(error)
  stream.resume()
  turn()
    .then(turn)
    .then(() => stream.destroy())
}

function pause(turns: number): Promise<void> {
  if (turns < 16) return turn()
  return new Promise((resolve) => void setTimeout(resolve, Math.min(2 ** (turns - 16), 16)))
}
