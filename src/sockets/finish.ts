import { patch } from '../platform/patches.js'
import { nextTick } from '../timers.js'
import type { Connection } from './connection.js'

/** Our FIN behind all that was written, and an open ear for the peer's. */
export function finish({ stream, protocol }: Connection): void {
  if (!stream.writableEnded) {
    stream.end()
    if (protocol.hookable) dropWrites(stream)
  }
  // Without a reader the peer's FIN, behind bytes that nobody took, would never be seen.
  if (stream.readableFlowing === null && stream.listenerCount('readable') === 0) stream.resume()
}

/** An echo goes on writing what comes in. It did not end the stream, so it gets no ERR_STREAM_WRITE_AFTER_END. */
function dropWrites(stream: Connection['stream']): void {
  const because = 'a handler does not know that a drain has ended its stream'
  patch(
    stream,
    'write',
    () =>
      (...args: unknown[]) => {
        const written = args.find((arg) => typeof arg === 'function')
        if (written !== undefined) nextTick(written as () => void)
        return true
      },
    because,
  )
  patch(
    stream,
    'end',
    (end) =>
      ((...args: unknown[]) => Reflect.apply(end, stream, args.filter((arg) => typeof arg === 'function'))) as typeof end,
    because,
  )
}
