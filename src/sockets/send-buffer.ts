import type net from 'node:net'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { bytesUnderWay, handleOf } from '../platform/node-internals.js'
import { isTlsSocket } from '../platform/node-objects.js'
import { type Runtime, runtime } from '../platform/runtime.js'
import { refuseAborted } from '../signals.js'
import { now, setTimeout, turn } from '../timers.js'
import { connectionTuple, formatTuple } from './tuple.js'

/** How long filling a send buffer may take. */
export interface FillOptions {
  /**
   * Milliseconds until the call rejects with ERR_PORTSIDE_WAIT_TIMEOUT, because the kernel still takes bytes.
   *
   * @default 10_000
   */
  timeout?: number
  /** Cancels the call, which then rejects with ABORT_ERR. */
  signal?: AbortSignal
}

/** How many bytes are in which queue. */
export interface FilledSendBuffer {
  /** Bytes that Node holds, because the kernel takes no more. */
  queuedInNode: number
  /**
   * Bytes that the kernel took in this call, including bytes queued before. They are in its send buffer, or in the receive buffer of
   * the peer.
   */
  takenByKernel: number
}

/** The size of each write: more than the smallest buffer, far less than the largest (tcp(7), tcp_wmem). */
const CHUNK = Buffer.alloc(65_536, 'portside fills the send buffer. ')

/**
 * A kernel that has taken nothing for this many milliseconds takes no more, as long as its peer reads nothing. On Linux the first
 * probe of a shut window, after 200 ms, may still make some room (RFC 9293 §3.8.6.1).
 */
const SETTLED = 300

/** The kernel must also take nothing in this many polls of the event loop. On a busy machine none may happen in that time. */
const POLLS = 8

/**
 * Writes to a connected TCP or unix socket until the kernel takes no more, and reports how many bytes Node and the kernel hold.
 *
 * The peer must not read meanwhile. The bytes are delivered when the peer reads, and dropped if the socket is destroyed. The kernel
 * has its own send buffer (tcp(7), tcp_wmem); `write()` returning false is about Node's queue.
 *
 * @throws ERR_INVALID_ARG_TYPE if the socket is a TLS socket, or not a socket
 * @throws ERR_INVALID_ARG_VALUE if the socket is not connected or not writable
 * @throws ERR_OUT_OF_RANGE if `timeout` is out of its range
 * @throws ERR_PORTSIDE_WAIT_TIMEOUT if the kernel still takes bytes after `timeout`
 * @throws ERR_STREAM_DESTROYED if the socket is destroyed meanwhile
 * @throws ERR_PORTSIDE_UNSUPPORTED in Bun and Deno, which do not say how many bytes the kernel has not taken
 * @throws ABORT_ERR if `signal` is aborted
 * @example
 * ```ts
 * import { createSocketPool, fillSendBuffer, stalledEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await stalledEndpoint()
 * await using pool = createSocketPool({ grace: 0 })
 * const socket = await pool.connect(endpoint)
 * const { queuedInNode } = await fillSendBuffer(socket)
 * expect(queuedInNode).toBeGreaterThan(0)
 * ```
 * @see `docs/sockets.md#fillsendbuffer`
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
  // The kernel takes bytes queued before this call first.
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
      // With nothing left in Node, the kernel may take more immediately.
      if (queuedInNode > 0) await new Promise((resolve) => void setTimeout(resolve, 5))
      await turn()
    }
  } finally {
    socket.off('error', failed)
  }
}

interface WriteHandle {
  /** Bytes that libuv has and the kernel has not taken. */
  readonly writeQueueSize: number
}

/** The bytes in Node's stream, and the bytes of its current chunk that are still in libuv. */
function queued(socket: net.Socket, { writeQueueSize }: WriteHandle): number {
  return socket.writableLength - bytesUnderWay(socket) + writeQueueSize
}

function writableHandle(socket: net.Socket): WriteHandle {
  const handle = handleOf(socket)
  if (typeof (socket as Partial<net.Socket> | null)?.write !== 'function' || isTlsSocket(socket)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'socket', SOCKET, socket)
  }
  if (handle != null && handle.writeQueueSize === undefined && socket.writable) throw notCounted()
  if (typeof handle?.writeQueueSize !== 'number' || socket.connecting || !socket.writable) {
    throw portsideError('ERR_INVALID_ARG_VALUE', {
      headline: 'Invalid `socket`',
      argument: 'socket',
      expected: 'a socket that is connected and writable',
      actual: socket.connecting
        ? 'a socket that is still connecting'
        : 'a socket that is closed, has ended, or was never connected',
      next: "wait for its 'connect' first",
    })
  }
  return handle as WriteHandle
}

/** The handles of Bun and Deno have no `writeQueueSize`, and neither do objects that a test puts in the place of a handle. */
const notCounted = (): Error =>
  portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot fill a send buffer',
    because: whyNotCounted(),
    next: 'run this test in Node',
  })

export const whyNotCounted = (on: Runtime = runtime()): string =>
  `${on === 'Node' ? 'the handle of this socket' : on} does not say how many bytes the kernel has not taken`

const SOCKET = 'a TCP or unix net.Socket without TLS'

const closed = (asked: string): Error =>
  portsideError('ERR_STREAM_DESTROYED', { headline: `Cannot ${asked}`, because: 'the socket was destroyed meanwhile' })

function endless(asked: string, taken: number, timeout: number): Error {
  return portsideError('ERR_PORTSIDE_WAIT_TIMEOUT', {
    headline: `Cannot ${asked}`,
    expected: 'a kernel that takes no more',
    actual: `a kernel that took ${taken} bytes in ${timeout} ms and still takes more`,
    because: 'the peer reads',
    next: 'use a peer that does not read, such as stalledEndpoint()',
  })
}
