import { statSync } from 'node:fs'
import { escaped } from '../message.js'
import { portLockPlace } from '../platform/port-lock.js'
import { ownersOf, type SocketOwner } from '../socket-table/owners.js'

/** The processes that have the lock on a port, with their users. Empty if the system does not say. */
export function lockHolders(port: number, platform?: NodeJS.Platform): SocketOwner[] {
  const place = portLockPlace(port, platform)
  if (place === undefined || !('name' in place)) return []
  try {
    return ownersOf(place.name).map((owner) => ({ ...owner, uid: owner.uid ?? userOf(owner.pid) }))
  } catch {
    // No table of sockets, or no descriptor to read it.
    return []
  }
}

/** `pid 4711 (node) of user 1000 has the lock on port 3000`. */
export function describeLockHolder({ pid, program, hidden, thisProcess, uid }: SocketOwner, port: number): string {
  const name = program === undefined ? '' : ` (${escaped(program)})`
  const user = uid === undefined ? '' : ` of user ${uid}`
  const who = thisProcess ? `this process (pid ${pid})` : pid === undefined ? 'a process' : `pid ${pid}${name}${user}`
  return `${who} has the lock on port ${port}${pid === undefined ? `; ${hidden}` : ''}`
}

function userOf(pid: number | undefined): number | undefined {
  // The process is missing if /proc belongs to another pid namespace.
  return pid === undefined ? undefined : statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid
}
