import type net from 'node:net'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { bytesUnderWay, handleOf } from '../platform/node-internals.js'
import { isTlsSocket } from '../platform/node-objects.js'
import { refuseAborted } from '../signals.js'
import { now, setTimeout, turn } from '../timers.js'
import { connectionTuple, formatTuple } from './tuple.js'

export interface FillOptions {
  /** Milliseconds until the wait is given up. Default 10 000. */
  timeout?: number
  signal?: AbortSignal
}

export interface FilledSendBuffer {
  /** Bytes that Node holds, because the kernel takes no more. */
  queuedInNode: number
  /** Bytes that the kernel took in this call: they are in its send buffer, or in the receive buffer of the peer. */
  takenByKernel: number
}

/** What is written at a time: more than the smallest buffer, far less than the largest (tcp(7), tcp_wmem). */
const CHUNK = Buffer.alloc(65_536, 'portside fills the send buffer. ')

/**
 * A kernel that has taken nothing for so many milliseconds takes no more, as long as its peer reads nothing: the first
 * probe of a window that is shut, after 200 ms on Linux, may still make some room (RFC 9293 §3.8.6.1).
 */
const SETTLED = 300

/** And in so many polls of the event loop: on a busy machine there may be none in all that time. */
const POLLS = 8

/**
 * Writes to the socket until the kernel takes no more, and says who holds how much of what was written: `write()`
 * returning false is about Node's own queue, not about the kernel's. The peer must not read meanwhile. What was written
 * stays on its way; it is delivered when the peer reads, and dropped with the socket.
 *
 * For connected TCP and unix sockets. Rejects with ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE for anything else,
 * ERR_PORTSIDE_WAIT_TIMEOUT where the kernel goes on taking, ABORT_ERR, or the error that ends the socket.
 */
export function fillSendBuffer(socket: net.Socket, options: FillOptions = {}): Promise<FilledSendBuffer> {
  const spec = {
    of: 'fillSendBuffer()',
    names: namesOf<FillOptions>()('timeout', 'signal'),
    example: '{ timeout: 5000 }',
  }
  return calledBy(fillSendBuffer, () => fill(socket, readOptions(options, spec)))
}

async function fill(socket: net.Socket, options: FillOptions): Promise<FilledSendBuffer> {
  const handle = readArgument('socket', SOCKET, socket, () => writableHandle(socket))
  const { timeout = 10_000, signal } = options
  milliseconds('timeout', timeout, 1)
  const begun = now()
  const asked = `fill the send buffer of ${formatTuple(connectionTuple(socket))}`
  let failure: Error | undefined
  const failed = (error: Error): void => {
    failure ??= error
  }
  socket.on('error', failed)
  // What was queued before is to be taken first.
  let written = queued(socket, handle)
  let taken = -1
  let since = begun
  let polls = 0
  try {
    for (;;) {
      refuseAborted(signal, asked)
      if (failure !== undefined || socket.destroyed) throw failure ?? closed(asked)
      if (socket.writableLength === 0) {
        socket.write(CHUNK)
        written += CHUNK.length
      }
      const queuedInNode = queued(socket, handle)
      if (written - queuedInNode !== taken) {
        taken = written - queuedInNode
        since = now()
        polls = 0
      } else if (polls++ > POLLS && now() - since > SETTLED) {
        return { queuedInNode, takenByKernel: taken }
      }
      if (now() - begun > timeout) throw endless(asked, taken, timeout)
      // Nothing left in Node: the kernel may take yet more at once.
      if (queuedInNode > 0) await new Promise((resolve) => void setTimeout(resolve, 5))
      await turn()
    }
  } finally {
    socket.off('error', failed)
  }
}

interface WriteHandle {
  /** Bytes that libuv was given and the kernel has not taken. */
  readonly writeQueueSize: number
}

/** What Node's stream holds back, and what of the chunk that it has given to libuv is left there. */
function queued(socket: net.Socket, { writeQueueSize }: WriteHandle): number {
  return socket.writableLength - bytesUnderWay(socket) + writeQueueSize
}

function writableHandle(socket: net.Socket): WriteHandle {
  const handle = handleOf(socket)
  if (typeof (socket as Partial<net.Socket> | null)?.write !== 'function' || isTlsSocket(socket)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'socket', SOCKET, socket)
  }
  if (typeof handle?.writeQueueSize !== 'number' || socket.connecting || !socket.writable) {
    throw portsideError('ERR_INVALID_ARG_VALUE', {
      headline: 'Cannot fill the send buffer of what was given as socket',
      argument: 'socket',
      expected: 'a socket that is connected and writable',
      actual: socket.connecting ? 'one that is still connecting' : 'one that is closed, ended, or was never connected',
      next: "wait for its 'connect' first",
    })
  }
  return handle as WriteHandle
}

const SOCKET = 'a TCP or unix net.Socket without TLS'

const closed = (asked: string): Error =>
  portsideError('ERR_STREAM_DESTROYED', { headline: `Cannot ${asked}`, because: 'the socket was destroyed meanwhile' })

function endless(asked: string, taken: number, timeout: number): Error {
  return portsideError('ERR_PORTSIDE_WAIT_TIMEOUT', {
    headline: `Cannot ${asked}`,
    expected: 'a kernel that takes no more',
    actual: `one that has taken ${taken} bytes in ${timeout} ms and goes on`,
    because: 'the peer reads',
    next: 'fill towards a peer that does not read, such as stalledEndpoint()',
  })
}
