import type net from 'node:net'
import { abortError, portsideError } from '../errors.js'
import { thrown } from '../explanations/thrown.js'
import { milliseconds } from '../numbers.js'
import { onAbort } from '../signals.js'
import { whenOverdue } from '../timers.js'

/** How long a connect may take. */
export interface PoolConnectOptions {
  /**
   * Milliseconds until an unanswered connect rejects with ERR_PORTSIDE_CONNECT_TIMEOUT.
   *
   * @default 10_000
   */
  timeout?: number
  /** Cancels the connect, which then rejects with ABORT_ERR. */
  signal?: AbortSignal
}

/** Checks the values of the options before the connect begins. */
export function checkConnect(options: PoolConnectOptions): void {
  if (options.timeout !== undefined) milliseconds('timeout', options.timeout, 1)
}

/** Resolves when the socket is connected (or secured); destroys it and rejects if that fails or takes too long. */
export async function connected(
  socket: net.Socket,
  event: 'connect' | 'secureConnect',
  target: string,
  { timeout = DEFAULT_TIMEOUT, signal }: PoolConnectOptions,
): Promise<void> {
  let cancel: (() => void) | undefined
  let forget: (() => void) | undefined
  const asked = `connect to ${target}`
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(abortError(signal as AbortSignal, asked))
      if (signal?.aborted) abort()
      forget = onAbort(signal, abort)
      cancel = whenOverdue(timeout, () => reject(unanswered(socket, asked, timeout)))
      socket.once(event, resolve).once('error', reject)
    })
  } catch (error) {
    socket.destroy()
    throw thrown(error, asked)
  } finally {
    cancel?.()
    forget?.()
  }
}

const DEFAULT_TIMEOUT = 10_000

function unanswered(socket: net.Socket, asked: string, timeout: number): Error {
  if (!socket.connecting) {
    return portsideError('ERR_PORTSIDE_CONNECT_TIMEOUT', {
      headline: `Cannot ${asked}: it is connected, but the TLS handshake did not complete within ${timeout} ms`,
      because: 'one of: the server does not speak TLS; it is busy, or waits in a callback such as SNICallback',
      next: 'check that the server answers the handshake, or pass a longer timeout',
    })
  }
  return portsideError('ERR_PORTSIDE_CONNECT_TIMEOUT', {
    headline: `Cannot ${asked}: neither a connection nor an error within ${timeout} ms`,
    because: 'one of: the accept queue of the listener is full; nothing on the way answers',
    next: 'check that the listener still accepts, or pass a longer timeout',
  })
}
