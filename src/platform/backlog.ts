import type net from 'node:net'
import { handleOf } from './node-internals.js'

/**
 * The connections in the full accept queue of a listener with a backlog of 1. Linux takes one more (sk_acceptq_is_full). Undefined on
 * other systems, each of which has its own number.
 */
export const fullQueue = (platform: NodeJS.Platform = process.platform): number | undefined =>
  platform === 'linux' || platform === 'android' ? 2 : undefined

/**
 * Lets no more connections into a listener's accept queue while one is in it. On Linux a second listen(2) changes only the backlog, and
 * the kernel drops a SYN if the queue is full. The client retries after a second, and is refused if the listener is gone. A unix
 * socket would answer EAGAIN instead, and macOS treats 0 as its default.
 */
export function takeNoMore(server: net.Server): void {
  if (process.platform !== 'linux') return
  const handle = handleOf(server)
  if (handle?.constructor?.name === 'TCP') handle.listen?.(0)
}
