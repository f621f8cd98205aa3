import type net from 'node:net'
import { handleOf } from './node-internals.js'

/**
 * Lets no further connection into a listener's accept queue while one is in it. On Linux a second listen(2) only changes
 * the backlog, and a SYN that finds the queue full is dropped: its client tries again after a second, and is refused if
 * the listener is gone by then. A unix socket would answer EAGAIN instead, and macOS takes 0 for its default.
 */
export function takeNoMore(server: net.Server): void {
  if (process.platform !== 'linux') return
  const handle = handleOf(server)
  if (handle?.constructor?.name === 'TCP') handle.listen?.(0)
}
