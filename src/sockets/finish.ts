import { patch } from '../platform/patches.js'
import { nextTick } from '../timers.js'
import type { Connection } from './connection.js'

/** Sends a FIN behind everything written, and reads until the peer's FIN. */
export function finish({ stream, protocol }: Connection): void {
  if (!stream.writableEnded) {
    const { writableNeedDrain } = stream
    stream.end()
    if (protocol.hookable) keepHandler(stream, writableNeedDrain)
  }
  // Without a reader, Node would never see the peer's FIN behind unread bytes.
  if (stream.readableFlowing === null && stream.listenerCount('readable') === 0) stream.resume()
}

/**
 * A handler does not know that a drain has ended its stream, and continues. Its writes are dropped without an
 * ERR_STREAM_WRITE_AFTER_END, and it can still read up to the peer's FIN.
 */
function keepHandler(stream: Connection['stream'], waits: boolean): void {
  dropWrites(stream)
  // An ended stream does not emit 'drain'.
  if (waits) nextTick(() => stream.emit('drain'))
  // Node pauses a stream that is piped into itself when it has finished.
  stream.once('unpipe', (source) => {
    if (source === stream) stream.resume()
  })
}

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
      ((...args: unknown[]) =>
        Reflect.apply(
          end,
          stream,
          args.filter((arg) => typeof arg === 'function'),
        )) as typeof end,
    because,
  )
}
